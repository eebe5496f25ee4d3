"""Owns the person's part of a login: opening the page, choosing, and coming back to the app.

Never talks to anything but the addresses it is given, and never through a proxy.
"""

from __future__ import annotations

import urllib.request
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from http.client import HTTPResponse


class PageRefused(Exception):
    """The authorisation page is an error page; its text is the message."""


def agree(authorize_url: str, account: str | None = None) -> str:
    """Open the page, follow Agree (of `account`, else of the first), return the redirect's URL.

    The URL returned is not visited. Raises PageRefused for an error page and LookupError where
    no such account can be chosen.
    """
    return _choose(authorize_url, "agree", account)


def cancel(authorize_url: str) -> str:
    """As `agree`, but the person says no."""
    return _choose(authorize_url, "cancel", None)


def visit(url: str) -> str:
    """Follow the redirect to the app's own listener and return the page it shows."""
    with opener().open(url, timeout=10) as answer:
        text: str = answer.read().decode("utf-8", "replace")
    return text


def _choose(authorize_url: str, choice: str, account: str | None) -> str:
    page = _Links()
    with opener().open(authorize_url, timeout=10) as answer:
        text = answer.read().decode("utf-8")
        if answer.status != 200:
            raise PageRefused(text)
    page.feed(text)
    for link in page.links:
        wanted = account is None or link.get("data-account") == account
        if link.get("data-choice") == choice and wanted:
            target = urljoin(authorize_url, link.get("href") or "")
            with opener().open(target, timeout=10) as answer:
                return str(answer.headers["Location"])
    raise LookupError(f"the page offers no {choice} link for {account or 'anyone'}")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs))


class _AsIs(urllib.request.HTTPErrorProcessor):
    """Hands every answer on: neither redirects nor errors are acted upon."""

    def http_response(
        self,
        request: urllib.request.Request,  # noqa: ARG002 - the base's signature
        response: HTTPResponse,
    ) -> HTTPResponse:
        return response


def opener() -> urllib.request.OpenerDirector:
    """A client without proxy that returns every answer as it comes."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _AsIs())
