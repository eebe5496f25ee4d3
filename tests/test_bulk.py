"""The fast way into the stage gives what the row-by-row way gives, or leaves the file to it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_rows import (
    GENERATION_2020,
    GENERATION_2021,
    GENERATION_2024,
    GENERATION_2026,
    NO_METADATA,
)

from spotify_hist.collect import staging, unknown_keys
from spotify_hist.collect.workspace import Workspace
from spotify_hist.faces.cli.main import run
from spotify_hist.normalise.exports import EXTENDED_KEYS
from spotify_hist.sources.exports.archive import Member
from spotify_hist.store import bulk
from spotify_hist.store.bulk import BulkFile
from spotify_hist.store.database import Database, Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GENERATIONS = (GENERATION_2020, GENERATION_2021, GENERATION_2024, GENERATION_2026, NO_METADATA)
EPISODE = GENERATION_2026 | {
    "master_metadata_track_name": None,
    "master_metadata_album_artist_name": None,
    "master_metadata_album_album_name": None,
    "spotify_track_uri": None,
    "episode_name": "Episode",
    "episode_show_name": "Show",
    "spotify_episode_uri": "spotify:episode:e",
}
CHAPTER = NO_METADATA | {
    "audiobook_title": "Book",
    "audiobook_uri": "spotify:show:b",
    "audiobook_chapter_uri": "spotify:episode:c",
    "audiobook_chapter_title": "Chapter",
}
ROWS = (*GENERATIONS, EPISODE, CHAPTER)

USER = 1
GOOD = '{"ts": "2023-05-06T10:20:30Z", "ms_played": 1000}'
# What may stand after a key, as it is written.
_BARE = (
    "null true false 0 1 -1 -0 1.0 1.5 1e3 1E2 1E400 1e-400 [] {} [1] [[[]]] NaN Infinity "
    "-Infinity nan inf 0x10 'a' .5 5. +1 01 tru None undefined 604800000 604800001 2147483648 "
    "9223372036854775807 9223372036854775808 999999999999999999 99999999999999999999"
)
ODD_VALUES = [
    *_BARE.split(),
    "", "1" * 400, '""', '" "', '"a', '"1"', '"0"', '"true"', '"null"', '"NaN"', '"{}"', '"x"',
    r'"\u0000"', r'"a\u0000b"', r'"\\u0000"', r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"',
    r'"\ud800x"', r'"\u001f"', r'"\n"', r'"\/"', r'"\"', r'"\x"', r'"\u00"', '"\U0001f600"',
    '"é"', r'"e\u0301"', '"\x7f"', '"\u2028"', '"\ufffe"', '"\ufeff"', '"a\tb"', '"a\nb"',
    '"a\x00b"', '{"a": 1}', '{"ts": 1}', '[null]', '"spotify:track:x"', '"spotify:"',
    '"spotify:episode:"', '"SPOTIFY:track:x"', r'"spotify:track:\u0041"', r'"\u0073potify:track:x"',
    '"spotify:track:a b"', '"x spotify:track:a"', "/* c */ 1", "1 /* c */",
]  # fmt: skip
ODD_TIMES = [
    "2023-05-06T10:20:30z", "2023-05-06t10:20:30Z", "2023-05-06T10:20:30", "2023-05-06T10:20:30.5Z",
    "2023-05-06T10:20:30+00:00", "2023-05-06T10:20:30+02:00", "2023-05-06 10:20:30",
    "2023-05-06 10:20:30Z", "2023-05-06T24:00:00Z", "2023-05-06T23:59:60Z", "2016-12-31T23:59:60Z",
    "2023-05-06T10:60:00Z", "2023-05-06T25:00:00Z", "2023-02-29T00:00:00Z", "2024-02-29T00:00:00Z",
    "2023-13-01T00:00:00Z", "2023-00-10T00:00:00Z", "2023-01-00T00:00:00Z", "1999-05-06T10:20:30Z",
    "2005-12-31T23:59:59Z", "2006-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
    "2105-05-06T10:20:30Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "2023-5-6T10:20:30Z",
    "20230506T102030Z", " 2023-05-06T10:20:30Z", "2023-05-06T10:20:30Z ", "2023-05-06T10:20:30ZZ",
    "2023-05-06T10:20Z", "\uff12023-05-06T10:20:30Z", "2023-05-06T10:20:3\uff10Z", "", "now",
    "epoch", "infinity", r"2023-05-06T10:20:30\u005a", r"2023\u002d05-06T10:20:30Z",
    r"2023-05-06T10:20:30Z\u0000", r"2023-05-06T10:20:30Z\n",
]  # fmt: skip
# The keys with rules of their own, and one of plain text and one of URIs.
PICKY = (
    "ts", "ms_played", "offline_timestamp", "shuffle", "master_metadata_track_name",
    "spotify_track_uri",
)  # fmt: skip
ODD_TYPES = [
    "null", "true", "0", "1", "1.5", "1e3", "NaN", "[]", "{}", '[""]', '{"a": "x"}', '""', '"x"',
    '"true"', '"0"', r'"\u0000"', r'"\ud800x"', '"spotify:"', '"spotify:track:x"', '"x spotify:"',
]  # fmt: skip


# Keys that no export is known to have; some are hard to find in the text of a file.
UNKNOWN = (
    "new_key", "TS", " ts", "ts ", "", "é", "\U0001f600", 'a"b', '"', "a\\", "a:b", "a, b", ".*",
    "…", "a\tb", "n" * 61, "n" * 62,
)  # fmt: skip


class Outcome(NamedTuple):
    """What became of one file: its rows in the stage, and its account."""

    rows: list[tuple[object, ...]]
    records: int
    rejected: list[tuple[int, str]]
    damage: str | None
    unknown_keys: dict[str, int]


class Stage:
    """One scratch area for many files."""

    def __init__(self, directory: Path) -> None:
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("set timezone = 'UTC'")
        self.space = Workspace(directory, connection, Room(300, directory))

    def outcomes(self, files: Sequence[bytes], *, fast: bool) -> list[Outcome]:
        """Stage the files one way."""
        staged = staging.stage_members(
            self.space,
            [_member(number, data) for number, data in enumerate(files)],
            USER,
            max_rows=1_000_000,
            keep_private=False,
            on_progress=lambda _done, _total, _rows: None,
            least_bulk_bytes=0 if fast else 1 << 60,
        )
        assert list(self.space.directory.iterdir()) == []
        return [
            Outcome(
                self._rows(file.number),
                file.records,
                file.rejected,
                file.damage,
                file.unknown_keys,
            )
            for file in staged
        ]

    def taken(self, files: Sequence[bytes]) -> dict[int, int]:
        """Which of the files the fast way takes, and how many rows of each."""
        paths = [self.space.directory / f"{number}.taken" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        bulk.create(self.space.connection, USER)
        taken = bulk.key_files(
            self.space.connection,
            [BulkFile(path, number) for number, path in enumerate(paths)],
            USER,
        )
        for path in paths:
            path.unlink()
        return taken

    def _rows(self, file_id: int) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = self.space.connection.execute(
            "select columns(*)::varchar from keyed where file_id = ? order by row_index::integer",
            [file_id],
        ).fetchall()
        return rows


def _member(number: int, data: bytes) -> Member:
    return Member(f"{number}.json", "p", "extended_audio", len(data), lambda: io.BytesIO(data))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """One scratch area for the module."""
    return Stage(tmp_path_factory.mktemp("stage"))


def assert_same(stage: Stage, files: Sequence[bytes]) -> None:
    """Both ways give the same rows and accounts."""
    for data, fast, slow in _both_ways(stage, files):
        assert fast == slow, data[:3000]


def _both_ways(stage: Stage, files: Sequence[bytes]) -> Iterator[tuple[bytes, Outcome, Outcome]]:
    for left in stage.space.directory.iterdir():  # by a failure before
        left.unlink()
    # A file that is no JSON makes DuckDB read its neighbours one by one, which takes long.
    for group in ([f for f in files if _is_json(f)], [f for f in files if not _is_json(f)]):
        fast = stage.outcomes(group, fast=True)
        slow = stage.outcomes(group, fast=False)
        yield from zip(group, fast, slow, strict=True)


def _is_json(data: bytes) -> bool:
    try:
        json.dumps(json.loads(data), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _written(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"


def _with(row: dict[str, object], key: str, value: str) -> str:
    """The row as JSON with one value as given."""
    pairs = [(k, json.dumps(v)) for k, v in row.items() if k != key]
    return _written([*pairs, (key, value)])


def test_ordinary_files_of_every_generation_are_taken(stage: Stage) -> None:
    """The fast way is in use, whatever the layout, and right."""
    files = [
        layout(rows).encode()
        for rows in [[row, row] for row in ROWS] + [list(ROWS)]
        for layout in (
            json.dumps,
            lambda rows: json.dumps(rows, separators=(",", ":"), ensure_ascii=False),
            lambda rows: json.dumps(rows, indent=2),
            lambda rows: json.dumps(rows, indent=2, separators=(",", " : ")),
        )
    ]
    assert stage.taken(files) == {
        number: len(json.loads(data)) for number, data in enumerate(files)
    }
    assert_same(stage, files)


def test_many_files_at_once_keep_their_rows_apart(stage: Stage) -> None:
    """Row numbers begin at 0 in each file, in the order of the file."""
    files = [
        json.dumps([GENERATION_2026 | {"ms_played": number * 1000 + row} for row in range(3000)])
        for number in range(4)
    ]
    data = [text.encode() for text in files]
    assert stage.taken(data) == dict.fromkeys(range(4), 3000)
    assert_same(stage, data)


@pytest.mark.parametrize("key", EXTENDED_KEYS)
def test_no_odd_value_of_any_key_makes_a_difference(stage: Stage, key: str) -> None:
    """Odd values after each key, in a row where the key tells what was played."""
    base = next((row for row in ROWS if row.get(key)), GENERATION_2026)
    values = [*ODD_VALUES, *(f'"{time}"' for time in ODD_TIMES)] if key in PICKY else ODD_TYPES
    assert_same(stage, [f"[{_with(base, key, value)}]".encode() for value in values])


def test_a_key_that_nobody_reads_never_costs_a_row(stage: Stage) -> None:
    """NaN, a huge number or any depth there is nothing to either."""
    rows = [_with(GENERATION_2026, "new_key", value) for value in ODD_VALUES]
    assert_same(stage, [f"[{GOOD}, {row}, {GOOD}]".encode() for row in rows])


@pytest.mark.parametrize("key", EXTENDED_KEYS)
def test_a_missing_key_means_the_same_to_both(stage: Stage, key: str) -> None:
    """Absent and null are one, whatever the rest of the row."""
    rows = [{k: v for k, v in row.items() if k != key} for row in ROWS]
    assert_same(stage, [json.dumps([row]).encode() for row in rows] + [json.dumps(rows).encode()])


WHOLE_FILES = [
    "", " ", "[", "]", "[]", "[ ]", "{}", "null", "1", '"x"', "[[]]", "[{}]", "[null]", "[1]",
    '["x"]', f"[{GOOD}]", f" [ {GOOD} ] ", f"[{GOOD},]", f"[,{GOOD}]", f"[{GOOD} {GOOD}]",
    f"[{GOOD},,{GOOD}]", f"[{GOOD}", f"[{GOOD},", f"[{GOOD}, {{", f"{GOOD}", f"{GOOD}\n{GOOD}",
    f"{GOOD}, {GOOD}", f"[{GOOD}][{GOOD}]", f"[{GOOD}]\n[{GOOD}]", f"[{GOOD}] {GOOD}",
    f"[{GOOD}]x", f"[{GOOD}]]", f"[{GOOD}]}}", f"[{GOOD}]\n\n", f"[{GOOD}]\0", f"[{GOOD}\0]",
    f"\ufeff[{GOOD}]", f"\ufeff\ufeff[{GOOD}]", f"x[{GOOD}]", f'{{"rows": [{GOOD}]}}',
    f"[{GOOD}, null]", f"[{GOOD}, 1]", f"[{GOOD}, []]", f"[{GOOD}, {{}}]", f'[{GOOD}, "x"]',
    f"[[{GOOD}]]", f"// c\n[{GOOD}]", f"[{GOOD} /* c */]", f"[{GOOD}, // c\n{GOOD}]",
    f"[{GOOD[:-1]},}}]", f"[{{,{GOOD[1:]}]", f"[{GOOD.replace(':', '=', 1)}]",
    f"[{GOOD.replace(chr(34), chr(39))}]", f"[{GOOD[:-1]} \"a\": 1}}]",
    f"[{GOOD[:-1]}, a: 1}}]", f"[{GOOD[:-1]}, \"a\"}}]", f"[{GOOD[:-1]}, \"a\":}}]",
    f'[{GOOD[:-1]}, "ts": "2024-01-01T00:00:00Z"}}]', f'[{GOOD[:-1]}, "ms_played": 2}}]',
    f'[{GOOD[:-1]}, "ms_played": "x"}}]', f'[{GOOD[:-1]}, "ms_played": null}}]',
    f'[{GOOD[:-1]}, "platform": null, "platform": "x"}}]', f'[{GOOD[:-1]}, "x": 1, "x": 2}}]',
    f'[{GOOD[:-1]}, "platform": "y", "platform": "x"}}]',
    rf'[{GOOD[:-1]}, "ms_\u0070layed": 2}}]',
    r'[{"t\u0073": "2023-05-06T10:20:30Z", "ms_played": 1}]',
    f'[{GOOD[:-1]}, "TS": 1}}]', f'[{GOOD[:-1]}, "Ts": "2024-01-01T00:00:00Z"}}]',
    f'[{GOOD[:-1]}, "MS_PLAYED": 7, "Platform": "x", "SHUFFLE": true}}]',
    '[{"TS": "2023-05-06T10:20:30Z", "MS_PLAYED": 1000}]', f'[{GOOD[:-1]}, "": 1}}]',
    f'[{GOOD[:-1]}, " ts": 1, "ts ": 2, "ts\\u0000": 3, "\\u0000ts": 4}}]',
    f'[{GOOD[:-1]}, "file_index": 7, "rowid": 1, "filename": "x", "json": {{}}}}]',
    f"[{GOOD},{' ' * 70_000}{GOOD}]", f'[{GOOD[:-1]}, "x": "{"y" * 70_000}"}}, {GOOD}]',
    f'[{GOOD[:-1]}, "x": {"[" * 900}{"]" * 900}}}]',
    f'[{GOOD[:-1]}, "x": {"[" * 3000}{"]" * 3000}}}]',
    f'[{GOOD[:-1]}, "x": "{"y" * 5_000_000}"}}]', f"[{GOOD}\r\n,\t{GOOD}]", f"[{GOOD}\v,{GOOD}]",
    f"[{GOOD}\xa0,{GOOD}]", f"[{GOOD}\u2028]",
]  # fmt: skip
BROKEN_BYTES = [
    b'[{"ts": "2023-05-06T10:20:30Z", "ms_played": 1, "platform": "' + broken + b'"}]'
    for broken in (
        b"\xff",
        b"\xc3",
        b"\xc3(",
        b"\xed\xa0\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xc0\x80",
    )
] + [
    b'[{"ts": "2023-05-06T10:20:30Z", "ms_played": 1, "unknown": "\xff"}]',
    b'[{"ts": "2023-05-06T10:20:30Z", "ms_played": 1, "\xff": 1}]',
    b'[{"ts": "2023-05-06T10:20:30Z", "ms_played": 1, "unknown": "a\x01b"}]',
    b'[{"ts": "2023-05-06T10:20:30Z", "ms_played": 1, "un\x01known": 1}]',
    f"[{GOOD}]".encode("utf-16"),
    f"[{GOOD}]".encode("utf-16-le"),
    f"[{GOOD}]".encode("utf-32"),
]


@pytest.mark.parametrize(
    "data",
    [text.encode() for text in WHOLE_FILES] + BROKEN_BYTES,
    ids=lambda data: repr(data[:80]),
)
def test_no_odd_file_makes_a_difference(stage: Stage, data: bytes) -> None:
    """What is no list of rows, or says a thing twice, is the row reader's to judge."""
    assert_same(stage, [data])


