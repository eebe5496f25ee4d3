"""Owns what a terminal can say: its encoding, blocks or ASCII, and how wide a text is on it.

Never writes.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from spotify_hist.faces.cli.text import printable

_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHADES = " ·░▒▓█"
_ASCII_SHADES = " .:+*#"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = "_.:-=+*#"


class Voice:
    """What the encoding of stdout can say."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self.has_blocks = self._can_say(_EIGHTHS + _SHADES + _HEIGHTS + "…")
        self.ellipsis = "…" if self.has_blocks else "~"
        self.shades = _SHADES if self.has_blocks else _ASCII_SHADES
        self._heights = _HEIGHTS if self.has_blocks else _ASCII_HEIGHTS

    def _can_say(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def say(self, text: str) -> str:
        """`text` on one line, with a question mark for each character that cannot be said."""
        text = printable(text)
        if text.isascii() or self._can_say(text):
            return text
        return "".join(char if self._can_say(char) else "?" for char in text)

    def bar(self, share: float, width: int) -> str:
        """A bar of up to `width` characters, a fainter one for less than nothing.

        What is more than nothing is seen.
        """
        if share < 0:
            return ("░" if self.has_blocks else "-") * max(1, round(-share * width))
        if share == 0:
            return ""
        if not self.has_blocks:
            return "#" * max(1, round(share * width))
        whole, rest = divmod(max(1, round(share * width * 8)), 8)
        return "█" * whole + (_EIGHTHS[rest] if rest else "")

    def height(self, share: float) -> str:
        """One block as high as `share` of a line, 0 to 1."""
        last = len(self._heights) - 1
        return self._heights[max(0, min(round(share * last), last))]

    def fit(self, text: str, width: int, *, is_right: bool = False) -> str:
        """`text` padded or cut to `width` cells of the terminal."""
        taken = width_of(text)
        if taken > width:
            return set_cell_size(text, width - 1) + self.ellipsis
        padding = " " * (width - taken)
        return padding + text if is_right else text + padding


def width_of(text: str) -> int:
    """How many cells of a terminal `text` takes: wide characters take two."""
    return len(text) if text.isascii() else cell_len(text)
