"""Owns the oldest releases that pyproject.toml allows: prints them as constraints for pip.

Never looks at what is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
# The one form a dependency has: a floor, and perhaps a ceiling.
FORM = re.compile(r"(?P<name>[a-z0-9-]+)>=(?P<floor>[0-9.]+)(?:,<(?P<ceiling>[0-9]+))?")


def floors(project: Path = PROJECT) -> dict[str, str]:
    """The floor of each dependency by its name; ValueError names one of another form."""
    found: dict[str, str] = {}
    for text in tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]:
        match = FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"a dependency is not of the form name>=floor[,<ceiling]: {text}")
        found[match["name"]] = match["floor"]
    return found


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}=={floor}\n" for name, floor in floors().items())
