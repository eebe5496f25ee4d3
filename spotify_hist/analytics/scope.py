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
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection

_FOLDER = resources.files("spotify_hist.analytics.views")
# Views of one SELECT that holds values of a scope.
_SELECTED = {
    "left_out_days",
    "asked_period",
    "known_artists",
    "sittings",
    "known_gaps",
    "open_gaps",
}
# Views of plays that are looked at, made of one file: they name local time only to hand it on.
_PLAYS = {"kept_plays", "counted_plays", "earlier_plays", "household_plays"}
# Views and macros in the order in which one stands on another.
_STEPS = (
    "named_tracks",
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
    "v_things",
    "v_genres",
    "v_platforms",
    "search_key",
    "kept_plays",
    "known_artists",
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
    statement = partial(_statement, connection, scope, wants_estimates=wants_estimates)
    possible = [name for name in _STEPS if _is_possible(scope, name)]
    if sql is None:
        needed = {name: statement(name) for name in possible}
    else:
        needed = _named(sql, possible, statement)
    if wants_estimates:
        put(connection, "named_tracks", statement("named_tracks"))
        put(connection, "estimates", _view("estimates"), scope.estimated)
    if "local_clock" in needed:
        # What the clocks of a zone showed takes some milliseconds to find out.
        asked = (each for name, each in needed.items() if name not in {"local_clock", *_PLAYS})
        is_told = any("local_" in each for each in (sql or "local_at", *asked))
        clock = _clock(scope) if is_told else "make_timestamp(epoch_us(played_at))"
        needed["local_clock"] = needed["local_clock"].replace("{clock}", clock)
    for name in possible:
        if name in needed:
            put(connection, name, needed[name])


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


def _named(sql: str, possible: Sequence[str], statement: Callable[[str], str]) -> dict[str, str]:
    """{name: what makes it} of the names that stand in `sql`, or in what makes one that does."""
    found: dict[str, str] = {}
    texts = [sql]
    while texts:
        text = texts.pop()
        for name in possible:
            if name not in found and name in text:
                found[name] = statement(name)
                texts.append(found[name])
    return found


def _is_possible(scope: Scope, name: str) -> bool:
    """Whether there is anything that this view could show."""
    if name == "earlier_plays":
        return scope.earlier is not None
    return name != "household_plays" or bool(scope.household)


def _statement(connection: Connection, scope: Scope, name: str, *, wants_estimates: bool) -> str:
    """What makes one of the steps."""
    if name == "named_tracks":
        return _view("named_tracks_raw" if scope.is_raw else "named_tracks")
    if name == "timed_plays":
        # A join with estimates that are none would cost each question a fifth of its time.
        return _view("estimated_lengths" if wants_estimates else "told_lengths")
    if name == "local_clock":
        return "create or replace temp macro local_clock(played_at, country) as {clock}"
    if name in _PLAYS:
        return _plays(name, scope, _conditions(connection, scope, name))
    if name in _SELECTED:
        return f"create or replace temp view {name} as {_selected(scope, name)}"
    return _view(name)


def _selected(scope: Scope, name: str) -> str:
    """The SELECT of a view that holds values of a scope."""
    if name == "left_out_days":
        return f"select unnest([{_days_left_out(scope)}]::date[]) as day"
    if name == "asked_period":
        last = scope.until and scope.until - timedelta(microseconds=1)
        days = (("first_on", scope.since), ("last_on", last), ("today", scope.now))
        columns = ", ".join(f"{_day(moment, scope.zone)} as {each}" for each, moment in days)
        return f"select {columns}"
    if name == "known_artists":
        # Those heard before the period.
        before = f"played_at < {_instant(scope.since)} and artist_key is not null"
        return f"select distinct artist_key from kept_plays where {before}"  # noqa: S608 - quoted
    if name == "sittings":
        return f"select * from sittings_of({scope.gap_minutes})"  # noqa: S608 - a number
    if name == "known_gaps":
        asked = f"{scope.user_id}, {_instant(scope.since)}, {_instant(scope.until)}"
        return f"select * from gaps_of({asked})"  # noqa: S608 - quoted
    return "select * from known_gaps where closed_at is null"


def _conditions(connection: Connection, scope: Scope, name: str) -> str:
    """The conditions of the plays that a view shows."""
    period = Period(scope.since, scope.until)
    if name == "household_plays":
        each = (f"({_shown_to(connection, scope, user_id)})" for user_id in scope.household)
        return f"{_within(period)} and ({' or '.join(each)})"
    own = _shown_to(connection, scope, scope.user_id)
    if name == "counted_plays":
        return f"{own} and {_within(period)}"
    if name == "earlier_plays" and scope.earlier is not None:
        return f"{own} and {_within(scope.earlier)}"
    return own


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
    return _FOLDER.joinpath(f"{name}.sql").read_text(encoding="utf-8")
