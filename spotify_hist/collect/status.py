"""Owns how everything stands: listeners, logins, database, spool, archives, what failed last.

Never changes anything, and never gives up: what cannot be looked at is told as a problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from spotify_hist.collect import disk_space, watch
from spotify_hist.collect.logins import LoginState, login_states
from spotify_hist.collect.outages import Outages
from spotify_hist.collect.spool import SetAside, Spool
from spotify_hist.errors import NoHistory, SpotifyHistError
from spotify_hist.sources.spotify.limits import Lane, Limits
from spotify_hist.store import checkpoints, coverage, journal, listeners, rewriting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from spotify_hist.collect.disk_space import DiskSpace
    from spotify_hist.collect.outages import Outage
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.coverage import Gap
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.journal import Run
    from spotify_hist.store.listeners import Standing

Backfill = Literal["finished", "unfinished"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """How one listener stands. `standing` is None where the history does not know them or cannot
    be read, `login` where they have none; `polled_at` is when they were last polled, `outage` since
    when every run for them has failed."""

    name: str
    account_id: str | None
    standing: Standing | None = None
    login: LoginState | None = None
    polled_at: datetime | None = None
    backfill: Backfill | None = None
    outage: Outage | None = None

    @property
    def is_paused(self) -> bool:
        """Whether nothing is to be collected for them now."""
        return self.standing is not None and self.standing.paused_at is not None


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A stretch in which plays of a listener are known to be missing."""

    user: str
    gap: Gap


@dataclass(frozen=True, slots=True)
class Failure:
    """The last run that failed, and whether the same job has done well since."""

    run: Run
    is_over: bool


