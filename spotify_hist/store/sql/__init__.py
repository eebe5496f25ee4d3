"""The store's statements; `load` gives those of one file by step name."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEP = re.compile(r"^-- step: (?P<name>\w+)$", re.MULTILINE)


@cache
def load(name: str) -> Mapping[str, str]:
    """The statements of `<name>.sql`, keyed by the `-- step: NAME` line above each."""
    text = resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    parts = _STEP.split(text)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
