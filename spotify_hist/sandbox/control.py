"""Owns the endpoints under /_sandbox that let another process steer the sandbox and read truth.

Never part of what Spotify offers: nothing outside the demo and the tests may call them.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_hist.sandbox.faults import api_error, parse_fault
from spotify_hist.sandbox.recent import stamp
from spotify_hist.sandbox.wire import Answer, json_answer

if TYPE_CHECKING:
    from spotify_hist.sandbox.answers import Json
    from spotify_hist.sandbox.server import Sandbox
    from spotify_hist.sandbox.truth import TruePlay
    from spotify_hist.sandbox.wire import Request


def handle(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one control request; 400 with a reason for anything that makes no sense."""
    try:
        return _dispatch(sandbox, request)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return api_error(400, f"{type(error).__name__}: {error}")


def _dispatch(sandbox: Sandbox, request: Request) -> Answer:
    match request.method, request.path:
        case "POST", "/_sandbox/advance":
            sandbox.advance(_instant(_body(request)["to"]))
            return json_answer(200, {"now": sandbox.now.isoformat()})
        case "POST", "/_sandbox/fail":
            sandbox.faults.add(parse_fault(request.body))
            return json_answer(200, {})
        case "POST", "/_sandbox/revoke":
            sandbox.revoke(str(_body(request)["account"]))
            return json_answer(200, {})
        case "POST", "/_sandbox/expire":
            sandbox.expire_access_tokens()
            return json_answer(200, {})
        case "POST", "/_sandbox/deny-renewals":
            sandbox.accounts.denies_renewals = _body(request)["on"] is True
            return json_answer(200, {})
        case "POST", "/_sandbox/terms":
            sandbox.terms = sandbox.terms.changed(_body(request))
            return json_answer(200, sandbox.terms.as_json())
        case "POST", "/_sandbox/rotate":
            sandbox.rotate_every = int(str(_body(request)["every"]))
            return json_answer(200, {})
        case "GET", "/_sandbox/terms":
            return json_answer(200, sandbox.terms.as_json())
        case "GET", "/_sandbox/truth":
            return json_answer(200, truth(sandbox, request.query.get("account")))
        case "GET", "/_sandbox/shown":
            return json_answer(200, shown(sandbox, request.query.get("account")))
        case "GET", "/_sandbox/requests":
            return json_answer(
                200,
                [{"method": r.method, "path": r.path, "query": dict(r.query)}
                 for r in list(sandbox.requests)],
            )  # fmt: skip
    return api_error(404, "no such control")


def truth(sandbox: Sandbox, account: str | None = None) -> Json:
    """`{"now", "account", "plays": […]}`: what an account (else the first) played by now."""
    name = account if account is not None else next(iter(sandbox.lives))
    now = sandbox.now
    plays = sandbox.lives[name].until(now)
    return {
        "now": now.isoformat(),
        "account": name,
        "plays": [describe(play) for play in plays],
    }


def shown(sandbox: Sandbox, account: str | None = None) -> Json:
    """`{"account", "plays": [{…, "told_as": […]}]}`: the plays that answers of recently-played
    have told an account (else the first) of, in the order they ended, each with every `played_at`
    it was told with."""
    name = account if account is not None else next(iter(sandbox.lives))
    plays = sandbox.lives[name].plays
    told = sorted(sandbox.shown(name).items())
    return {
        "account": name,
        "plays": [
            describe(plays[number]) | {"told_as": [stamp(at_ms) for at_ms in sorted(instants)]}
            for number, instants in told
        ],
    }


def describe(play: TruePlay) -> Json:
    """One true play as JSON; `api_played_at` is None for what the API never tells."""
    delivery = play.delivery
    return {
        "played_at": stamp(play.ended_at_ms),
        "ms_played": play.ms_played,
        "kind": play.kind,
        "uri": play.uri,
        "title": play.title,
        "artist": play.artist,
        "album": play.album,
        "reason_end": play.reason_end,
        "incognito": play.incognito,
        "offline": play.offline,
        "video": play.video,
        "delivered_by_api": play.delivered_by_api,
        "api_played_at": stamp(delivery.played_at_ms) if delivery else None,
        "late_by_s": play.late_by_s,
    }


def _body(request: Request) -> dict[str, object]:
    body = json.loads(request.body)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - answered as 400
    return body


def _instant(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("an instant needs a UTC offset")
    return moment
