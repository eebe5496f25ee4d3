"""Owns what goes with records that go: names, tracks, artists, albums and links nobody tells of.

Never removes a record, and never touches a play.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.store import identity, reconcile, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.store.database import Connection

_FORGET = (
    "find_names", "drop_names", "unlink", "link", "drop_unlinked",
    "drop_tracks", "drop_credits",
    "unname_tracks", "unname_artists", "unname_albums",
    "upsert_tracks", "upsert_artists", "upsert_albums",
    "drop_artists", "drop_albums", "drop_names_of_nothing", "drop_features", "ask_again",
)  # fmt: skip


def note(connection: Connection, those: str, where: Mapping[str, object]) -> None:
    """Before records go: note what they tell. `those` is the condition that finds them."""
    reconcile.prepare(connection)
    steps = _steps()
    tell = steps["tell"].replace("{records}", f"play_records where {those}")
    connection.execute(tell, dict(where))
    connection.execute(steps["told"])
    for name in ("find_names", "remember_told", "remember_things"):
        connection.execute(steps[name])


def forget(connection: Connection) -> None:
    """After the noted records have gone: leave what they told as if they had never been.

    Names of tracks, artists and albums, and the links between them, are then those that the
    records left tell. Of what Spotify itself told, only that stays which is about a thing that one
    of these tells of.
    """
    steps = _steps()
    connection.execute(steps["tell"].replace("{records}", "play_records"))
    connection.execute(steps["told"])
    for name in _FORGET:
        connection.execute(steps[name])
    identity.refresh(connection)


def _steps() -> dict[str, str]:
    return {**sql.load("records"), **sql.load("tellings")}
