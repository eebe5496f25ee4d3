"""Which records are one play, said slowly: FACTS 6.2 in plain Python, for comparison only.

It knows nothing of the store. Where the facts leave a tie open it follows the order that
`reconcile.sql` documents; the very last tie is broken by the ids it is given.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from spotify_hist.model import SCROBBLERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from spotify_hist.model import Record

_API_WINDOW_MS = 5_000
_MINUTE_MS = 60_000
_PAUSES_MS = 120_000
_LONGEST_MS = 20 * _MINUTE_MS


class Told(NamedTuple):
    """One record: `nth` of the equal account rows of its export; the ids only break ties."""

    record: Record
    nth: int
    record_id: str
    head_id: str


class Play(NamedTuple):
    """One play: the ids of its records, and what is made of them."""

    record_ids: frozenset[str]
    played_at_ms: int
    ms_played: int | None
    kind: str
    sources: tuple[str, ...]


class Statement(NamedTuple):
    """What one source says is one play: the record that speaks for it, and all its names."""

    told: tuple[Told, ...]
    face: Record
    nth: int
    tie: str
    names: frozenset[Names]

    @property
    def source(self) -> str:
        return self.face.source

    @property
    def at(self) -> int:
        return self.face.played_at_ms

    @property
    def minute(self) -> int:
        return self.at // _MINUTE_MS

    @property
    def identity(self) -> str | None:
        """The Spotify id, None where no source told one."""
        return spotify_id(self.face)


class Names(NamedTuple):
    """What was played, as names are compared; '' is untold. A chapter goes under its book."""

    title: str
    artist: str
    album_artist: str

    def is_by(self, artist: str) -> bool:
        """Whether this artist is the artist or, where it is told, the album's artist."""
        return artist == self.artist or (artist != "" and artist == self.album_artist)


_Rank = tuple[int, ...] | None
_Rule: TypeAlias = "Callable[[Statement, Statement, Names, Names], _Rank]"


def plays(told: Iterable[Told]) -> set[Play]:
    """The plays that a set of records of one listener tells of."""
    distinct = {each.record_id: each for each in told}
    statements = _statements(list(distinct.values()))
    by_source = defaultdict(list)
    for statement in statements:
        by_source[statement.source].append(statement)
    joined: dict[str, Statement] = {}

    def free(*sources: str) -> list[Statement]:
        return [s for source in sources for s in by_source[source] if s.tie not in joined]

    def join(left: Sequence[Statement], right: Sequence[Statement], rule: _Rule) -> None:
        joined.update(_closest_first(left, right, rule))

    known = [s for s in by_source["extended"] if s.identity]
    join(known, [s for s in by_source["extended"] if not s.identity], _same_row)
    join(free("extended"), by_source["api"], _extended_and_api)
    join(free("extended", "api"), by_source["account"], _either_and_account)

    settled = [s for source in ("extended", "api", "account") for s in by_source[source]]
    for service in SCROBBLERS:
        joined.update(_noted(by_source[service], settled, joined))
        settled += by_source[service]
    return {
        _play([each for statement in group for each in statement.told])
        for group in _wholes(statements, joined).values()
    }


def _wholes(
    statements: Iterable[Statement], joined: dict[str, Statement]
) -> dict[str, list[Statement]]:
    """What is one play as settled so far, by the tie of the statement that the others join."""
    wholes: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        wholes[joined.get(statement.tie, statement).tie].append(statement)
    return wholes


def spotify_id(record: Record) -> str | None:
    """The id in the URI of a track or an episode."""
    match = re.fullmatch(r"spotify:(?:track|episode):(.*)", record.uri or "")
    return match[1] if match else None


