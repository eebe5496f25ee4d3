"""A row that cannot be read costs no other: whatever is wrong with it, its neighbours arrive."""

from __future__ import annotations

import io
import json
import math
import random
import tracemalloc
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raw_rows import GENERATION_2026, reason

from spotify_hist import normalise
from spotify_hist.model import Record, Rejected
from spotify_hist.sources.exports import reader, rowtext
from spotify_hist.sources.exports.reader import DamagedFile, rows
from spotify_hist.sources.exports.textfeed import TextFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = {"ts": "first", "ms_played": 1}, {"ts": "last", "ms_played": 2}
NOT_JSON = "not valid JSON"
RUNS_ON = "not valid JSON: a quote or a bracket is missing"
TOO_LONG = "far too long to be a play"
# A row that is JSON and no more: what is wrong with it is for others to judge.
SOUND = object()


def read_all(data: bytes | BinaryIO) -> tuple[list[object], str | None]:
    """The rows that can be read and, where the file is damaged, the reason."""
    found: list[object] = []
    try:
        for index, row in rows(io.BytesIO(data) if isinstance(data, bytes) else data):
            assert index == len(found)
            found.append(row)
    except DamagedFile as damage:
        return found, damage.reason
    return found, None


def written(*texts: str | bytes, separator: bytes = b", ") -> bytes:
    """A list of rows as they are written."""
    whole = (text.encode() if isinstance(text, str) else text for text in texts)
    return b"[" + separator.join(whole) + b"]"


def between(spoiled: str | bytes, separator: bytes = b", ") -> bytes:
    """A list of one row between two good ones."""
    return written(json.dumps(FIRST), spoiled, json.dumps(LAST), separator=separator)


SPOILED: dict[str | bytes, str] = {
    '{"ts":}': NOT_JSON,
    '{"ts" 1}': NOT_JSON,
    '{"ts":1 "ms_played":2}': NOT_JSON,
    "{'ts':1}": NOT_JSON,
    "{ts:1}": NOT_JSON,
    '{"ts":01}': NOT_JSON,
    '{"ts":+1}': NOT_JSON,
    '{"ts":.5}': NOT_JSON,
    '{"ts":1.}': NOT_JSON,
    '{"ts":0x10}': NOT_JSON,
    '{"ts":tru}': NOT_JSON,
    '{"ts":1]': NOT_JSON,
    '{"ts":1,,}': NOT_JSON,
    '{"ts":[1}]': NOT_JSON,
    r'{"ts":"\x"}': NOT_JSON,
    r'{"ts":"\u12"}': NOT_JSON,
    '{"ts":"a "b" c"}': NOT_JSON,
    '{"ts":1 /* why */}': NOT_JSON,
    "{x{y}z}": NOT_JSON,
    "x": NOT_JSON,
    "'x'": NOT_JSON,
    "12x": NOT_JSON,
    "-": NOT_JSON,
    "<html>": NOT_JSON,
    "nul": NOT_JSON,
    "\\": NOT_JSON,
    ":": NOT_JSON,
    b'{"ts":"\xff"}': "not valid UTF-8",
    b'{"\xc3(":1}': "not valid UTF-8",
    b'{"ts":"\xed\xa0\x80"}': "not valid UTF-8",
    b'"\xf8\x88\x80\x80\x80"': "not valid UTF-8",
    b"\xff": "not valid UTF-8",
    "": "there is no row beside a comma",
    " ": "there is no row beside a comma",
    '{"ts":"x': RUNS_ON,
    '{"ts:"x"}': RUNS_ON,
    '{ts":"x"}': RUNS_ON,
    '{"ts":["x"}': RUNS_ON,
    '{"ts":{"a":{"x"}': RUNS_ON,
    '{"ts":"x"': RUNS_ON,
    '{"ts":"x","a':  RUNS_ON,
    '{"ts":"x\\"}': RUNS_ON,
    '"x': RUNS_ON,
    "[": RUNS_ON,
    "[[[[": RUNS_ON,
    "{": RUNS_ON,
}  # fmt: skip


