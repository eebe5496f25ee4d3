"""Owns one capture of the last plays for each listener: fetch, spool, commit.

Never calls Spotify while the database is open, and never loses a page it has fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_hist import normalise
from spotify_hist.collect.spool import Spool, SpooledPage
from spotify_hist.errors import LoginNeeded, RateLimited, SpotifyHistError
from spotify_hist.model import Account, ApiTrack, Record
from spotify_hist.store import checkpoints, coverage, journal, listeners, records

if TYPE_CHECKING:
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.coverage import Gap
    from spotify_hist.store.database import Database

PAGE_LIMIT = 50  # all that Spotify keeps (FACTS 3.2)
_NEARLY_FULL = 40
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class UserPoll:
    """What one poll brought for one listener. `new` counts plays the API had not told of before,
    `late` those among them that are older than ones it had."""

    user: str
    account_id: str
    fetched: int = 0
    new: int = 0
    late: int = 0
    rejected: int = 0
    gap: Gap | None = None
    error: SpotifyHistError | None = None


def poll(
    settings: Settings, database: Database, vault: Vault, clock: Clock, user: str | None = None
) -> list[UserPoll]:
    """Capture the last plays of every authorised listener, or of `user` alone.

    One listener's failure is in their `error` and never stops the others. Raises LoginNeeded where
    nobody is logged in.
    """
    spool = Spool(settings.spool)
    earlier_error = _try_drain(spool, database, clock)
    accounts = [token.account for token in vault.tokens()]
    if not accounts:
        raise LoginNeeded("No listener is logged in to Spotify.")
    if user is not None:
        accounts = [_account_of(database, user, accounts)]
    fetched: list[UserPoll] = []
    for account in accounts:
        # Spotify counts an app's calls together (FACTS 1.5): one refusal is for all.
        refusal = next((r.error for r in fetched if isinstance(r.error, RateLimited)), None)
        fetched.append(
            UserPoll(_shown_name(account), account.account_id, error=refusal)
            if refusal
            else _fetch(settings, vault, spool, account, clock)
        )
    committed: dict[str, UserPoll] = {}
    error = earlier_error
    try:
        for outcome in drain(spool, database, clock):
            committed[outcome.account_id] = outcome
    except SpotifyHistError as problem:
        error = problem
    results = [
        result if result.error else committed.get(result.account_id, replace(result, error=error))
        for result in fetched
    ]
    if not any(result.error for result in results):
        return results
    names = listeners.names_by_account(database)
    return [replace(each, user=names.get(each.account_id, each.user)) for each in results]


def drain(spool: Spool, database: Database, clock: Clock) -> Iterator[UserPoll]:
    """Commit every waiting page, each in one transaction, and forget it; the outcome of each.

    Raises DatabaseBusy and its like; then the pages that remain stay in the spool.
    """
    for page in spool.pages():
        body = _body(page)
        if body is None:
            spool.set_aside(page.path)
            continue
        outcome = _commit_page(page, body, database, clock)
        spool.remove(page)
        yield outcome


@dataclass(frozen=True, slots=True)
class _Body:
    """The plays of a page, and whether Spotify may have had more of them."""

    items: list[object]
    is_full: bool


def _body(page: SpooledPage) -> _Body | None:
    """What a page says, or None where it is no page at all.

    A few of the 50 are missing from some full pages (FACTS 3.7): such a page still points to an
    older one.
    """
    try:
        body = json.loads(page.body)
    except (ValueError, RecursionError):
        return None
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        return None
    is_nearly_full = len(items) >= _NEARLY_FULL and bool(body.get("next"))
    return _Body(items, len(items) >= PAGE_LIMIT or is_nearly_full)


def _try_drain(spool: Spool, database: Database, clock: Clock) -> SpotifyHistError | None:
    """Drain what earlier runs left; a busy database must not keep us from fetching."""
    try:
        for _ in drain(spool, database, clock):
            pass
    except SpotifyHistError as error:
        return error
    return None


def _account_of(database: Database, user: str, accounts: list[Account]) -> Account:
    with database.read() as connection:
        listener = listeners.find_listener(connection, user)
    for account in accounts:
        if listener is not None and account.account_id == listener.account_id:
            return account
    raise LoginNeeded(f"The listener '{user}' is not logged in to Spotify.")


def _shown_name(account: Account) -> str:
    return account.display_name or account.spotify_id or account.account_id


def _fetch(
    settings: Settings, vault: Vault, spool: Spool, account: Account, clock: Clock
) -> UserPoll:
    from spotify_hist.sources.spotify.client import Spotify

    empty = UserPoll(_shown_name(account), account.account_id)
    try:
        with Spotify(settings, vault, account.account_id, lambda: clock().timestamp()) as spotify:
            body = spotify.recently_played(limit=PAGE_LIMIT)
        spool.add(account, body, clock())
    except SpotifyHistError as error:
        return replace(empty, error=error)
    return empty


def _commit_page(page: SpooledPage, body: _Body, database: Database, clock: Clock) -> UserPoll:
    """Rows, checkpoint and job run of one page in one transaction."""
    found: list[Record] = []
    tracks: list[ApiTrack] = []
    rejected = 0
    for item in body.items:
        record = normalise.api_item(item)
        if isinstance(record, Record):
            found.append(record)
            track = normalise.api_track(item)
            if track is not None:
                tracks.append(track)
        else:
            rejected += 1
    started = clock()
    with database.write("poll") as connection:
        listener = listeners.listener_for_account(connection, page.account, started)
        before = coverage.page_state(connection, listener.user_id)
        records.create_stage(connection)
        records.stage(
            connection,
            (records.StagedRow(0, index, "", record) for index, record in enumerate(found)),
        )
        records.key_stage(connection, listener.user_id)
        committed = records.commit(connection, listener.user_id)
        new = late = 0
        gap = None
        if committed.fresh:
            records.add_track_details(connection, tracks)
            new, late = coverage.page_result(connection, listener.user_id, before)
            if body.is_full:
                gap = coverage.find_gap(connection, listener.user_id, started)
        checkpoints.set_checkpoint(connection, listener.user_id, "poll", started)
        stats = {"fetched": len(body.items), "new": new, "late": late, "rejected": rejected}
        journal.add_run(connection, "poll", listener.user_id, page.fetched_at, clock(), "ok", stats)
    return UserPoll(
        listener.name, page.account.account_id, len(body.items), new, late, rejected, gap, None
    )
