"""Histories of the sandbox's music, and runs of the enrichment over them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import plays
from household import Household, household

from spotify_hist.collect.enrich import Enriched, enrich
from spotify_hist.sandbox.catalogue import build_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from spotify_hist.model import Record
    from spotify_hist.sandbox.catalogue import Track

CATALOGUE = build_catalogue()
START = datetime(2026, 1, 1, tzinfo=UTC)
# One track of each of so many artists, on albums, with a plain name and one artist of that name.
SONGS: tuple[Track, ...] = tuple(
    CATALOGUE.tracks_on[albums[0].id][0]
    for artist_id, albums in CATALOGUE.albums_of.items()
    if len(CATALOGUE.tracks_on[albums[0].id][0].artists) == 1
    and CATALOGUE.artist_by_id[artist_id].name.isascii()
    and CATALOGUE.tracks_on[albums[0].id][0].name.isascii()
    and CATALOGUE.tracks_on[albums[0].id][0].isrc
    and CATALOGUE.tracks_on[albums[0].id][0].id not in CATALOGUE.twins
    and sum(
        track.name == CATALOGUE.tracks_on[albums[0].id][0].name and track.artists[0].id == artist_id
        for track in CATALOGUE.track_by_id.values()
    )
    == 1
)


def home_of(path: Path, *names: str, **options: object) -> AbstractContextManager[Household]:
    """A household that asks without patience and shows what each call is."""
    return household(path / "home", *names, **{"database_wait_s": 20, **options})


def _moments() -> Iterator[datetime]:
    at = START
    while True:
        yield at
        at += timedelta(minutes=10)


def heard(*times: tuple[Track, int], account: bool = False) -> list[Record]:
    """So many plays of each track as an export tells them: with the Spotify id, or of the account
    data, which has none (FACTS 5.1)."""
    told: list[Record] = []
    moments = _moments()
    for track, count in times:
        for _ in range(count):
            at = next(moments)
            if account:
                told.append(plays.account(at, track.name, track.artists[0].name))
            else:
                told.append(
                    plays.extended(
                        at,
                        track.name,
                        track.album.artist.name,
                        album=track.album.name,
                        uri=track.uri,
                    )
                )
    return told


def run(home: Household, **options: object) -> Enriched:
    """One enrichment on the simulated clock."""
    return enrich(  # the options are the function's own
        home.settings,
        home.database,
        home.vault,
        home.now,
        sleep=home.sleep,
        **options,  # type: ignore[arg-type]
    )


def asked(home: Household) -> list[str]:
    """What was asked of the Web API for details so far: `tracks/<id>`, `tracks`, `search`."""
    return [
        each.path.removeprefix("/v1/")
        for each in home.sandbox.requests
        if each.path.startswith("/v1/") and not each.path.startswith("/v1/me")
    ]


def queue(home: Household) -> dict[tuple[object, object], object]:
    """The state of everything that was asked about."""
    rows = home.rows("select entity, id, state from enrich_queue")
    return {(entity, ident): state for entity, ident, state in rows}


def abilities(home: Household) -> dict[object, object]:
    """What is remembered of the app."""
    rows = home.rows("select ability, is_available from app_abilities")
    return {row[0]: row[1] for row in rows}


def terms(home: Household, **changes: object) -> None:
    """Serve the app on other terms from now on."""
    home.sandbox.terms = replace(home.sandbox.terms, **changes)  # type: ignore[arg-type]


def add(home: Household, told: Sequence[Record]) -> None:
    """Bring records into the history."""
    plays.add(home.database, told)
