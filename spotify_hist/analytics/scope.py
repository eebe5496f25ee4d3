"""Owns what a question looks at: the temporary views it selects from, for one listener and period.

Never answers a question, and never changes the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from spotify_hist.analytics import zones
from spotify_hist.model import iso
from spotify_hist.store import identity, ignoring, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection

# Views and macros in the order in which one stands on another.
_STEPS = ("v_plays", "plays_of", "gaps_of", "v_tellings", "v_week_hours")


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

    @classmethod
    def everything(cls, user_id: int, now: datetime, *, is_raw: bool = False) -> Self:
        """All plays of a listener, of every kind and length, by the clock of UTC."""
        return cls(user_id, ZoneInfo("UTC"), now, kind="all", is_raw=is_raw)

    @property
    def period(self) -> dict[str, object]:
        return {"user_id": self.user_id, "since": self.since, "until": self.until}


def make(connection: Connection, scope: Scope, *, wants_estimates: bool) -> None:
    """Make `counted_plays` (the plays of the period that count), `kept_plays` (of all time),
    `open_gaps`, and the views that these stand on."""
    reconcile.prepare(connection)  # the names of things are compared by its macro
    identity.use(connection)
    connection.execute(_view("v_tracks_raw" if scope.is_raw else "v_tracks"))
    clock = zones.local_time(scope.zone, scope.now)
    if scope.is_travelling:
        clock = _abroad(clock)
    connection.execute(f"create or replace temp macro local_clock(played_at, country) as {clock}")
    if wants_estimates:
        connection.execute(_view("estimates"), scope.period)
    else:
        connection.execute(_view("no_estimates"))
    for name in _STEPS:
        connection.execute(_view(name))
    hidden = {} if scope.is_raw else ignoring.hidden(connection, scope.user_id)
    conditions = " and ".join(("true", *_not_hidden(hidden)))
    connection.execute(
        "create or replace temp view kept_plays as select * from "  # noqa: S608 - quoted below
        f"plays_of({scope.user_id}, {_quoted(scope.kind)}, {scope.min_ms}) where {conditions}"
    )
    since, until = _instant(scope.since), _instant(scope.until)
    connection.execute(
        "create or replace temp view counted_plays as select * from kept_plays "  # noqa: S608
        f"where (played_at >= {since} or {since} is null) "
        f"and (played_at < {until} or {until} is null)"
    )
    connection.execute(
        "create or replace temp view open_gaps as "  # noqa: S608
        f"select * from gaps_of({scope.user_id}, {since}, {until})"
    )


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
