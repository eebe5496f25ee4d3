"""Owns how the server puts answers into bytes: JSON, and the error envelope of every face.

Never decides what is an error; the guard, the tools and the app do.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spotify_hist.faces.server.visible import in_json, visible

if TYPE_CHECKING:
    from collections.abc import Mapping


SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error: its HTTP status and the error object of every face."""

    status: int
    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """`{"error": {"code", "message", "hint", "retryable"}}` as UTF-8 JSON."""
        error = {
            "code": self.code,
            "message": visible(self.message),
            "hint": visible(self.hint),
            "retryable": self.retryable,
        }
        return as_json({"error": error})


def as_json(value: object) -> bytes:
    """Compact UTF-8 JSON; a lone surrogate, and what a reader would not see, is an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return in_json(text).encode()


def internal_error() -> Refusal:
    """The answer for our own bugs: it says nothing of what went wrong inside."""
    return Refusal(
        500,
        "internal",
        "Something went wrong inside spotify-hist.",
        "Look for the request id in what serve-tools printed.",
    )


def where(error: BaseException) -> str:
    """The kind and place of `error` without its text, which may quote a person's values."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places or 'unknown'}"