@pytest.mark.parametrize(
    ("spoiled", "expected"), SPOILED.items(), ids=lambda value: repr(value[:30])
)
@pytest.mark.parametrize("separator", [b",", b" ,\n   "], ids=["minified", "pretty"])
def test_a_spoiled_row_is_rejected_and_its_neighbours_arrive(
    spoiled: str | bytes, expected: str, separator: bytes
) -> None:
    """Each has its own reason; the rows around it keep their places."""
    assert read_all(between(spoiled, separator)) == ([FIRST, Rejected(expected), LAST], None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", None),
        ("-1.5e3", -1500.0),
        ('"x"', "x"),
        ("[[1], {}]", [[1], {}]),
        ("NaN", "nan"),
        ("-Infinity", -math.inf),
        ("1e999", math.inf),
        ('{"a": [-inf, Infinity, {"b": NAN}]}', {"a": ["nan", "nan", {"b": "nan"}]}),
        ('{"a": [-Infinity, NaN]}', {"a": [-math.inf, "nan"]}),
        (str(2**70), 2**70),
        ("1" * 4301, math.inf),
        ("-" + "9" * 100_000, -math.inf),
        ('{"a": ' + "7" * 5000 + "}", {"a": math.inf}),
        ('{"a": [1, ], "b": {"c": 1,},}', {"a": [1], "b": {"c": 1}}),
        (r'{"a": "\udc00x\ud800"}', {"a": "\udc00x\ud800"}),
        (r'{"a": "\u0000\ud83d\ude00"}', {"a": "\0\U0001f600"}),
        ('{"a": "nan, ]  inf,}", }', {"a": "nan, ]  inf,}"}),
        ('{"a": "x\x00\x1f\ty"}', {"a": "x   y"}),
        ('{"a": 1, "a": 1}', {"a": 1}),
        ('{"": "", "a" : "\\":"}', {"": "", "a": '":'}),
        ('{"a": "' + "x" * 70_000 + '"}', {"a": "x" * 70_000}),
        ('{"a": "' + "é\U0001f600" * 70_000 + '"}', {"a": "é\U0001f600" * 70_000}),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_row_that_can_be_understood_is_given(text: str, expected: object) -> None:
    """What only a strict reader minds is no obstacle, wherever in a row it stands."""
    found, damage = read_all(between(text))
    assert damage is None
    first, row, last = found
    assert (first, _without_nan(row), last) == (FIRST, expected, LAST)


def _without_nan(value: object) -> object:
    """The value with its NaN, which is equal to nothing, in words."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return [_without_nan(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("written_value", "expected"),
    [
        ("NaN", '"ms_played" is not a whole number'),
        ("Infinity", '"ms_played" is not a whole number'),
        ("1e999", '"ms_played" is not a whole number'),
        ("1" * 25, '"ms_played" is longer than seven days'),
        ("1" * 5000, '"ms_played" is not a whole number'),
        ("1000, \"ms_played\": 2000", '"ms_played" is not a whole number'),
        ("1000, \"ms_played\": 1000.0", '"ms_played" is not a whole number'),
        ("[" * 50_000 + "]" * 50_000, '"ms_played" is not a whole number'),
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_a_value_that_no_play_can_have_rejects_the_row_where_it_matters(
    written_value: str, expected: str
) -> None:
    """The same value under a key that nobody reads does no harm."""
    row = json.dumps(GENERATION_2026)
    spoiled = row.replace('"ms_played": 185000', f'"ms_played": {written_value}')
    harmless = row[:-1] + ', "ms": ' + written_value.replace("ms_played", "ms") + "}"
    assert spoiled != row
    (first, second, third), damage = read_all(written(spoiled, harmless, row))
    assert damage is None
    assert reason(normalise.row("extended", first)) == expected
    assert normalise.row("extended", second) == normalise.row("extended", third)
    assert isinstance(normalise.row("extended", third), Record)


def test_a_key_told_twice_is_refused_only_where_it_is_told_differently() -> None:
    """`1` and `true` differ, two equal objects do not; a later equal value heals nothing."""
    texts = [
        '"a":1,"a":true',
        '"a":{"b":[1]},"a":{"b":[1]}',
        '"a":1,"a":2,"a":1',
        '"a":"x","a":"x"',
    ]
    found, _ = read_all(written(*("{" + text + "}" for text in texts)))
    values = [row["a"] for row in cast("list[dict[str, object]]", found)]
    assert [isinstance(value, rowtext.Ambiguous) for value in values] == [True, False, True, False]
    assert values[1::2] == [{"b": [1]}, "x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"ts":1},]', [{"ts": 1}, Rejected("there is no row beside a comma")]),
        ('[,{"ts":1}]', [Rejected("there is no row beside a comma"), {"ts": 1}]),
        ("[,]", [Rejected("there is no row beside a comma")] * 2),
        ('[{"ts":1} {"ts":2}[3]{"ts":4}]', [{"ts": 1}, {"ts": 2}, [3], {"ts": 4}]),
        ('[{"ts":1}}, {"ts":2} } , {"ts":3}x, {"ts":4}]', [{"ts": n} for n in range(1, 5)]),
    ],
)
def test_what_stands_between_rows_costs_none(text: str, expected: list[object]) -> None:
    """Commas too many or too few, and a bracket or letter too many after a row."""
    assert read_all(text.encode()) == (expected, None)


texts = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
# The rows of a file begin with one key, whatever follows.
plays = st.fixed_dictionaries({"ts": texts}, optional={"ms_played": values, '[{"ts': values}).map(
    lambda play: {"ts": play["ts"], **play}
)
layouts = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (", ", " : ")},
        {"indent": 2},
        {"indent": 1, "separators": (" ,", "  :\t")},
    ]
)


@pytest.fixture(params=[64 * 1024, 7])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much is read at a time: as ever, or so little that every row is cut."""
    monkeypatch.setattr(TextFeed, "chunk", request.param)
    return cast("int", request.param)


@pytest.mark.usefixtures("chunk")
@given(st.lists(plays, max_size=5), layouts, st.booleans())
def test_a_good_file_gives_the_rows_that_json_gives(
    several: list[dict[str, object]], layout: dict[str, object], ascii_only: bool
) -> None:
    """Whatever the layout, the escapes, and where the pieces end."""
    text = json.dumps(several, ensure_ascii=ascii_only, **layout)  # type: ignore[arg-type]  # options of any type
    data = text.encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:  # a lone surrogate that was not escaped: no UTF-8
        return
    assert read_all(data) == (json.loads(text), None)


@pytest.mark.usefixtures("chunk")
@given(
    st.lists(plays, min_size=1, max_size=3),
    st.lists(plays, min_size=1, max_size=3),
    st.sampled_from([text for text in SPOILED if len(text) < 100]),
    layouts,
)
@example([{"ts": ""}], [{"ts": ""}], '{"ts":"x', {"indent": 2})
def test_one_spoiled_row_among_good_ones_costs_only_itself(
    before: list[dict[str, object]],
    after: list[dict[str, object]],
    spoiled: str | bytes,
    layout: dict[str, object],
) -> None:
    """Any rows, any layout, any of the ways to spoil one: all others come, in their places."""
    dumped = [json.dumps(play, **layout) for play in (*before, *after)]  # type: ignore[arg-type]  # as above
    data = written(*dumped[: len(before)], spoiled, *dumped[len(before) :])
    assert read_all(data) == ([*before, Rejected(SPOILED[spoiled]), *after], None)


@pytest.mark.usefixtures("chunk")
@given(st.lists(plays, min_size=2, max_size=4), st.data())
def test_one_bracket_quote_or_letter_changed_costs_little(
    several: list[dict[str, object]], data: st.DataObject
) -> None:
    """A byte of one row is lost or replaced: the rows before it are whole, and nothing raises."""
    dumped = [json.dumps(play) for play in several]
    spoiled = data.draw(st.integers(0, len(several) - 1))
    text = dumped[spoiled]
    at = data.draw(st.integers(0, len(text) - 1))
    dumped[spoiled] = (
        text[:at] + data.draw(st.sampled_from(["", '"', "[", "}", "\\", "x"])) + text[at + 1 :]
    )
    found, _ = read_all(written(*dumped))
    assert found[:spoiled] == several[:spoiled]


@given(st.binary(max_size=40) | st.text('[]{}",:\\x1 \udc80é', max_size=40))
def test_any_bytes_at_all_are_survived(data: bytes | str) -> None:
    """Rows, or DamagedFile, and nothing else."""
    found, _ = read_all(
        b"[" + (data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    )
    assert all(not isinstance(row, Rejected) or row.reason for row in found)


def test_a_damaged_stretch_costs_the_rows_in_it() -> None:
    """A stretch of zeroes, as a failing disk leaves it, in the middle of many rows."""
    several = [GENERATION_2026 | {"ms_played": number} for number in range(400)]
    data = bytearray(json.dumps(several, indent=2).encode())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    found, damage = read_all(bytes(data))
    good = [row for row in found if not isinstance(row, Rejected)]
    assert damage is None
    assert len(good) >= len(several) - 7
    assert len(found) - len(good) <= 2
    assert [row for row in several if row in good] == good


LONGEST = 100_000
MONSTERS = {
    "text": '{"ts":"' + "x" * LONGEST + '"}',
    "escapes": '{"ts":"' + r"\\\"" * LONGEST + '"}',
    "brackets": "[" * LONGEST + "]" * LONGEST,
    "objects": '{"ts":' * LONGEST + "1" + "}" * LONGEST,
    "shallow": '{"ts":' + "[[1,[]],2]," * LONGEST + "}",
    "bracketed text": '"' + "[" * LONGEST + '"',
    "digits": "1" * (LONGEST + 1),
    "keys": "{" + ", ".join(f'"{n}": 1' for n in range(LONGEST // 4)) + "}",
    "blanks": '{"ts": ' + " " * LONGEST + "1}",
}


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("monster", MONSTERS.values(), ids=list(MONSTERS))
@pytest.mark.parametrize("times", [1, 3])
def test_a_row_that_is_far_too_long_is_passed_over(
    monster: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often, and wherever the pieces end; one that is just not too long is given."""
    monkeypatch.setattr(reader, "_LONGEST_ROW", LONGEST)
    monkeypatch.setattr(reader, "_LONG_ROW", LONGEST // 10)
    just_right = {"a": "x" * (LONGEST - len('{"a": ""}'))}
    data = written(json.dumps(FIRST), *[monster] * times, json.dumps(just_right))
    assert read_all(data) == ([FIRST, *[Rejected(TOO_LONG)] * times, just_right], None)


class Endless(io.RawIOBase):
    """A long stream of a few pieces, each repeated, without holding it."""

    def __init__(self, *parts: tuple[bytes, int]) -> None:
        super().__init__()
        self._parts = self._pieces(parts)
        self._rest = b""

    def _pieces(self, parts: tuple[tuple[bytes, int], ...]) -> Iterator[bytes]:
        for unit, count in parts:
            at_once = max(1, 100_000 // len(unit))
            for done in range(0, count, at_once):
                yield unit * min(at_once, count - done)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        while not self._rest and (piece := next(self._parts, b"")):
            self._rest = piece
        given, self._rest = self._rest[:size], self._rest[size or 0 :]
        return given


@pytest.mark.parametrize(
    "parts",
    [
        [(b'"', 1), (b"x", 40_000_000), (b'"', 1)],
        [(b"[", 10_000_000), (b"]", 10_000_000)],
        [(b'{"ts":"', 1), (b"\\", 20_000_000), (b'"}', 1)],
        [(b"7", 20_000_000)],
    ],
    ids=["text", "brackets", "backslashes", "digits"],
)
def test_a_monstrous_row_takes_little_memory(parts: list[tuple[bytes, int]]) -> None:
    """What is longer than a row may be is passed over without being held."""
    stream = Endless((b'[{"ts":1},', 1), *parts, (b',{"ts":2}]', 1))
    tracemalloc.start()
    try:
        found = read_all(cast("BinaryIO", stream))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == ([{"ts": 1}, Rejected(TOO_LONG), {"ts": 2}], None)
    assert peak < 80_000_000


def test_a_file_of_rows_that_all_run_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked through for its end far ahead, which must not be done without end."""
    monkeypatch.setattr(reader, "_MOST_LOOKED_AT_AGAIN", 3_000_000)
    stream = Endless((b"[", 1), (b'{"ts":[,', 20_000), (b"]", 1))
    found, damage = read_all(cast("BinaryIO", stream))
    assert found == [Rejected(RUNS_ON)] * len(found)
    assert 10 < len(found) < 100
    assert damage == f"the file is damaged in too many places after row {len(found):,}"


def test_missing_quotes_far_apart_cost_a_row_each() -> None:
    """Dozens of rows of a large file, each without one of its quotes."""
    several = [GENERATION_2026 | {"ms_played": number} for number in range(8000)]
    dumped = [json.dumps(play) for play in several]
    spoiled = random.Random(4).sample(range(8000), 60)
    for number in spoiled:
        dumped[number] = dumped[number].replace('"Song"', 'Song"')
    found, damage = read_all(written(*dumped))
    assert damage is None
    assert [n for n, row in enumerate(found) if isinstance(row, Rejected)] == sorted(spoiled)
    assert all(found[n] == several[n] for n in range(8000) if n not in spoiled)