def plain(name: str | None) -> str:
    """A name as it is compared."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name or "")).strip().lower()


def names_of(record: Record) -> Names:
    """The names of one record."""
    artist = record.album if record.kind == "audiobook_chapter" else record.artist
    return Names(plain(record.title), plain(artist), plain(record.album_artist))


def _content(record: Record) -> object:
    """What was played, as one source tells it apart from everything else."""
    found = spotify_id(record)
    return found or (record.artist, record.title or record.uri, record.album)


def _statements(told: Sequence[Told]) -> list[Statement]:
    groups: dict[object, list[Told]] = defaultdict(list)
    api: dict[object, list[Told]] = defaultdict(list)
    for each in told:
        record = each.record
        if record.source == "api":
            api[_content(record)].append(each)
        elif record.source == "account":
            by = record.album if record.kind == "audiobook_chapter" else record.artist
            groups[record.played_at_ms, record.ms_played, by, record.title, each.nth].append(each)
        elif record.source in SCROBBLERS:
            names = (record.uri, record.artist, record.title)
            groups[record.source, record.played_at_ms, record.ms_played, names].append(each)
        else:
            # A renamed artist is no other play where a URI tells the content.
            unnamed = record._replace(
                kind="unknown", title=None, artist=None, album=None, uri=None, album_uri=None,
                private=None,
            )  # fmt: skip
            groups[unnamed, _content(record)].append(each)
    return [_statement(group) for group in [*groups.values(), *_chains(api.values())]]


def _chains(groups: Iterable[list[Told]]) -> Iterable[list[Told]]:
    """Within the API the same track under 2 s apart is one play."""
    for group in groups:
        group.sort(key=lambda each: (each.record.played_at_ms, each.record_id))
        chain: list[Told] = []
        for each in group:
            if chain and each.record.played_at_ms - chain[-1].record.played_at_ms >= 2_000:
                yield chain
                chain = []
            chain.append(each)
        yield chain


def _statement(group: list[Told]) -> Statement:
    """Milliseconds speak before whole seconds, an exact kind before `track`."""
    face = min(
        group,
        key=lambda each: (
            each.record.source == "api" and each.record.played_at_ms % 1000 == 0,
            each.record.kind == "track",
            each.record.played_at_ms,
            each.record_id,
        ),
    )
    names = frozenset(names_of(each.record) for each in group)
    return Statement(tuple(group), face.record, face.nth, group[0].head_id, names)


def _closest_first(
    left: Sequence[Statement], right: Sequence[Statement], rule: _Rule
) -> dict[str, Statement]:
    """One to one, best pair first: {tie of the right one: the left one it joins}."""
    pairs: list[tuple[tuple[int | str, ...], Statement, Statement]] = []
    for one in left:
        for other in right:
            ranks = [rule(one, other, *names) for names in product(one.names, other.names)]
            if possible := [rank for rank in ranks if rank is not None]:
                pairs.append(((*min(possible), one.tie, other.tie), one, other))
    taken: set[str] = set()
    joined: dict[str, Statement] = {}
    for _, one, other in sorted(pairs, key=lambda pair: pair[0]):
        if one.tie not in taken and other.tie not in joined:
            taken.add(one.tie)
            joined[other.tie] = one
    return joined


def _noted(
    noted: Sequence[Statement], settled: Sequence[Statement], joined: dict[str, Statement]
) -> dict[str, Statement]:
    """{tie of what one scrobbler noted: the settled play it joins}, each play once."""
    roots = {statement.tie: statement for statement in settled}
    pairs: list[tuple[tuple[int | str, ...], str, str]] = []
    for tie, whole in _wholes(settled, joined).items():
        spans = list(_spans(whole))
        for one in noted:
            worse = _how_alike(one, whole)
            for (form, at), span in product(_instants(one), spans):
                if span.form not in ("any", form) or not span.low <= at <= span.high:
                    continue
                if worse is None or (worse == 2 and span.distance(at) > 5_000):
                    continue
                # Nearer than a song is long the distance tells repeats not apart.
                is_far = span.distance(at) // (10 * _MINUTE_MS)
                rank = (worse, is_far, _start(one), span.high, tie, one.tie)
                pairs.append((rank, tie, one.tie))
    taken: set[str] = set()
    found: dict[str, Statement] = {}
    for _, tie, other in sorted(pairs):
        if tie not in taken and other not in found:
            taken.add(tie)
            found[other] = roots[tie]
    return found


class Span(NamedTuple):
    """In [low, high] the `form` instant that a scrobbler noted may mean a play; ms, inclusive.

    The play went from `start` to `end`, each of them somewhere within `blur` after that.
    """

    form: str
    low: int
    high: int
    start: int
    end: int
    blur: int = 0

    def distance(self, at: int) -> int:
        """How far an instant is from the nearer end of the play."""
        return min(max(x - at, at - x - self.blur, 0) for x in (self.start, self.end))


def _spans(whole: Sequence[Statement]) -> Iterator[Span]:
    """Where the instants of a scrobbler lie that mean this play."""
    spotify = [each for each in whole if each.source not in SCROBBLERS]
    if spotify:
        play = _play([each for statement in spotify for each in statement.told])
        is_minute = {each.source for each in spotify} == {"account"}
        yield _span(play.played_at_ms, play.ms_played, is_minute=is_minute)
    for each in whole:
        if each.source in SCROBBLERS:
            for form, at in _instants(each):
                yield Span(form, at - 5_000, at + 5_000, at, at)
        if each.source == "your_spotify" and not spotify:
            yield _span(each.at, each.face.ms_played)


def _span(end: int, ms_played: int | None, *, is_minute: bool = False) -> Span:
    long = min(_LONGEST_MS if ms_played is None else ms_played, _LONGEST_MS)
    high = end + (65_000 if is_minute else 5_000)
    blur = _MINUTE_MS if is_minute else 0
    return Span("any", end - long - _PAUSES_MS, high, end - (ms_played or 0), end, blur)


def _start(noted: Statement) -> int:
    """The instant that the scrobbler itself keeps."""
    return noted.at - (noted.face.ms_played or 0)


def _instants(noted: Statement) -> Iterator[tuple[str, int]]:
    yield "end", noted.at
    if (noted.face.ms_played or 0) <= _LONGEST_MS:
        yield "start", _start(noted)


def _how_alike(noted: Statement, whole: Sequence[Statement]) -> int | None:
    """0 for the same id, 1 for the same names, 2 for the same title, None for something else."""
    if noted.identity and noted.identity in {each.identity for each in whole}:
        return 0
    namesakes = [
        other.is_by(mine.artist)
        for each in whole
        for mine, other in product(noted.names, each.names)
        if mine.title == other.title != ""
    ]
    return (1 if any(namesakes) else 2) if namesakes else None


def _same_row(known: Statement, unidentified: Statement, left: Names, right: Names) -> _Rank:
    """A row of before 2021 has no URI; the same row of a later export has (FACTS 5.3)."""
    is_same = (
        known.at == unidentified.at
        and known.face.ms_played == unidentified.face.ms_played
        and left == right
        and left.title != ""
    )
    return () if is_same else None


def _extended_and_api(extended: Statement, api: Statement, left: Names, right: Names) -> _Rank:
    distance = abs(extended.at - api.at)
    if distance > _API_WINDOW_MS:
        return None
    if extended.identity and extended.identity == api.identity:
        worse = 0
    elif left.title == right.title != "" and right.is_by(left.artist):
        worse = 1
    else:
        return None
    return worse, distance, -(extended.face.ms_played or 0), extended.at, api.at


def _either_and_account(other: Statement, account: Statement, left: Names, right: Names) -> _Rank:
    """The true end is in [minute - 5 s, minute + 65 s]; the API's play is the longest row."""
    outside = max(account.at - other.at, other.at - account.at - _MINUTE_MS, 0)
    is_outside = other.minute != account.minute
    is_equal_ms = other.face.ms_played == account.face.ms_played
    is_titled = left.title == right.title
    if is_titled and left.is_by(right.artist) and outside <= 5_000 and (is_equal_ms or left.title):
        shortness = -(account.face.ms_played or 0) if other.source == "api" else 0
        worse = int(is_outside) if is_equal_ms else 3
        return worse, is_outside, outside, shortness, account.nth, other.at
    is_nameless = not right.title and not right.artist
    one_differs = is_titled != (left.artist == right.artist)
    if is_equal_ms and account.face.ms_played and not is_outside and (one_differs or is_nameless):
        return 2, False, 0, 0, account.nth, other.at
    return None


def _play(group: list[Told]) -> Play:
    """Listened time and kind from the best source, the time of the end from the most exact."""
    order = {"extended": 0, "account": 1, "api": 2}
    records = [
        each.record
        for each in sorted(
            group,
            key=lambda each: (
                order.get(each.record.source, 3),
                _doubt(each.record),
                each.record.kind == "track",
                each.record_id,
            ),
        )
    ]
    return Play(
        frozenset(each.record_id for each in group),
        min((_vagueness(record), record.played_at_ms) for record in records)[1],
        next((r.ms_played for r in records if r.ms_played is not None), None),
        next((r.kind for r in records if r.kind != "unknown"), "unknown"),
        tuple(sorted({record.source for record in records})),
    )


def _doubt(record: Record) -> int:
    """How little a record knows of what was played: its id, its names, nothing."""
    if spotify_id(record):
        return 0
    return 1 if record.uri or record.title or record.artist or record.album else 2


def _vagueness(record: Record) -> int:
    if record.source == "api":
        return 0 if record.played_at_ms % 1000 else 2
    if record.source in SCROBBLERS:
        told_later = 5 if record.ms_played is not None else 6
        return 4 if record.source == "your_spotify" else told_later
    return 1 if record.source == "extended" else 3
