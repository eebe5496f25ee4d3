"""Owns what an answer of Spotify means for the person: refusals, waits, bodies that are no JSON.

Never sends a request, and never puts a token, code, secret or verifier into an error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from spotify_hist.errors import Forbidden, Offline, RateLimited
from spotify_hist.sources.spotify.limits import NONSENSE_S

DASHBOARD = "https://developer.spotify.com/dashboard"
_QUOTA = b"QUOTA_EXCEEDED"
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-+/=.~%]{20,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: any status that another try would not change."""

    status: int
    body: bytes = field(repr=False)


class NotOffered(Forbidden):
    """A 403 for none of the reasons a person can do something about (FACTS 4.4).

    Closed and removed endpoints answer so (FACTS 1.6).
    """


def json_object(answer: Answer) -> dict[str, object]:
    """The JSON object in the body. Raises Offline for anything else, a cut-off body included."""
    value = _json(answer.body)
    if not isinstance(value, dict):
        raise Offline(
            f"Spotify answered something that is not JSON (HTTP {answer.status}).",
            hint="A proxy or a Wi-Fi sign-in page may be in between: open any web page in a "
            "browser on this network, and sign in where it asks to.",
        )
    return value


def said(answer: Answer) -> str:
    """The message in an error of the Web API, for reading only; "" where there is none."""
    value = _json(answer.body)
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def quota_exceeded(body: bytes) -> bool:
    """Whether a 429 is about the quota, which nobody says when it ends (FACTS 1.5)."""
    return _QUOTA in body


def quota_error() -> RateLimited:
    """The quota is used up: final for this run, without a time to come back (FACTS 1.5)."""
    return RateLimited(
        "The request quota of your Spotify app's owner is used up (QUOTA_EXCEEDED).",
        hint="Spotify does not say when it is filled up again: let the other apps of that owner "
        "ask less, as they share it, and see https://developer.spotify.com/dashboard.",
    )


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or an HTTP date against `now`.

    None if it is absent, malformed or beyond a month (FACTS 4.1). Never negative, never raises.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        wait_s = float(text)
    else:
        try:
            wait_s = max(0.0, parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return None
    return wait_s if wait_s <= NONSENSE_S else None


def served_at(header: str | None, now: float) -> float:
    """Epoch second of a Date header, else `now`: a date in an answer is by the server's clock."""
    try:
        return parsedate_to_datetime((header or "").strip()).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return now


def forbidden(answer: Answer, token: str | None) -> Forbidden:
    """Spotify's refusal (HTTP 403) with its own remedy (FACTS 4.4)."""
    text = answer.body.decode("utf-8", "replace").casefold()
    if "not registered" in text:
        return Forbidden(
            "This Spotify account is not on the list of users of your Spotify app.",
            hint=f"At {DASHBOARD} open the app, add the account's e-mail under User Management, "
            "then run 'spotify-hist auth login'.",
        )
    if "premium" in text:
        return Forbidden(
            "The owner of the Spotify app has no active Premium subscription.",
            hint="Renew Premium for the account that owns the app, or set SPOTIFY_HIST_CLIENT_ID "
            "to an app whose owner has it and run 'spotify-hist auth login'.",
        )
    if "scope" in text:
        return Forbidden(
            "The login does not cover this: a permission is missing.",
            hint="Run 'spotify-hist auth login' again and agree to what is asked.",
        )
    words = _without_secrets(said(answer), token)
    return NotOffered(
        "Spotify refuses this request (HTTP 403)" + (f": {words}" if words else "."),
        hint=f"Check your app at {DASHBOARD}, then run 'spotify-hist auth login'.",
    )


def _json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _without_secrets(text: str, token: str | None) -> str:
    """Spotify's own words, short, on one line, without anything that may be a secret."""
    if token:
        text = text.replace(token, "…")
    text = _TOKEN_LIKE.sub("…", " ".join(text.split()))
    return "".join(letter for letter in text if letter.isprintable())[:200]
