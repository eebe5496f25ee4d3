"""Owns what a question looks at: the temporary views it selects from, for one listener and period.

Never answers a question, and never changes the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from spotify_hist.analytics import zones
from spotify_hist.analytics.periods import Period
from spotify_hist.model import iso
from spotify_hist.store import identity, ignoring
from spotify_hist.store.kept_open import left_on, once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection

# Views that hold the values of a scope; all others are files.
_SELECTED = {
    "left_out_days",
    "asked_period",
    "kept_plays",
    "counted_plays",
    "earlier_plays",
    "household_plays",
    "sittings",
    "known_gaps",
    "open_gaps",
}
# Views of plays that are looked at: they name local time only to hand it on.
_PLAYS = {"kept_plays", "counted_plays", "earlier_plays", "household_plays"}
# Views and macros in the order in which one stands on another.
_STEPS = (
    "v_tracks",
    "timed_plays",
    "local_clock",
    "gaps_of",
    "v_week_hours",
    "v_numbers",
    "left_out_days",
    "v_days",
    "asked_period",
    "v_sources",
    "v_import_kinds",
    "v_songs",
    "v_genres",
    "v_platforms",
    "search_key",
    "kept_plays",
    "counted_plays",
    "counted_tracks",
    "earlier_plays",
    "household_plays",
    "sittings_of",
    "sittings",
    "known_gaps",
    "open_gaps",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose plays are looked at, and which: the values that the views are made with."""

    user_id: int
    zone: ZoneInfo
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    kind: str = "track"
    min_ms: int = 0
    is_raw: bool = False
    is_travelling: bool = False
    earlier: Period | None = None  # what the period is compared with
    gap_minutes: int = 30  # the longest pause within one sitting
    household: tuple[int, ...] = ()  # all listeners, where the question is about all of them

    @classmethod
    def everything(cls, user_id: int, now: datetime, *, is_raw: bool = False) -> Self:
        """All plays of a listener, of every kind and length, by the clock of UTC."""
        return cls(user_id, ZoneInfo("UTC"), now, kind="all", is_raw=is_raw)

    @property
    def period(self) -> dict[str, object]:
        return {"user_id": self.user_id, "since": self.since, "until": self.until}

    @property
    def periods(self) -> Iterator[tuple[int, Period]]:
        """The period for every listener looked at, and what it is compared with."""
        for user_id in self.household or (self.user_id,):
            for each in (Period(self.since, self.until), self.earlier):
                if each is not None:
                    yield user_id, each

    @property
    def estimated(self) -> dict[str, object]:
        """Whose plays, and of what time, may need an estimate."""
        return {
            "user_ids": list(self.household or (self.user_id,)),
            "since": self.since,
            "until": self.until,
            "earlier_since": self.earlier and self.earlier.since,
            "earlier_until": self.earlier and self.earlier.until,
        }


def make(
    connection: Connection, scope: Scope, *, wants_estimates: bool, sql: str | None = None
) -> None:
    """Make `counted_plays` (the plays of the period that count), `kept_plays` (of all time),
    `open_gaps`, and the other views and macros: those that `sql` names and what they stand on, or
    all of them where there is none."""
    once(connection, "identity", partial(identity.use, connection))
    statements = dict(_statements(connection, scope, wants_estimates=wants_estimates))
    needed = set(statements) if sql is None else _named(sql, statements)
    if wants_estimates:
        put(connection, "v_tracks", statements["v_tracks"])
        put(connection, "estimates", _view("estimates"), scope.estimated)
    if "local_clock" in needed:
        # What the clocks of a zone showed takes some milliseconds to find out.
        handing_on = {"local_clock", *_PLAYS}
        asked = [sql or "local_at", *(statements[each] for each in needed - handing_on)]
        is_told = any("local_" in each for each in asked)
        clock = _clock(scope) if is_told else "make_timestamp(epoch_us(played_at))"
        statements["local_clock"] = statements["local_clock"].replace("{clock}", clock)
    if "left_out_days" in needed:
        days = statements["left_out_days"].replace("{days}", _days_left_out(scope))
        statements["left_out_days"] = days
    for name, statement in statements.items():
        if name in needed:
            put(connection, name, statement)


