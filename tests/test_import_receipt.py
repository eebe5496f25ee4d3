"""The receipt of an import: what it counts, how it is told, dry runs and standard input."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from answers import Terminal
from cli_kit import Cli, Done
from conftest import NOW
from export_files import make_zip
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from import_history import File, Import, ImportHistory, Page
from plays import account, api, extended
from raw_rows import ACCOUNT, API, GENERATION_2026
from rich.cells import cell_len
from universe import noted_universes

from spotify_hist.collect.imports import Receipt, import_paths
from spotify_hist.collect.inputs import STDIN
from spotify_hist.collect.spool import Spool
from spotify_hist.errors import BadInput, UsageError
from spotify_hist.faces.cli import main, progress, receipts
from spotify_hist.model import Account
from spotify_hist.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from universe import Unit

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

SONG = "spotify:track:song"
MEMBERS = {
    "MyData/endsong_0.json": json.dumps(
        [GENERATION_2026, GENERATION_2026, GENERATION_2026 | {"ts": "2019-07-03T23:30:00Z"}, 7]
    ).encode(),
    "MyData/StreamingHistory0.json": json.dumps([ACCOUNT]).encode(),
    "MyData/Userdata.json": b"{}",
}


@pytest.fixture(scope="module")
def memory() -> ImportHistory:
    """An empty history for many examples."""
    return ImportHistory()


@pytest.fixture
def history(memory: ImportHistory) -> Iterator[ImportHistory]:
    """An empty history, for one listener."""
    with memory.empty():
        memory.add_listener("me")
        yield memory


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A ZIP with four plays of two sources, one row said twice, one that cannot be read."""
    return make_zip(tmp_path / "my_spotify_data.zip", MEMBERS)


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


def bring(settings: Settings, database: Database, *paths: Path, dry_run: bool = False) -> Receipt:
    """Import some paths, or only say what would be done."""
    return import_paths(settings, database, lambda: NOW, paths, dry_run=dry_run)


def by_file(receipt: Receipt) -> list[tuple[int, ...]]:
    """(rows, new, upgraded, duplicate) of each file, which every import of today counts."""
    found = []
    for each in receipt.files:
        counts = (each.records, each.new, each.upgraded, each.duplicate)
        assert None not in counts
        found.append(tuple(count or 0 for count in counts))
    return found


# -- what is counted


def test_records_of_one_play_in_two_files_are_one_new_and_one_upgraded(
    history: ImportHistory,
) -> None:
    """The first file begins the play, the second tells more about it."""
    one = File((("", extended("2024-05-01T10:00:20", uri=SONG)),))
    other = File((("p", account("2024-05-01T10:00")),))
    receipt = history.bring(Import((one, other)))
    assert by_file(receipt) == [(1, 1, 0, 0), (1, 0, 1, 0)]
    assert (receipt.new, receipt.upgraded, receipt.plays_added) == (1, 1, 1)


def test_a_row_that_stands_in_two_files_is_new_in_the_first(history: ImportHistory) -> None:
    """And a duplicate in the second, which holds a row of its own as well."""
    row, own = (("", extended(f"2024-05-0{day}", uri=SONG)) for day in (1, 2))
    receipt = history.bring(Import((File((row, row)), File((own, row)))))
    assert by_file(receipt) == [(2, 1, 0, 1), (2, 1, 0, 1)]


def test_a_play_that_was_polled_before_is_upgraded(history: ImportHistory) -> None:
    """It was known; now it has a listened time."""
    history.page(Page((api("2024-05-01T10:00:20.5", "Song", "Artist", uri=SONG),)))
    receipt = history.bring(Import((File((("", extended("2024-05-01T10:00:20", uri=SONG)),)),)))
    assert by_file(receipt) == [(1, 0, 1, 0)]
    assert receipt.plays_added == 0


