"""Owns turning a raw row or API item into a Record, or saying why it cannot be one.

Never does I/O, reads no clock and has no policy: every row that makes sense is kept, however short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from spotify_hist.model import Record, Rejected
from spotify_hist.normalise.api import api_item, api_track, widest_image
from spotify_hist.normalise.exports import account_row, extended_row
from spotify_hist.normalise.values import as_object, clean_text, objects_in

if TYPE_CHECKING:
    from spotify_hist.model import Source

__all__ = [
    "account_row",
    "api_item",
    "api_track",
    "as_object",
    "clean_text",
    "extended_row",
    "objects_in",
    "row",
    "widest_image",
]


def row(
    source: Source | Literal["spotify_hist"], raw: object, keep_private: bool = False
) -> Record | Rejected:
    """The record of one raw row of a file of this source, or the reason why it is none.

    A row that the reader has rejected already stays so. Only the extended history has private
    fields that could be kept. Rows of this program's own files tell their source themselves.
    """
    if isinstance(raw, Rejected):
        return raw
    if source == "extended":
        return extended_row(raw, keep_private=keep_private)
    if source == "account":
        return account_row(raw)
    if source == "api":
        return api_item(raw)
    if source == "spotify_hist":
        from spotify_hist.normalise.own import own_row

        return own_row(raw, keep_private=keep_private)
    from spotify_hist.normalise import scrobblers

    return scrobblers.row(source, raw)
