"""Owns the promised views: what whoever writes SQL may build on, and what each column means.

Never changes a name or a meaning: a view here may get another column, and that is all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from spotify_hist.analytics import scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.analytics.scope import Scope
    from spotify_hist.store.database import Connection

# In the order in which one stands on another, and in which they are told of.
NAMES = (
    "v_plays", "v_song_plays", "v_artists", "v_albums", "v_daily", "v_sessions", "v_tracks",
    "v_gaps", "v_imports",
)  # fmt: skip
_LINE = re.compile(r"^-- (?P<key>view|grain|column)(?: (?P<name>[a-z_]+))?: (?P<value>.+)$")


@dataclass(frozen=True, slots=True)
class View:
    """A promised view. `statement` makes it; it is empty where the questions' own is promised."""

    name: str
    grain: str
    columns: Mapping[str, str]  # name -> meaning
    statement: str


@cache
def load(name: str) -> View:
    """One promised view; ValueError names a header line that is wrong."""
    lines = _text(name).splitlines()
    header = [line for line in lines if line.startswith("--")]
    single: dict[str, str] = {}
    columns: dict[str, str] = {}
    for line in header:
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"{name}.sql: not a header line: {line}")
        if match["name"]:
            columns[match["name"]] = match["value"]
        else:
            single[match["key"]] = match["value"]
    return View(single["view"], single["grain"], columns, "\n".join(lines[len(header) :]))


def make(connection: Connection, looked_at: Scope, *, wants_estimates: bool) -> None:
    """Make all of them as temporary views about one listener, whatever the period."""
    scope.make(connection, looked_at, wants_estimates=wants_estimates)
    connection.execute(f"create or replace temp macro listener_id() as {looked_at.user_id:d}")
    connection.execute(_text("counted_plays"))
    for name in NAMES:
        if statement := load(name).statement:
            connection.execute(statement)


def _text(name: str) -> str:
    folder = resources.files("spotify_hist.analytics.sql.views")
    return folder.joinpath(f"{name}.sql").read_text(encoding="utf-8")
