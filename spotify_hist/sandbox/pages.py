"""Owns what a person's browser meets: the consent page, its two links, and the error page.

Never judges a request; `accounts` does.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from spotify_hist.sandbox.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotify_hist.sandbox.accounts import Asked

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>{title}</h1>{body}</body></html>
"""


def consent(query: Mapping[str, str], asked: Asked, accounts: Iterable[str]) -> Answer:
    """The page that asks whether the app may read; one Agree link an account, and Cancel."""
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in asked.scope.split())
    links = "".join(
        f'<p><a data-choice="agree" data-account="{escape(account)}" '
        f'href="{_link("agree", {**query, "account": account})}">'
        f"Agree as {escape(account)}</a></p>"
        for account in accounts
    )
    body = (
        "<p>This is the sandbox of spotify-hist, not Spotify: its listeners are invented.</p>"
        f"<p>An app asks to read:</p><ul>{scopes}</ul>{links}"
        f'<p><a data-choice="cancel" href="{_link("cancel", query)}">Cancel</a></p>'
    )
    return _html(200, "Agree?", body)


def refusal(text: str) -> Answer:
    """The page of a request that never reaches the app."""
    return _html(400, "Not possible", f"<p>{escape(text)}</p>")


def back_to_app(asked: Asked, fields: Mapping[str, str]) -> Answer:
    """The redirect to the app, with `state` if it sent one."""
    state = {} if asked.state is None else {"state": asked.state}
    joint = "&" if "?" in asked.redirect_uri else "?"
    target = asked.redirect_uri + joint + urlencode({**fields, **state})
    return Answer(302, headers={"Location": target})


def _link(choice: str, query: Mapping[str, str]) -> str:
    return escape(f"/authorize/{choice}?{urlencode(query)}")


def _html(status: int, title: str, body: str) -> Answer:
    page = _PAGE.format(title=escape(title), body=body)
    return Answer(status, page.encode(), "text/html; charset=utf-8")
