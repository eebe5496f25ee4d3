"""Owns failures on demand: which of the next requests go wrong, and with which answer.

Never fails anything that was not asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING

from spotify_hist.sandbox.wire import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The texts of FACTS 4.4 and 1.5, for use as `body` of `Sandbox.fail`.
NOT_REGISTERED = "User not registered in the Developer Dashboard"
NOT_REGISTERED_JSON = (
    "The user is not registered for this application. "
    "Please check your settings on https://developer.spotify.com/dashboard"
)
PREMIUM_REQUIRED = "Active premium subscription required for the owner of the app."
INSUFFICIENT_SCOPE = "Insufficient client scope"
QUOTA_EXCEEDED: dict[str, object] = {
    "error": {"status": 429, "message": "Quota exceeded", "reason": "QUOTA_EXCEEDED"}
}
TOO_MANY = "Too many requests"

_MESSAGES = {
    401: "The access token expired",
    403: NOT_REGISTERED_JSON,
    404: "Service not found",
    500: "Server error.",
    502: "Bad gateway.",
    503: "Service unavailable",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Requests under `prefix` get `answer` for `times` times, after `skip` that go well.

    `hold_s` seconds pass before the answer. With `change` the answer is the true one, its body
    changed on the way.
    """

    prefix: str
    answer: Answer
    times: int
    skip: int = 0
    hold_s: float = 0.0
    change: Callable[[bytes], bytes] | None = None

    def met(self, ask: Callable[[], Answer]) -> Answer:
        """What a request gets that meets this fault; `ask` gives the true answer."""
        if self.change is None:
            return self.answer
        true = ask()
        is_good = true.status == HTTPStatus.OK
        return replace(true, body=self.change(true.body)) if is_good else true


@dataclass(slots=True)
class Faults:
    """The failures still to come, in the order they were asked for."""

    _waiting: list[Fault] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, path: str) -> Fault | None:
        """The failure this request meets, counted as used, or None."""
        with self._lock:
            for number, fault in enumerate(self._waiting):
                if not path.startswith(fault.prefix):
                    continue
                if fault.skip:
                    self._waiting[number] = replace(fault, skip=fault.skip - 1)
                    return None
                if fault.times > 1:
                    self._waiting[number] = replace(fault, times=fault.times - 1)
                else:
                    del self._waiting[number]
                return fault
        return None


def failing_answer(
    status: int,
    *,
    headers: Mapping[str, str] | None = None,
    body: str | bytes | Mapping[str, object] | None = None,
    truncated: bool = False,
) -> Answer:
    """The answer of a failure; status 0 cuts the connection without any answer.

    Without `body`: Spotify's JSON error object, or plain text for 429 (FACTS 4.1). Text is sent
    as plain text, bytes as given under a JSON content type, a mapping as JSON.
    """
    if status == 0:
        return Answer(0, dropped=True)
    if body is None:
        if status == 429:
            body = TOO_MANY
        else:
            message = _MESSAGES.get(status) or HTTPStatus(status).phrase
            body = {"error": {"status": status, "message": message}}
    if isinstance(body, str):
        return Answer(status, body.encode(), "text/plain; charset=utf-8", headers or {}, truncated)
    if isinstance(body, bytes):
        return Answer(status, body, headers=headers or {}, truncated=truncated)
    return replace(json_answer(status, body, headers), truncated=truncated)


def api_error(status: int, message: str) -> Answer:
    """The Web API's error object."""
    return json_answer(status, {"error": {"status": status, "message": message}})


def parse_fault(text: bytes) -> Fault:
    """A fault asked for over HTTP: `{"path", "status", "times", "headers", "body", …}`.

    Raises ValueError if it is not that.
    """
    asked = json.loads(text)
    if not isinstance(asked, dict) or not isinstance(asked.get("path"), str):
        raise ValueError("a fault needs at least a path and a status")  # noqa: TRY004 - one error
    headers = {str(key): str(value) for key, value in (asked.get("headers") or {}).items()}
    answer = failing_answer(
        int(asked["status"]),
        headers=headers,
        body=asked.get("body"),
        truncated=bool(asked.get("truncated", False)),
    )
    return Fault(
        asked["path"],
        answer,
        int(asked.get("times", 1)),
        int(asked.get("skip", 0)),
        float(asked.get("hold_s", 0)),
    )