def put(
    connection: Connection,
    name: str,
    statement: str,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Run what makes a temporary view, macro or table, unless just that is there already."""
    left = left_on(connection)
    made = (statement, repr(parameters))
    if left.get(name) != made:
        connection.execute(statement, dict(parameters or {}))
        left[name] = made


def _named(sql: str, statements: Mapping[str, str]) -> set[str]:
    """The names among `statements` that stand in `sql`, or in a statement that is needed for it."""
    found: set[str] = set()
    texts = [sql]
    while texts:
        text = texts.pop()
        new = {name for name in statements if name not in found and name in text}
        found |= new
        texts += [statements[name] for name in new]
    return found


def _statements(
    connection: Connection, scope: Scope, *, wants_estimates: bool
) -> Iterator[tuple[str, str]]:
    """(name, what makes it) of every step, in their order."""
    selected = dict(_selected(connection, scope))
    for name in _STEPS:
        if name == "v_tracks":
            yield name, _view("v_tracks_raw" if scope.is_raw else "v_tracks")
        elif name == "timed_plays":
            # A join with estimates that are none would cost each question a fifth of its time.
            yield name, _view("estimated_lengths" if wants_estimates else "told_lengths")
        elif name == "local_clock":
            yield name, "create or replace temp macro local_clock(played_at, country) as {clock}"
        elif name in _PLAYS:
            if name in selected:
                yield name, selected[name]
        elif name in _SELECTED:
            yield name, f"create or replace temp view {name} as {selected[name]}"
        else:
            yield name, _view(name)


def _selected(connection: Connection, scope: Scope) -> Iterator[tuple[str, str]]:
    """(name, SQL) of each view that holds the values of a scope."""
    yield "left_out_days", "select unnest([{days}]::date[]) as day"
    last = scope.until and scope.until - timedelta(microseconds=1)
    days = (("first_on", scope.since), ("last_on", last), ("today", scope.now))
    columns = ", ".join(f"{_day(moment, scope.zone)} as {name}" for name, moment in days)
    yield "asked_period", f"select {columns}"
    own = _shown_to(connection, scope, scope.user_id)
    within = _within(Period(scope.since, scope.until))
    yield "kept_plays", _plays("kept_plays", scope, own)
    yield "counted_plays", _plays("counted_plays", scope, f"{own} and {within}")
    if scope.earlier is not None:
        yield "earlier_plays", _plays("earlier_plays", scope, f"{own} and {_within(scope.earlier)}")
    if scope.household:
        each = (f"({_shown_to(connection, scope, user_id)})" for user_id in scope.household)
        yield (
            "household_plays",
            _plays("household_plays", scope, f"{within} and ({' or '.join(each)})"),
        )
    yield "sittings", f"select * from sittings_of({scope.gap_minutes})"  # noqa: S608
    asked = f"{scope.user_id}, {_instant(scope.since)}, {_instant(scope.until)}"
    yield "known_gaps", f"select * from gaps_of({asked})"  # noqa: S608
    yield "open_gaps", "select * from known_gaps where closed_at is null"


def _plays(name: str, scope: Scope, conditions: str) -> str:
    """What makes a view of plays that are looked at, of those that fulfil the conditions."""
    values = {
        "name": name,
        "kind": _quoted(scope.kind),
        "min_ms": f"{scope.min_ms:d}",
        "conditions": conditions,
    }
    made = _view("looked_at_plays")
    for key, value in values.items():
        made = made.replace(f"{{{key}}}", value)
    return made


def _within(period: Period) -> str:
    """The condition of a play of a half-open period."""
    edges = (("played_at >= ", period.since), ("played_at < ", period.until))
    return " and ".join(
        ("true", *(each + _instant(edge) for each, edge in edges if edge is not None))
    )


def _shown_to(connection: Connection, scope: Scope, user_id: int) -> str:
    """The condition of a play of a listener that none of the rules in force there hides."""
    hidden: Mapping[str, Sequence[str]] = {}
    if not scope.is_raw:
        look = partial(ignoring.hidden, connection, user_id)
        hidden = once(connection, ("hidden", user_id), look)
    return " and ".join((f"user_id = {user_id}", *_not_hidden(hidden)))


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    """The local day of an instant; none where the calendar has none for it."""
    try:
        return f"date '{moment.astimezone(zone).date()}'" if moment else "null::date"
    except OverflowError:
        return "null::date"


def _instant(moment: datetime | None) -> str:
    return "null::timestamptz" if moment is None else f"timestamptz {_quoted(iso(moment))}"


def _not_hidden(hidden: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The conditions that leave out what ignore rules name, under whatever id it counts now."""
    columns = {"album": "album_id", "context": "context_uri", "kind": "kind"}
    for entity, ids in hidden.items():
        listed = ", ".join(map(_quoted, ids))
        if entity == "track":
            found = f"select track_id from identity where told_id in ({listed})"  # noqa: S608
            yield f"coalesce(track_id, '') not in ({found})"
        elif entity == "artist":
            found = f"select artist_id from identity where own_artist_id in ({listed})"  # noqa: S608
            yield f"coalesce(artist_id, '') not in ({found})"
        else:
            yield f"coalesce({columns[entity]}, '') not in ({listed})"


def _days_left_out(scope: Scope) -> str:
    return ", ".join(f"date '{day}'" for day in zones.days_left_out(scope.zone, scope.now))


def _clock(scope: Scope) -> str:
    """The local time of `played_at`, as SQL."""
    clock = zones.local_time(scope.zone, scope.now)
    return _abroad(clock) if scope.is_travelling else clock


def _abroad(clock: str) -> str:
    """Local time in the zone of the country a play was heard in, where that is known."""
    pairs = ", ".join(
        f"{_quoted(country)}: {_quoted(zone)}" for country, zone in zones.country_zones().items()
    )
    return f"coalesce(timezone(map {{{pairs}}}[country], played_at), {clock})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@cache
def _view(name: str) -> str:
    folder = resources.files("spotify_hist.analytics.views")
    return folder.joinpath(f"{name}.sql").read_text(encoding="utf-8")