@dataclass(frozen=True, slots=True)
class _History:
    """What only the database knows."""

    standings: list[Standing] = field(default_factory=list)
    polled: Mapping[int, datetime] = field(default_factory=dict)
    backfills: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    gaps: tuple[OpenGap, ...] = ()
    failure: Failure | None = None
    is_rewrite_owed: bool = False
    leftovers: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How everything stands. `database_bytes` is None where there is no history yet; `wal_bytes`
    are written but not merged into the file. Where `is_read` is false the history could not be
    read: nothing is known of gaps, polls and failures. `gaps` are the open ones, the latest last.
    `not_before` says until when Spotify wants no calls, by lane. `problems` are the things that
    could not be looked at. `set_aside` says what of Spotify's pages cannot be read, and why.

    `disks` are those of the home and of the watched folder. `had_history` says that a history was
    here once, `is_rewrite_owed` that deleted rows can still be read in it, and `leftovers` are what
    a rewrite that was cut short has left beside it."""

    is_read: bool
    listeners: tuple[ListenerStatus, ...]
    gaps: tuple[OpenGap, ...]
    failure: Failure | None
    not_before: Mapping[Lane, datetime]
    database_bytes: int | None
    wal_bytes: int
    pages_waiting: int
    pages_failed: int
    archives_waiting: int
    archives_failed: int
    problems: tuple[SpotifyHistError, ...]
    disks: tuple[DiskSpace, ...] = ()
    had_history: bool = False
    is_rewrite_owed: bool = False
    leftovers: tuple[Path, ...] = ()
    set_aside: SetAside = field(default_factory=SetAside)

    @property
    def history_problem(self) -> SpotifyHistError | None:
        """Why the history cannot be read, where it cannot."""
        return None if self.is_read else self.problems[0]


def look(
    settings: Settings, database: Database, vault: Callable[[], Vault], now: datetime
) -> Status:
    """How everything stands at `now`; `vault` opens the vault, which its key may not allow."""
    problems: list[SpotifyHistError] = []

    def tried(ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except SpotifyHistError as problem:
            problems.append(problem)
            return otherwise

    history = tried(lambda: _ask_history(database), _History())
    is_read = not problems
    names = listeners.names_of(each.listener for each in history.standings)
    no_logins: list[LoginState] = []
    logins = tried(lambda: login_states(vault(), names, now), no_logins)
    archives = tried(lambda: len(watch.pending(settings)), 0)
    database_bytes, wal_bytes = _size(database.path), _size(_beside(database, ".wal")) or 0
    set_aside = Spool(settings.spool).look_aside()
    return Status(
        is_read=is_read,
        listeners=tuple(
            replace(each, outage=_outage(settings, each, now)) for each in _joined(history, logins)
        ),
        gaps=history.gaps,
        failure=history.failure,
        not_before=_limits(settings, now),
        database_bytes=database_bytes,
        wal_bytes=wal_bytes,
        pages_waiting=len(Spool(settings.spool)),
        pages_failed=set_aside.pages,
        archives_waiting=archives,
        archives_failed=_failed_archives(settings.watched),
        problems=tuple(problems),
        disks=disk_space.disks(settings, (database_bytes or 0) + wal_bytes),
        had_history=any(_beside(database, ending).exists() for ending in (".gate", ".wal")),
        is_rewrite_owed=history.is_rewrite_owed,
        leftovers=history.leftovers,
        set_aside=set_aside,
    )


def _ask_history(database: Database) -> _History:
    try:
        with database.read() as connection:
            return _history(connection, database)
    except NoHistory:
        return _History()


def _history(connection: Connection, database: Database) -> _History:
    standings = listeners.overview(connection)
    gaps = [
        OpenGap(each.listener.name, gap)
        for each in standings
        for gap in coverage.open_gaps(connection, each.listener.user_id)
    ]
    return _History(
        standings,
        listeners.polled(connection),
        checkpoints.states(connection, "backfill"),
        tuple(sorted(gaps, key=lambda each: (each.gap.before, each.user))),
        _last_failure(connection),
        rewriting.is_owed(connection),
        # Who reads keeps the writers out: what lies there is nobody's work.
        tuple(rewriting.leftovers(database.path)),
    )


def _last_failure(connection: Connection) -> Failure | None:
    failed = journal.runs(connection, failed_only=True, limit=1)
    if not failed:
        return None
    (run,) = failed
    (latest, *_) = journal.runs(connection, job=run.job, user_id=run.user_id, limit=1)
    return Failure(run, is_over=latest.status == "ok")


def _joined(history: _History, logins: list[LoginState]) -> tuple[ListenerStatus, ...]:
    """Every listener with their login; then the logins that the history does not know."""
    known = [each.listener for each in history.standings]
    of_user: dict[int, LoginState] = {}
    others = []
    for login in logins:
        listener = listeners.whose(known, login.account)
        if listener is None:
            others.append(login)
        else:
            of_user[listener.user_id] = login
    everyone = []
    for standing in history.standings:
        listener = standing.listener
        state = history.backfills.get(listener.user_id)
        everyone.append(
            ListenerStatus(
                listener.name,
                listener.account_id,
                standing,
                of_user.get(listener.user_id),
                history.polled.get(listener.user_id),
                None if state is None else "finished" if state.get("finished") else "unfinished",
            )
        )
    for login in others:
        account_id = None if login.account is None else login.account.account_id
        everyone.append(ListenerStatus(login.user, account_id, login=login))
    return tuple(everyone)


def _outage(settings: Settings, listener: ListenerStatus, now: datetime) -> Outage | None:
    """Since when every run for a listener has failed; None where a poll did well since."""
    login = listener.login
    if login is None or login.account is None or listener.is_paused:
        return None
    outage = Outages(settings).of(login.account.account_id, now)
    polled = listener.polled_at
    if outage is None or (polled is not None and outage.last < polled <= now):
        return None
    return outage


def _beside(database: Database, ending: str) -> Path:
    return database.path.with_name(database.path.name + ending)


def _limits(settings: Settings, now: datetime) -> dict[Lane, datetime]:
    limits = Limits(settings.limits, settings.text("client_id") or "")
    lanes: tuple[Lane, ...] = ("plays", "details")
    moments = {lane: limits.not_before(lane, now.timestamp()) for lane in lanes}
    return {
        lane: datetime.fromtimestamp(moment, UTC)
        for lane, moment in moments.items()
        if moment is not None
    }


def _failed_archives(folder: Path) -> int:
    found = [*folder.glob("failed/*"), *folder.glob("*/failed/*")]
    return sum(path.suffix.lower() == ".zip" for path in found)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