def test_a_file_may_break_off_anywhere(stage: Stage) -> None:
    """Every beginning of a file: the rows before the break, and the damage."""
    data = f'[{GOOD},\n {GOOD[:-1]}, "x": [true, {{"é": null}}]}}]\n'.encode()
    assert_same(stage, [data[:end] for end in range(len(data) + 1)])


def _layouts(rows: list[dict[str, object]]) -> list[bytes]:
    """A file of the rows in each layout, with letters of all kinds and without."""
    return [
        json.dumps(rows, indent=indent, separators=(",", colon), ensure_ascii=is_ascii).encode()
        for indent, colon in ((None, ":"), (None, ": "), (2, " : "))
        for is_ascii in (False, True)
    ]


@pytest.mark.parametrize("chunk", [1 << 20, 97, 4096])
def test_both_ways_count_the_same_unknown_keys(
    stage: Stage, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they are written, wherever a piece of the file ends; those in texts are none."""
    monkeypatch.setattr(unknown_keys, "_CHUNK", chunk)
    texts = {"platform": 'x "new_key": 1', "master_metadata_track_name": '"new_key"', "other": ": "}
    names = [name for name in UNKNOWN if len(name) < 60] * 3
    rows = [
        GENERATION_2026 | {name: {"new": [number]}} | texts for number, name in enumerate(names)
    ]
    data = _layouts(rows)
    assert stage.taken(data) == dict.fromkeys(range(len(data)), len(rows))
    assert_same(stage, data)
    (outcome, *_) = stage.outcomes(data, fast=True)
    assert outcome.unknown_keys["new_key"] == outcome.unknown_keys["é"] == 3
    assert outcome.unknown_keys["other"] == len(rows)


@pytest.mark.parametrize("first", [0, 2000, 5990, 5999])
def test_a_key_that_comes_late_in_a_large_file_is_counted_too(stage: Stage, first: int) -> None:
    """A megabyte into it, or in its last row."""
    rows: list[dict[str, object]] = [GENERATION_2026 | {"ms_played": n} for n in range(6000)]
    for row in rows[first:]:
        row["new_key"] = None
    data = _layouts(rows)
    assert min(map(len, data)) > 3_500_000
    assert stage.taken(data) == dict.fromkeys(range(len(data)), len(rows))
    for outcome in stage.outcomes(data, fast=True):
        assert outcome.unknown_keys == {"new_key": 6000 - first}


def test_a_row_longer_than_what_is_looked_at_shows_its_keys(stage: Stage) -> None:
    """The first row has more than 8 kilobytes, or than 64."""
    for length in (9_000, 70_000):
        rows = [GENERATION_2026 | {"new_key": "x" * length}, GENERATION_2026]
        data = [json.dumps(rows).encode()]
        assert stage.taken(data) == {0: 2}
        assert_same(stage, data)
        assert stage.outcomes(data, fast=True)[0].unknown_keys == {"new_key": 1}


def test_more_keys_than_anybody_reads_are_counted_together(stage: Stage) -> None:
    """The first fifty by name; a row of any others counts once."""
    rows = [json.loads(GOOD) | {f"key {n}": n, f"another {n}": n} for n in range(40)]
    data = [json.dumps(rows).encode()]
    assert_same(stage, data)
    told = stage.outcomes(data, fast=True)[0].unknown_keys
    assert len(told) == 51
    assert (told["another 24"], told["…"]) == (1, 15)


def test_one_damaged_file_costs_its_neighbours_nothing(stage: Stage) -> None:
    """Good files beside it are still taken the fast way."""
    good = json.dumps([GENERATION_2026] * 3).encode()
    files = [good, good[:-9], good, b"[1]", good]
    assert stage.taken(files) == {0: 3, 2: 3, 4: 3}
    assert stage.outcomes(files, fast=True) == stage.outcomes(files, fast=False)


values = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.text(max_size=5).map(json.dumps),
    st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.integers(-5, 2**70).map(json.dumps),
    st.floats().map(json.dumps),
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of a few rows with a few odd places, in some layout."""
    texts = []
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.sampled_from(ROWS))
        pairs = [(key, json.dumps(value)) for key, value in row.items()]
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            key = draw(st.sampled_from((*EXTENDED_KEYS, *UNKNOWN)))
            # A row that says an unknown key twice may count twice.
            kinds = ["replace"] if key in UNKNOWN else ["replace", "drop", "append"]
            kind = draw(st.sampled_from(kinds))
            if kind != "append":
                pairs = [pair for pair in pairs if pair[0] != key]
            if kind != "drop":
                pairs.insert(draw(st.integers(0, len(pairs))), (key, draw(values)))
        texts.append(_written(pairs))
    text = "[" + draw(st.sampled_from([",", ", ", ",\n  "])).join(texts) + "]"
    data = text.encode("utf-8", "surrogatepass")
    match draw(st.sampled_from(["whole", "whole", "whole", "cut", "byte", "bom"])):
        case "cut":
            return data[: draw(st.integers(0, len(data)))]
        case "byte":
            at = draw(st.integers(0, len(data) - 1))
            return data[:at] + draw(st.binary(min_size=0, max_size=2)) + data[at + 1 :]
        case "bom":
            return b"\xef\xbb\xbf" + data
    return data


@given(several=st.lists(files(), min_size=1, max_size=4))
def test_any_files_give_the_same_either_way(stage: Stage, several: list[bytes]) -> None:
    """Ordinary and nasty files together: the same rows, rejections and damage."""
    assert_same(stage, several)


@pytest.mark.parametrize("above", ["ms_played=5", "platform=toaster", "ts=2001-01-01T00:00:00Z"])
def test_directories_called_like_a_column_change_no_row(tmp_path: Path, above: str) -> None:
    """DuckDB takes such a name for a value of every row, where it is not told not to."""
    file = tmp_path / "Streaming_History_Audio_2024.json"
    file.write_text(json.dumps([GENERATION_2024] * 200), encoding="utf-8")
    assert file.stat().st_size > 100_000, "a small one is not read by DuckDB"
    found = []
    for home in (tmp_path / "home", tmp_path / above / "home"):
        assert run(["--home", str(home), "import", str(file)]) == 0
        with Database(home / "history.duckdb").read() as connection:
            statement = "select played_at::varchar, ms_played, platform from plays"
            found.append(connection.execute(statement).fetchall())
    assert found[0] == found[1] != []
