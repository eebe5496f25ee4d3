"""Small invented universes for Hypothesis: few tracks, crowded minutes, all ways to tell a play."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from spotify_hist.model import SCROBBLERS, Kind, Record, Source
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


def noted(
    service: Source,
    thing: Thing,
    at_ms: int,
    *,
    ms_played: int | None = None,
    uri: bool = False,
    album: bool = True,
) -> Record:
    """What a scrobbler noted at an instant; the end where it tells the listened time."""
    return Record(
        service,
        at_ms + (ms_played or 0),
        thing.kind,
        ms_played,
        thing.uri if uri else None,
        thing.title,
        thing.performer or thing.artist,
        thing.album if album else None,
    )


class Unit(NamedTuple):
    """Records that no batch may part: the equal account rows of one export."""

    package: str
    records: tuple[Record, ...]


SPOTIFY = ("extended", "extended", "2020", "account", "old", "api", "api")


@st.composite
def _tellings(
    draw: st.DrawFn, *, stretches: int, apart_ms: int, forms: Sequence[str]
) -> list[Unit]:
    """Some of the ways to tell one play, each a little off, as sources are."""
    thing = draw(st.sampled_from(THINGS))
    second = draw(st.sampled_from([0, 1, 2, 4, 5, 6, 30, 55, 58, 59, 60, 61, 65, 66, 119, 121]))
    at = START + draw(st.integers(0, stretches - 1)) * apart_ms + second * 1000
    ms = draw(st.sampled_from([0, 1_000, 31_000, 200_000]))
    if draw(st.integers(0, 5)) == 0:
        thing = thing._replace(title=draw(st.sampled_from(["SONG ", "Song - Live", None])))
    if draw(st.integers(0, 7)) == 0:
        thing = thing._replace(artist=draw(st.sampled_from(["Artist, renamed", "artist", None])))
    told = draw(st.lists(st.sampled_from(forms), min_size=1, max_size=4))
    return [draw(_telling(form, thing, at, ms)) for form in told]


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
    if form == "noted":
        return Unit("", (draw(_notes(thing, at, ms)),))
    package = draw(st.sampled_from(["mine", "mine", "mine again"]))
    told_ms = draw(st.sampled_from([ms, ms, ms, 1_000]))
    row = account(thing, at, told_ms, old=form == "old")
    return Unit(package, (row,) * draw(st.sampled_from([1, 1, 1, 2])))


@st.composite
def _notes(draw: st.DrawFn, thing: Thing, end: int, ms: int) -> Record:
    """One play as a scrobbler noted it: its start or its end, near the edges of what is allowed."""
    off = draw(st.sampled_from([0, 0, 1, 2, -3, 5, 6, 64, 66, -119, -121, -600, -1_195, -1_325]))
    told_ms = draw(st.sampled_from([None, None, ms, 1_300_000]))
    at = draw(st.sampled_from([end, end - ms, end - 200_000])) + off * 1000
    return noted(
        draw(st.sampled_from(SCROBBLERS)),
        thing,
        at,
        ms_played=told_ms,
        uri=draw(st.booleans()),
        album=draw(st.booleans()),
    )


@st.composite
def _repeats(draw: st.DrawFn, *, stretches: int, apart_ms: int) -> list[Unit]:
    """A song played again and again, told by Spotify and noted by scrobblers, with holes."""
    start = START + draw(st.integers(0, stretches - 1)) * apart_ms
    ms = draw(st.sampled_from([31_000, 200_000]))
    services = draw(st.lists(st.sampled_from(SCROBBLERS), min_size=1, max_size=2, unique=True))
    form = draw(st.sampled_from(["extended", "api", "account"]))
    is_end, told_ms = draw(st.booleans()), draw(st.sampled_from([None, None, ms]))
    units = []
    for number in range(draw(st.integers(2, 5))):
        end = start + (number + 1) * (ms + 1_000)
        if draw(st.integers(0, 4)):
            units.append(draw(_telling(form, SONG, end, ms)))
        for service in services:
            if draw(st.integers(0, 4)):
                at = end - (0 if is_end else ms)
                units.append(Unit("", (noted(service, SONG, at, ms_played=told_ms),)))
    return units


def noted_universes(*, plays: int = 20) -> st.SearchStrategy[list[Unit]]:
    """Units as those of `universes`, some of them of scrobblers, near and far from the others."""
    return st.sampled_from([600_000, 1_500_000, 7_200_000]).flatmap(
        lambda apart_ms: st.tuples(
            universes(plays=plays, apart_ms=apart_ms, forms=(*SPOTIFY, *["noted"] * 7)),
            st.lists(_repeats(stretches=12, apart_ms=apart_ms), max_size=2),
        ).map(lambda told: counted_together([*told[0], *(u for units in told[1] for u in units)]))
    )


@st.composite
def universes(
    draw: st.DrawFn,
    *,
    plays: int = 40,
    stretches: int = 12,
    apart_ms: int = 600_000,
    forms: Sequence[str] = SPOTIFY,
) -> list[Unit]:
    """Units that tell of up to `plays` plays in `stretches` stretches far from each other."""
    tellings = _tellings(stretches=stretches, apart_ms=apart_ms, forms=forms)
    told = draw(st.lists(tellings, min_size=1, max_size=plays))
    return counted_together([unit for units in told for unit in units])


def counted_together(told: Sequence[Unit]) -> list[Unit]:
    """The units with the equal account rows of one export in one."""
    units: dict[object, Unit] = {}
    for number, unit in enumerate(told):
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