@st.composite
def _shuffled_imports(draw: st.DrawFn) -> tuple[list[Page], Import, Import]:
    """Polls, an import, and the same files and rows in another order."""
    units: list[Unit] = draw(noted_universes(plays=8))
    told = [record for unit in units for record in unit.records if record.source == "api"]
    rows = [
        (unit.package, record)
        for unit in units
        for record in unit.records
        if record.source != "api"
    ]
    cut = draw(st.integers(0, len(rows)))
    parts = [tuple(part) for part in (rows[:cut], rows[cut:]) if part]
    mixed = [tuple(draw(st.permutations(part))) for part in draw(st.permutations(parts))]
    is_polled = draw(st.booleans())
    pages = [Page(tuple(told))] if told and is_polled else []
    return pages, Import(tuple(map(File, parts))), Import(tuple(map(File, mixed)))


@examples(max_examples=examples().max_examples // 3)  # two histories an example
@given(story=_shuffled_imports())
def test_the_counts_of_the_files_add_up_whatever_the_order_of_rows(
    memory: ImportHistory, story: tuple[list[Page], Import, Import]
) -> None:
    """records = new + upgraded + duplicate in each file and in all, and the sums agree."""
    pages, *imports = story
    totals = []
    for each in imports:
        with memory.empty():
            memory.add_listener("me")
            for page in pages:
                memory.page(page)
            receipt = memory.bring(each) if each.files else None
        if receipt is None:
            continue
        for row in by_file(receipt):
            assert min(row) >= 0
            assert row[0] == sum(row[1:])
        sums = [sum(column) for column in zip(*by_file(receipt), strict=True)]
        assert sums == [receipt.records, receipt.new, receipt.upgraded, receipt.duplicate]
        totals.append((sums, receipt.plays_added, receipt.kinds, receipt.first, receipt.last))
    assert totals == totals[:1] * len(totals)


def test_a_receipt_tells_the_period_and_the_kinds_of_its_good_rows(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Of a row that cannot be read neither is known."""
    receipt = bring(settings, database, archive)
    assert (receipt.records, receipt.new, receipt.duplicate, receipt.rejected) == (5, 3, 1, 1)
    assert receipt.kinds == {"track": 4}
    assert receipt.first == datetime(2019, 7, 1, 12, 34, 56, tzinfo=UTC)
    assert receipt.last == datetime(2023, 5, 6, 10, 20, tzinfo=UTC)
    extended_file, account_file = receipt.files
    assert (account_file.kinds, account_file.first) == ({"track": 1}, receipt.last)
    assert extended_file.rejected == ((3, "not an object"),)


def test_the_same_archive_again_is_all_duplicates_in_every_file(
    settings: Settings, database: Database, archive: Path
) -> None:
    """With the same period and kinds as the first time."""
    first, again = (bring(settings, database, archive) for _ in range(2))
    assert [(new, upgraded) for _, new, upgraded, _ in by_file(again)] == [(0, 0), (0, 0)]
    assert (again.kinds, again.first, again.last) == (first.kinds, first.first, first.last)
    assert [each.kinds for each in again.files] == [each.kinds for each in first.files]


# -- dry runs


def _files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory but locks, with its bytes."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix not in {".gate", ".turn"}
    }


def test_a_dry_run_in_a_fresh_home_leaves_no_trace_at_all(
    settings: Settings, database: Database, home: Path, archive: Path
) -> None:
    """No database, no listener, no directory; and it tells what the import then does."""
    told = bring(settings, database, archive, dry_run=True)
    assert not home.exists()
    assert told.is_dry_run
    done = bring(settings, database, archive)
    assert replace(told, is_dry_run=False) == done


def test_a_dry_run_changes_no_byte_of_a_history(
    settings: Settings, database: Database, home: Path, archive: Path, tmp_path: Path
) -> None:
    """Neither the database nor the page that waits in the spool, which it counts with."""
    bring(settings, database, make_zip(tmp_path / "x.zip", dict([next(iter(MEMBERS.items()))])))
    page = json.dumps({"items": [API], "next": None, "cursors": None}).encode()
    Spool(settings.spool).add(Account("acc", None, "Ada"), page, NOW)
    rows = [GENERATION_2026 | {"ts": "2026-05-06T10:20:30Z", "ms_played": 31_000}]
    polled = make_zip(tmp_path / "y.zip", {"endsong_0.json": json.dumps(rows).encode()})
    before = _files(home)
    told = bring(settings, database, archive, polled, dry_run=True)
    assert _files(home) == before
    assert len(Spool(settings.spool)) == 1
    done = bring(settings, database, archive, polled)
    assert replace(told, is_dry_run=False) == done
    assert (done.new, done.upgraded, done.duplicate) == (1, 1, 3)


def test_a_dry_run_needs_no_more_than_a_look_at_the_history(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Others may read meanwhile, and errors are those of the import."""
    bring(settings, database, archive)
    with database.read():
        assert bring(settings, database, archive, dry_run=True).new == 0
    with pytest.raises(UsageError, match="no such"):
        import_paths(settings, database, lambda: NOW, [archive], user="no such", dry_run=True)


def test_the_command_says_that_a_dry_run_changed_nothing(
    cli: Cli, home: Path, archive: Path
) -> None:
    """In words and in JSON; the rest is the receipt of the import, exit code and all."""
    dry = cli("import", "--dry-run", "--format", "json", str(archive))
    assert dry.json()["dry_run"] is True
    words = cli("import", str(archive), "--dry-run")
    assert "nothing was changed" in words.out
    assert not home.exists()
    done = cli("import", "--format", "json", str(archive))
    assert (dry.code, words.code, done.code) == (3, 3, 3)
    assert dry.json() | {"dry_run": False} == done.json()


# -- how it is told


def test_the_json_has_every_key_that_is_promised(cli: Cli, archive: Path) -> None:
    """DESIGN 7, with what was added since."""
    told = cli("import", str(archive), "--format", "json").json()
    files = told.pop("files")
    assert told == {
        "import_id": 1, "user": "me", "dry_run": False, "records": 5, "new": 3, "upgraded": 0,
        "duplicate": 1, "rejected": 1, "plays_added": 3, "gaps_closed": 0, "kinds": {"track": 4},
        "first_played_at": "2019-07-01T12:34:56.000Z",
        "last_played_at": "2023-05-06T10:20:00.000Z",
        "ignored": ["MyData/Userdata.json"], "failed": [], "unknown_keys": {},
    }  # fmt: skip
    assert files[0] == {
        "name": "MyData/endsong_0.json", "format": "endsong", "records": 4, "new": 2,
        "upgraded": 0, "duplicate": 1, "rejected": [{"index": 3, "reason": "not an object"}],
        "damage": None, "kinds": {"track": 3}, "unknown_keys": {},
        "first_played_at": "2019-07-01T12:34:56.000Z",
        "last_played_at": "2019-07-03T23:30:00.000Z",
    }  # fmt: skip


def test_the_words_fit_a_terminal_of_80_columns(
    cli: Cli, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days are those of the listener; the row that was rejected has its reason."""
    monkeypatch.setenv("SPOTIFY_HIST_TIMEZONE", "Asia/Kolkata")
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    out, err = Terminal(), Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        cli("import", str(archive))
    lines = [*out.getvalue().splitlines(), *err.getvalue().split("\x1b[2K")[-1].splitlines()]
    assert max(map(cell_len, lines)) <= 80
    assert "Plays of 2019-07-01 to 2023-05-06:" in lines
    assert "  4 tracks" in lines
    assert "Plays added: 3" in lines
    assert "Rejected: MyData/endsong_0.json, row 3: not an object" in lines


def test_the_last_day_is_the_listeners_own(
    settings: Settings, database: Database, cli: Cli, tmp_path: Path
) -> None:
    """Half past eleven at night in UTC is the next day in Kolkata."""
    rows = [GENERATION_2026 | {"ts": "2019-07-03T23:30:00Z"}]
    path = tmp_path / "endsong_0.json"
    path.write_text(json.dumps(rows))
    bring(settings, database, path)
    assert "Plays of 2019-07-03:" in cli("import", str(path)).out
    cli("users", "timezone", "me", "Asia/Kolkata")
    assert "Plays of 2019-07-04:" in cli("import", str(path)).out


def test_many_rejected_rows_are_told_by_example(cli: Cli, tmp_path: Path) -> None:
    """The first ten, then how many more and mostly why; JSON has them all."""
    path = tmp_path / "endsong_0.json"
    path.write_text(json.dumps([GENERATION_2026, *range(2_000), {}]))
    words = cli("import", str(path))
    told = [line for line in words.err.splitlines() if line.startswith("Rejected: ")]
    assert len(told) == 11
    assert "1,991 more rows, mostly: not an object (1,990)" in told[-1]
    shown = cli("import", "show", "1", "--format", "json").json()
    assert len(shown["files"][0]["rejected"]) == 2_001


def test_many_files_are_told_by_example(cli: Cli, tmp_path: Path) -> None:
    """Forty lines, and how many more there are."""
    folder = tmp_path / "MyData"
    folder.mkdir()
    for number in range(45):
        text = json.dumps([GENERATION_2026 | {"ms_played": number}])
        (folder / f"endsong_{number}.json").write_text(text)
    done = cli("import", str(folder))
    assert done.code == 0
    assert "45 rows read in 45 files" in done.out
    assert done.out.count("endsong_") == 40
    assert "5 more files" in done.err


# -- standard input


class _NoTerminal(io.BytesIO):
    """Bytes that come in small pieces, as a pipe gives them."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1000))


@pytest.mark.parametrize("name", ["zip", "endsong", "account", "lines"])
def test_standard_input_is_as_good_as_a_file(
    settings: Settings, database: Database, archive: Path, name: str
) -> None:
    """A ZIP, a JSON file of either kind, and lines of JSON; what it is shows in what it holds."""
    listens = [{"listened_at": 1_700_000_000 + n, "track_metadata": {
        "artist_name": "Artist", "track_name": "Song"}} for n in (0, 60)]  # fmt: skip
    data = {
        "zip": archive.read_bytes(),
        "endsong": MEMBERS["MyData/endsong_0.json"],
        "account": MEMBERS["MyData/StreamingHistory0.json"],
        "lines": "\n".join(map(json.dumps, listens)).encode(),
    }[name]
    receipt = import_paths(settings, database, lambda: NOW, [STDIN, STDIN], stdin=_NoTerminal(data))
    assert receipt.records == {"zip": 5, "endsong": 4, "account": 1, "lines": 2}[name]
    assert list(settings.scratch.iterdir()) == []
    with database.read() as connection:
        packages = connection.execute("select distinct package from import_files").fetchall()
    assert not any("import-" in package for (package,) in packages)


def test_standard_input_beside_a_path_are_two_inputs(
    settings: Settings, database: Database, archive: Path, tmp_path: Path
) -> None:
    """What is bad about the one costs the other nothing."""
    good = tmp_path / "endsong_0.json"
    good.write_bytes(MEMBERS["MyData/endsong_0.json"])
    for data, failed in ((b"", 1), (b"no history", 1), (archive.read_bytes(), 0)):
        receipt = import_paths(
            settings, database, lambda: NOW, [STDIN, good], stdin=io.BytesIO(data)
        )
        assert len(receipt.failed) == failed
        assert receipt.files[-1].name == "endsong_0.json"


@pytest.mark.parametrize(
    ("data", "variable"),
    [
        (b"PK\3\4" + b"x" * 1_100_000, "SPOTIFY_HIST_IMPORT_MAX_ZIP_MB"),
        (b"[" + b" " * 1_100_000, "SPOTIFY_HIST_IMPORT_MAX_UNPACKED_GB"),
    ],
)
def test_standard_input_without_end_is_refused_at_the_cap(
    home: Path, database: Database, data: bytes, variable: str
) -> None:
    """The cap of the settings, by what it is; nothing stays behind."""
    value = "1" if variable.endswith("MB") else "0.001"
    settings = load(home, {variable: value})
    with pytest.raises(BadInput, match="larger than 1 MB") as refused:
        import_paths(settings, database, lambda: NOW, [STDIN], stdin=_NoTerminal(data))
    assert variable.removeprefix("SPOTIFY_HIST_IMPORT_").lower() in refused.value.hint
    assert list(settings.scratch.iterdir()) == []
    assert not database.exists()


def test_a_terminal_as_standard_input_is_refused_with_a_hint(home: Path) -> None:
    """A person who typed a dash by mistake is not kept waiting."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "spotify_hist", "import", "-"],
            stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (3, "")
    assert "is a terminal" in done.stderr
    assert "import - <" in done.stderr


def test_a_pipe_reaches_the_history(home: Path, archive: Path) -> None:
    """As a shell does it."""
    with archive.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "spotify_hist", "import", "-", "--format", "json"],
            stdin=file, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["new"] == 3


# -- progress


def test_the_bar_shows_speed_and_time_left_on_a_terminal() -> None:
    """Rows are known as files finish; the bytes tell how much is left. The end of an import has
    its own measure: rows that are in the history."""
    stream = Terminal()
    with progress.reading(is_quiet=False, stream=stream) as bar:
        bar.reading(50_000_000, 100_000_000, 1_000)
        bar.pause()
        bar.go_on()
        bar.reading(100_000_000, 100_000_000, 2_000_000)
        bar.pause()
        bar.go_on()
        bar.merging(500_000, 2_000_000)
        bar.pause()
        bar.go_on()
        bar.merging(2_000_000, 2_000_000)
    text = stream.getvalue()
    assert "50.0 of 100.0 MB" in text
    assert "rows/s" in text
    assert "500,000 of 2,000,000 rows" in text
    assert "Finishing" in text
    assert "?" not in text.replace("\x1b[?25", "")
    assert progress.rows_a_second(5_000, 2.0) == "2,500 rows/s"
    assert progress.rows_a_second(0, 2.0) == progress.rows_a_second(7, None) == ""


@pytest.mark.parametrize(("stream", "is_quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_there_is_no_bar_in_a_pipe_and_none_where_quiet_is_asked_for(
    stream: io.StringIO, is_quiet: bool
) -> None:
    """Not a character."""
    with progress.reading(is_quiet=is_quiet, stream=stream) as bar:
        bar.reading(50, 100, 1_000)
        bar.pause()
        bar.go_on()
        bar.merging(100, 200)
    assert stream.getvalue() == ""


def test_the_merge_tells_how_many_rows_are_in(
    settings: Settings, database: Database, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part by part, from none to all."""
    monkeypatch.setattr("spotify_hist.store.merging._ROWS", 1)
    told: list[tuple[int, int]] = []
    receipt = import_paths(
        settings, database, lambda: NOW, [archive], on_merge=lambda *step: told.append(step)
    )
    assert told == sorted(told)
    rows = receipt.records - receipt.rejected
    assert told[0] == (0, rows)
    assert told[-1] == (rows, rows)


def test_progress_tells_bytes_and_rows_as_files_finish(
    settings: Settings, database: Database, archive: Path
) -> None:
    """Both only grow, and end with all of them."""
    told: list[tuple[int, int, int]] = []
    receipt = import_paths(
        settings, database, lambda: NOW, [archive],
        on_progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 0
    assert told[-1][2] == receipt.records


def test_days_are_told_once_where_they_are_the_same() -> None:
    """A receipt of one day names one day."""
    moment = datetime(2024, 5, 1, 23, tzinfo=UTC)
    assert receipts._days(moment, moment, "UTC") == "2024-05-01"
    later = moment + timedelta(hours=2)
    assert receipts._days(moment, later, "UTC") == "2024-05-01 to 2024-05-02"
    assert receipts._days(moment, later, "Asia/Kolkata") == "2024-05-02"
