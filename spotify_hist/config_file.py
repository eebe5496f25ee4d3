"""Owns reading config.toml: its bytes as text, and the text as flat keys.

Never knows which settings there are.
"""

from __future__ import annotations

import codecs
import stat
from typing import TYPE_CHECKING, Any

from spotify_hist.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MEND = "Mend or remove that file."


def read(path: Path) -> dict[str, Any]:
    """The file flattened to `section.name` keys; {} where there is none. Raises SettingsError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"Cannot read {path}: it is no file.", hint=_MEND)
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"Cannot read {path}: {_why(error)}", hint=_MEND) from None
    if raw.startswith(_UTF_16) or b"\0" in raw:
        raise SettingsError(f"{path} is not saved as UTF-8.", hint="Save it as UTF-8 again.")
    import tomllib

    try:
        # Editors on Windows put a mark in front.
        tree = tomllib.loads(raw.removeprefix(codecs.BOM_UTF8).decode())
    except ValueError as error:  # of what is no TOML, or no UTF-8
        raise SettingsError(f"Cannot read {path}: {error}", hint=_MEND) from None
    except RecursionError:
        raise SettingsError(f"Cannot read {path}: it is nested too deep.", hint=_MEND) from None
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def _why(error: OSError | ValueError) -> str:
    return f"{error.strerror}." if isinstance(error, OSError) else f"{error}."
