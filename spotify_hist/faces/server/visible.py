"""Owns how text of others is shown to a reader: on one line, with nothing hidden in it.

Never changes what is data: JSON keeps each character, if only as an escape.

Names come from files and from Spotify. A character that draws nothing, turns the writing around or
steers a terminal is shown as the escape that JSON has for it. Joiners and variation selectors stay
where words and emoji are made with them: behind a letter of a script that joins, or a symbol.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ALWAYS: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINING: Final = "\u0530-\u1fff\u2070-\ufdff\ufe0f\ufe70-\ufefe\U00010000-\U000dffff"
_SYMBOLS: Final = "#*0-9\xa9\xae\u1800-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ufaff"
_IDEOGRAPHS: Final = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIDDEN: Final = re.compile(
    f"[{_ALWAYS}]"
    f"|(?<![{_JOINING}])[\u200c\u200d]"
    f"|(?<![{_SYMBOLS}\U00010000-\U000dffff])[\ufe00-\ufe0f]"
    f"|(?<![{_IDEOGRAPHS}])[\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """`text` on one line: every space a plain one, every hidden character an escape."""
    return in_json(" ".join(text.split()))


def in_json(text: str) -> str:
    """A JSON document of one line as another that says the same and hides nothing."""
    return _HIDDEN.sub(_escaped, text)


def quoted(text: str) -> str:
    """`text` as a JSON string that hides nothing."""
    return in_json(json.dumps(text, ensure_ascii=False))


def hides(text: str) -> bool:
    """Whether a reader would not see all of `text`."""
    return _HIDDEN.search(text) is not None


def without_folders(text: str, folders: Iterable[Path]) -> str:
    """`text` with the files in these folders called by their names within them."""
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
        text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "its folder", text)
    return text


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return f"\\u{ord(char):04x}" if char <= "\uffff" else json.dumps(char)[1:-1]
