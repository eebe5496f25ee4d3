"""Small invented universes for Hypothesis: few tracks, crowded minutes, all ways to tell a play."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from spotify_hist.model import Kind, Record
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_700_000_040_000  # a whole minute
_ALBUM_URIS = {"Album": "spotify:album:al1", "Single": "spotify:album:al2"}
_ARTIST_URIS = {"Artist": "spotify:artist:ar1", "Guest": "spotify:artist:ar2"}
_API_JITTER = (0, 0, 1, -500, 999, 1_999, 2_000, -2_500, -5_000, 5_000, 5_001, -5_999)


class Thing(NamedTuple):
    """Something to play. `artist` is the album's; `performer` is who the API names first."""

    kind: Kind
    uri: str | None
    title: str | None
    artist: str | None
    album: str | None
    performer: str | None = None


SONG = Thing("track", "spotify:track:a", "Song", "Artist", "Album")
SINGLE = Thing("track", "spotify:track:b", "Song", "Artist", "Single")
OTHER = Thing("track", "spotify:track:c", "Other", "Artist", "Album")
COVER = Thing("track", "spotify:track:d", "song", "Somebody", "Covers")
MIX = Thing("track", "spotify:track:m", "Mix", "Various Artists", "Late", "Guest")
EPISODE = Thing("episode", "spotify:episode:e", "Episode", "Show", "Show")
CHAPTER = Thing("audiobook_chapter", "spotify:episode:h", "Chapter", "Author", "Book")
NOTHING = Thing("unknown", None, None, None, None)
THINGS = (SONG, SONG, SINGLE, OTHER, COVER, MIX, EPISODE, CHAPTER, NOTHING)


def extended(
    thing: Thing, at_ms: int, ms_played: int, *, uri: bool = True, **more: object
) -> Record:
    """A row of today's extended history, or with `uri=False` one of 2020."""
    is_chapter = thing.kind == "audiobook_chapter"
    record = Record(
        "extended",
        at_ms // 1000 * 1000,
        thing.kind,
        ms_played,
        thing.uri if uri else None,
        thing.title,
        None if is_chapter else thing.artist,
        thing.album,
        "spotify:show:book" if is_chapter and uri else None,
    )
    return record._replace(**more)  # type: ignore[arg-type]  # the fields of a Record


def account(thing: Thing, at_ms: int, ms_played: int, *, old: bool = False) -> Record:
    """A row of account data; in an old one an episode is a track of the artist its show."""
    kind: Kind = "track" if old and thing.kind == "episode" else thing.kind
    album = None if kind == "track" else thing.album
    return Record(
        "account", at_ms // 60_000 * 60_000, kind, ms_played, None, thing.title, thing.artist, album
    )


def api(thing: Thing, at_ms: int, *, context: str | None = None) -> Record:
    """An item of recently-played."""
    performer = thing.performer or thing.artist
    return Record(
        "api",
        at_ms,
        thing.kind,
        uri=thing.uri,
        title=thing.title,
        artist=performer,
        album=thing.album,
        album_uri=_ALBUM_URIS.get(thing.album or ""),
        artist_uri=_ARTIST_URIS.get(performer or ""),
        album_artist=thing.artist,
        context_uri=context,
    )


class Unit(NamedTuple):
    """Records that no batch may part: the equal account rows of one export."""

    package: str
    records: tuple[Record, ...]


@st.composite
def _tellings(draw: st.DrawFn, *, stretches: int) -> list[Unit]:
    """Some of the ways to tell one play, each a little off, as sources are."""
    thing = draw(st.sampled_from(THINGS))
    second = draw(st.sampled_from([0, 1, 2, 4, 5, 6, 30, 55, 58, 59, 60, 61, 65, 66, 119, 121]))
    at = START + draw(st.integers(0, stretches - 1)) * 600_000 + second * 1000
    ms = draw(st.sampled_from([0, 1_000, 31_000, 200_000]))
    if draw(st.integers(0, 5)) == 0:
        thing = thing._replace(title=draw(st.sampled_from(["SONG ", "Song - Live", None])))
    if draw(st.integers(0, 7)) == 0:
        thing = thing._replace(artist=draw(st.sampled_from(["Artist, renamed", "artist", None])))
    forms = draw(
        st.lists(
            st.sampled_from(["extended", "extended", "2020", "account", "old", "api", "api"]),
            min_size=1,
            max_size=4,
        )
    )
    return [draw(_telling(form, thing, at, ms)) for form in forms]


@st.composite
def _telling(draw: st.DrawFn, form: str, thing: Thing, at: int, ms: int) -> Unit:
    if form == "api" and thing.title is None and thing.uri is None:
        form = "extended"  # the API has no item without both
    if form == "api":
        moment = at + draw(st.sampled_from([3, *_API_JITTER]))
        context = draw(st.sampled_from([None, None, "spotify:playlist:p"]))
        return Unit("", (api(thing, moment, context=context),))
    if form in {"extended", "2020"}:
        reason = draw(st.sampled_from(["trackdone", "trackdone", "fwdbtn", None]))
        private = draw(st.sampled_from([None, None, '{"city":"A"}', '{"city":"B"}']))
        row = extended(thing, at, ms, uri=form == "extended", reason_end=reason, private=private)
        return Unit("", (row,) * draw(st.sampled_from([1, 1, 1, 2])))
    package = draw(st.sampled_from(["mine", "mine", "mine again"]))
    told_ms = draw(st.sampled_from([ms, ms, ms, 1_000]))
    row = account(thing, at, told_ms, old=form == "old")
    return Unit(package, (row,) * draw(st.sampled_from([1, 1, 1, 2])))


@st.composite
def universes(draw: st.DrawFn, *, plays: int = 40, stretches: int = 12) -> list[Unit]:
    """Units that tell of up to `plays` plays in `stretches` stretches far from each other."""
    told = draw(st.lists(_tellings(stretches=stretches), min_size=1, max_size=plays))
    units: dict[object, Unit] = {}
    for number, unit in enumerate(unit for units in told for unit in units):
        # Equal account rows of one export are counted together, so they come together.
        first = unit.records[0]
        alike = (unit.package, first) if unit.package else number
        before = units.get(alike)
        units[alike] = Unit(unit.package, (before.records if before else ()) + unit.records)
    return list(units.values())


@st.composite
def arrivals(draw: st.DrawFn, units: Sequence[Unit], batches: int = 5) -> list[list[Unit]]:
    """The units in some order, in some batches, some of the batches once more."""
    order = draw(st.permutations(units))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=batches - 1)))
    parts = [
        list(order[low:high])
        for low, high in zip([0, *cuts], [*cuts, len(order)], strict=True)
        if low < high
    ]
    again = draw(st.lists(st.sampled_from(parts), max_size=1)) if parts else []
    return parts + again


def rows_of(units: Sequence[Unit]) -> list[StagedRow]:
    """The units as rows of one batch."""
    told = [(unit.package, record) for unit in units for record in unit.records]
    return [StagedRow(1, row, package, record) for row, (package, record) in enumerate(told)]
