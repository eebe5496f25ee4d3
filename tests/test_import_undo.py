"""Undoing an import: the history is what it would be had the import never run, and nothing else."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from cli_kit import Cli, Done
from conftest import NOW
from export_files import make_zip
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from import_history import Event, File, Import, ImportHistory, Page, Undo, at, without_undone
from plays import account, api, extended
from raw_rows import ACCOUNT, GENERATION_2026
from universe import noted_universes

from spotify_hist.collect.imports import import_paths
from spotify_hist.collect.undo import undo_import
from spotify_hist.errors import BadInput, DatabaseBusy
from spotify_hist.faces.cli import main
from spotify_hist.store import import_jobs, migrate
from spotify_hist.store.records import StagedRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memory_history import Table
    from universe import Unit

    from spotify_hist.model import Record
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database
    from spotify_hist.store.import_jobs import Receipt

SONG, OTHER = "spotify:track:song", "spotify:track:other"


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


def file(*told: Record, package: str = "mine") -> File:
    """A file of these records."""
    return File(tuple((package, each) for each in told))


def brought(*told: Record, name: str = "", keep_private: bool = False) -> Import:
    """An import of one file."""
    return Import((file(*told),), keep_private=keep_private, name=name)


def counts(receipt: Receipt) -> tuple[object, ...]:
    """What a receipt says of the rows, per file and in all."""
    return (
        receipt.records, receipt.new, receipt.upgraded, receipt.duplicate, receipt.rejected,
        receipt.plays_added, receipt.kinds, receipt.first, receipt.last,
        *((each.records, each.new, each.upgraded, each.duplicate) for each in receipt.files),
    )  # fmt: skip


def assert_adds_up(receipt: Receipt) -> None:
    """Every row is one of the four, per file and in all."""
    for each in receipt.files:
        parts = (each.new, each.upgraded, each.duplicate)
        assert all(count is not None and count >= 0 for count in parts)
        assert each.records == sum(count or 0 for count in parts) + each.rejected_count
    for name in ("records", "new", "upgraded", "duplicate"):
        assert getattr(receipt, name) == sum(getattr(each, name) for each in receipt.files)


# -- properties


@st.composite
def imports(draw: st.DrawFn, units: Sequence[Unit]) -> list[Event]:
    """Imports of some files each, many of which overlap, and some of which are the same."""
    files: list[File] = []
    found: list[Event] = []
    for number in range(draw(st.integers(1, 4))):
        chosen = []
        for _ in range(draw(st.integers(1, 2))):
            if not files or draw(st.integers(0, 2)):
                some = draw(st.lists(st.sampled_from(units), min_size=1, max_size=8))
                rows = ((unit.package, record) for unit in some for record in unit.records)
                files.append(File(tuple(rows)))
                chosen.append(files[-1])
            else:
                chosen.append(draw(st.sampled_from(files)))
        found.append(Import(tuple(chosen), draw(st.booleans()), str(number)))
    return found


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Imports and polls in some order, and some of the imports undone, at once or later."""
    units = draw(noted_universes(plays=10))
    told = [record for unit in units for record in unit.records if record.source == "api"]
    others = [unit for unit in units if unit.records[0].source != "api"]
    events = draw(imports(others)) if others else []
    if told:
        pages = st.lists(st.sampled_from(told), min_size=1, max_size=5, unique=True)
        events += [Page(tuple(page)) for page in draw(st.lists(pages, max_size=3))]
    return draw(with_undos(draw(st.permutations(events))))


@st.composite
def with_undos(draw: st.DrawFn, events: Sequence[Event]) -> list[Event]:
    """The events with the undoing of some of the imports at some time after them."""
    lived = list(events)
    given_back = [event for event in events if isinstance(event, Import)]
    if given_back:
        given_back = draw(st.lists(st.sampled_from(given_back), min_size=1, unique=True))
    for event in given_back:
        lived.insert(draw(st.integers(lived.index(event) + 1, len(lived))), Undo(event.name))
    return lived


@examples(max_examples=examples().max_examples // 4)  # two histories an example
@given(events=lives())
def test_what_is_undone_might_as_well_never_have_been(
    memory: ImportHistory, events: list[Event]
) -> None:
    """Whatever was imported, polled and undone, in whatever order: plays, records, tracks, artists,
    albums, names, links, private fields and which import says what."""
    with memory.empty():
        for receipt in memory.live(events).values():
            assert_adds_up(receipt)
        undone = memory.everything()
    with memory.empty():
        memory.live(without_undone(events))
        assert undone == memory.everything()


@examples(max_examples=examples().max_examples // 5)
@given(events=lives())
def test_nothing_is_left_of_a_history_whose_imports_are_all_undone(
    memory: ImportHistory, events: list[Event]
) -> None:
    """But for what Spotify itself told; and then each can be imported once more."""
    gone = {event.name for event in events if isinstance(event, Undo)}
    all_imports = [event for event in events if isinstance(event, Import)]
    with memory.empty():
        receipts = memory.live(events)
        for event in all_imports:
            if event.name not in gone:
                memory.undo(receipts[event.name].import_id)
        if not any(isinstance(event, Page) for event in events):
            assert {name for name, rows in memory.everything().items() if rows} == set()
        if all_imports:
            before = memory.everything()
            first = memory.bring(all_imports[0])
            memory.undo(first.import_id)
            assert memory.everything() == before
            assert counts(memory.bring(all_imports[0])) == counts(first)


def songs(minutes: Sequence[int]) -> list[Record]:
    """A song of three minutes that ends at each of these minutes, as an export tells of it."""
    return [extended(at(minute), f"Song {minute}", ms=180_000) for minute in sorted(minutes)]


def heard(minutes: Sequence[int]) -> tuple[Record, ...]:
    """The same songs as Spotify's API tells of them."""
    return tuple(
        api(at(minute), f"Song {minute}", "Artist", uri=f"spotify:track:{minute}")
        for minute in sorted(minutes)
    )


minutes = st.lists(st.integers(0, 12).map(lambda n: 3 * n), min_size=1, max_size=8, unique=True)


@st.composite
def lives_with_gaps(draw: st.DrawFn) -> list[Event]:
    """Full pages with holes between them; then imports, late plays and backfills; then undos."""
    edges = sorted(draw(st.sets(st.integers(0, 12), min_size=2, max_size=4)))
    full: list[Event] = [Page(heard([3 * edge]), is_full=True) for edge in edges]
    events: list[Event] = [
        Import((File(tuple(("mine", each) for each in songs(told))),), name=str(number))
        for number, told in enumerate(draw(st.lists(minutes, min_size=1, max_size=3)))
    ]
    events += [
        Page(heard(told), is_backfill=draw(st.booleans()))
        for told in draw(st.lists(minutes, max_size=2))
    ]
    return full + draw(with_undos(draw(st.permutations(events))))


@examples(max_examples=examples().max_examples // 4)  # two histories an example
@given(events=lives_with_gaps())
def test_gaps_that_only_an_undone_import_closed_are_open_again(
    memory: ImportHistory, events: list[Event]
) -> None:
    """And those that another import or a page closes as well, before or after, stay closed."""
    last = Page(heard([1000]))  # each page looks at what late plays have filled
    found: list[Table] = []
    for lived in (events, without_undone(events)):
        with memory.empty():
            memory.live([*lived, last])
            found.append(memory.gaps())
    assert found[0] == found[1]


# -- what goes and what stays


def test_a_later_import_that_found_only_duplicates_keeps_the_plays(history: ImportHistory) -> None:
    """It says them too: as the very same file, and as another one."""
    one, other = extended(at(0), uri=SONG), extended(at(9), uri=OTHER)
    first = history.bring(brought(one, other))
    assert history.bring(brought(one, other)).duplicate == 2
    assert history.bring(brought(other)).duplicate == 1
    taken = history.undo(first.import_id)
    assert (taken.records, taken.plays, history.count("plays")) == (0, 0, 2)
    taken = history.undo(first.import_id + 1)
    assert (taken.records, taken.plays, history.count("plays")) == (1, 1, 1)
    assert [row[0] for row in history.table("tracks")] == ["other"]
    assert history.undo(first.import_id + 2).plays == 1
    assert history.count("plays") == history.count("record_rows") == 0


def test_equal_account_rows_are_counted_anew_for_the_imports_that_are_left(
    history: ImportHistory,
) -> None:
    """The second of two equal rows was told by the import with both of them alone."""
    row = account(at(0))
    once = history.bring(brought(row))
    twice = history.bring(brought(row, row))
    again = history.bring(brought(row, row))
    assert (once.new, twice.new, again.new) == (1, 1, 0)
    assert history.undo(twice.import_id).plays == 0
    assert history.undo(again.import_id).plays == 1
    assert history.count("plays") == 1


def test_a_polled_play_is_what_it_was_before_the_import(history: ImportHistory) -> None:
    """Without listened time and known from the API alone; its names are Spotify's."""
    told = api(at(0), "Song", "Artist", uri=SONG, artist_uri="spotify:artist:a")
    history.page(Page((told,)))
    before = history.everything()
    receipt = history.bring(brought(extended(at(0), "Song!", "Someone", uri=SONG)))
    assert history.sources() == [("api", "extended")]
    taken = history.undo(receipt.import_id)
    assert (taken.records, taken.plays) == (1, 0)
    assert history.everything() == before


def test_two_plays_that_an_import_showed_to_be_one_are_two_again(history: ImportHistory) -> None:
    """So fewer records can mean more plays."""
    history.bring(brought(account(at(0), "Song", "Artist")))
    history.page(Page((api(at(0), "Song", "Artist (Band)", uri=SONG),)))
    assert history.count("plays") == 2
    joining = extended(at(0), "Song", "Artist", uri=SONG)
    receipt = history.bring(brought(joining))
    assert (receipt.plays_added, history.count("plays")) == (-1, 1)
    assert history.undo(receipt.import_id).plays == -1
    assert history.count("plays") == 2


def test_private_fields_go_with_the_import_that_kept_them(history: ImportHistory) -> None:
    """The row itself stays where another import says it; so does what another one kept."""
    rome, oslo = (extended(at(0), uri=SONG)._replace(private=text) for text in ("oslo", "rome"))
    plain = history.bring(brought(rome))
    kept = [history.bring(brought(each, keep_private=True)) for each in (rome, oslo)]
    assert [row[-1] for row in history.table("play_records")] == ["rome"]
    history.undo(kept[1].import_id)
    assert [row[-1] for row in history.table("play_records")] == ["oslo"]
    history.undo(kept[0].import_id)
    assert [row[-1] for row in history.table("play_records")] == [None]
    assert history.undo(plain.import_id).plays == 1
    assert history.count("record_privates") == 0


def test_what_another_listener_said_is_not_touched(history: ImportHistory) -> None:
    """Not even by the same file; names that only the other one told now stay."""
    told = brought(extended(at(0), "Song", "Artist", uri=SONG))
    mine = history.bring(told)
    history.add_listener("bob")
    theirs = history.bring(told, user_id=2)
    assert theirs.new == 1
    before = history.everything()["tracks"]
    assert history.undo(mine.import_id).plays == 1
    assert history.everything()["tracks"] == before
    assert {row[1] for row in history.table("plays")} == {"2"}
    assert history.undo(theirs.import_id, user_id=2).plays == 1
    assert history.everything()["tracks"] == []


def test_a_gap_that_began_at_an_undone_play_begins_at_the_one_before(
    history: ImportHistory,
) -> None:
    """And where there is none, nothing is known to be missing."""
    early = history.bring(brought(*songs([0])))
    late = history.bring(brought(*songs([30])))
    history.page(Page(heard([90]), is_full=True))
    assert history.gaps() == [(f"{at(30):%F %T}+00", f"{at(90):%F %T}+00", "true")]
    assert history.undo(late.import_id).gaps_opened == 0
    assert history.gaps() == [(f"{at(0):%F %T}+00", f"{at(90):%F %T}+00", "true")]
    history.undo(early.import_id)
    assert history.gaps() == []


def test_a_gap_that_a_backfill_filled_as_well_stays_closed(history: ImportHistory) -> None:
    """Spotify itself told of all that was played."""
    for minute in (0, 90):
        history.page(Page(heard([minute]), is_full=True))
    receipts = [
        history.bring(brought(*songs([0, 30, 90]))),
        history.bring(brought(*songs([0, 60, 90]))),
    ]
    assert [receipt.gaps_closed for receipt in receipts] == [1, 0]
    assert history.undo(receipts[0].import_id).gaps_opened == 0
    assert history.undo(receipts[1].import_id).gaps_opened == 1
    receipts = [history.bring(brought(*songs([0, 30, 90])))]
    history.page(Page(heard([0, 60, 90]), is_backfill=True))
    assert history.undo(receipts[0].import_id).gaps_opened == 0
    assert [row[-1] for row in history.table("gap_closings")] == []


# -- the schema


OLD = """
insert into users (user_id, name, created_at) values (1, 'me', now());
insert into import_jobs values
    (1, 1, now(), now(), 4, 3, 0, 0, 1, 3),
    (2, 1, now(), now(), 3, 0, 0, 3, 0, 0);
insert into import_files values
    (1, 1, 'a.json', 'p', 'endsong', 'sha', 1, 4, 1, null),
    (2, 2, 'a.json', 'p', 'endsong', 'sha', 1, 3, 0, null);
insert into rejected_rows values (1, 3, 'not an object');
"""


def test_imports_of_an_older_schema_can_be_shown_and_undone() -> None:
    """What they did not write down is told from the rows, and else left open; and the way back
    takes what is undone along."""
    history = ImportHistory()
    connection = history.connection
    migrate.downgrade(connection, 2)
    connection.execute(OLD)
    told = [extended(at(minute), uri=SONG)._replace(private="rome") for minute in (0, 5, 9)]
    connection.execute("alter table plays add column track_key ubigint")  # as plays are made today
    history.add([StagedRow(1, index, "p", each) for index, each in enumerate(told)])
    connection.execute("alter table plays drop column track_key")
    migrate.upgrade(connection)
    first, second = (import_jobs.receipt(connection, number) for number in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.kinds, first.first, first.last) == ({"track": 3}, at(0), at(9))
    assert (second.kinds, second.first, second.last) == ({"track": 3}, at(0), at(9))
    assert [file.new for file in first.files] == [first.gaps_closed] == [None]
    assert first.files[0].rejected == ((3, "not an object"),)
    assert history.undo(1).plays == 0
    assert [row[-1] for row in history.table("play_records")] == ["rome"] * 3
    migrate.downgrade(connection, 2)
    assert [row[0] for row in history.table("import_jobs")] == ["2"]
    assert [row[0] for row in history.table("import_files")] == ["2"]
    assert history.table("rejected_rows") == []
    migrate.upgrade(connection)
    assert history.undo(2).plays == 3
    assert history.count("play_records") == history.count("record_privates") == 0


# -- the command


ROWS = [GENERATION_2026, GENERATION_2026, GENERATION_2026 | {"ts": "2019-07-03T23:30:00Z"}, 7, {}]


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two plays of the extended history, a row said twice and two that cannot be read; and a cut
    file of account data."""
    files = {
        "MyData/endsong_0.json": json.dumps(ROWS).encode(),
        "MyData/StreamingHistory0.json": json.dumps([ACCOUNT, ACCOUNT]).encode()[:-20],
    }
    return make_zip(tmp_path / "my_spotify_data.zip", files)


@pytest.fixture
def imported(cli: Cli, archive: Path) -> dict[str, object]:
    """The receipt of the archive's import."""
    receipt: dict[str, object] = cli("import", str(archive), "--format", "json").json()
    return receipt


def test_imports_are_listed_newest_first_in_every_format(
    cli: Cli, imported: dict[str, object], archive: Path
) -> None:
    """With what programs need in JSON, and a table for people."""
    cli("--user", "bob", "import", str(archive))
    listed = cli("import", "list", "--format", "json").json()["imports"]
    assert [(each["import_id"], each["user"]) for each in listed] == [(2, "bob"), (1, "me")]
    for name in ("records", "new", "upgraded", "duplicate", "rejected", "plays_added"):
        assert listed[1][name] == imported[name]
    assert listed[1]["files"] == ["MyData/endsong_0.json", "MyData/StreamingHistory0.json"]
    assert listed[1]["undone_at"] is None
    lines = cli("import", "list", "--format", "ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == listed
    for form in ("csv", "markdown", "table"):
        assert "endsong" in cli("import", "list", "--format", form).out
    mine = cli("--user", "me", "import", "list", "--format", "json").json()["imports"]
    assert mine == listed[1:]
    assert cli("import", "list", "--limit", "1", "--format", "json").json()["imports"] == listed[:1]


def test_a_receipt_can_be_shown_again(cli: Cli, imported: dict[str, object]) -> None:
    """The very same, with the rejected rows and the damage, and when it was."""
    shown = cli("import", "show", "1", "--format", "json").json()
    assert shown.items() >= imported.items()
    assert shown["finished_at"] == "2026-11-01T12:00:00.000Z"
    assert (shown["undone_at"], shown["keep_private"]) == (None, False)
    words = cli("import", "show", "1")
    assert words.code == 0
    assert "Import 1 for me: 6 rows read in 2 files" in words.out
    assert "Rejected: MyData/endsong_0.json, row 3: not an object" in words.err
    assert "Damaged: MyData/StreamingHistory0.json" in words.err
    assert "Imported 2026-11-01 " in words.out


def test_an_undone_import_stays_listed_and_can_be_made_again(
    cli: Cli, imported: dict[str, object], archive: Path, database: Database
) -> None:
    """Its account says when; the same file gives the same receipt as the first time."""
    done = cli("import", "undo", "1", "--yes")
    assert (done.code, done.out) == (0, "Import 1 of 'me' is undone: plays -3, records -3.\n")
    shown = cli("import", "show", "1", "--format", "json").json()
    assert shown["undone_at"] == "2026-11-01T12:00:00.000Z"
    assert {**shown, "undone_at": None}.items() >= imported.items()
    assert "undone 2026-11-01" in cli("import", "show", "1").out
    assert "undone" in cli("import", "list").out
    again = cli("import", str(archive), "--format", "json").json()
    assert again == imported | {"import_id": 2}
    (run, *_) = cli("jobs", "--job", "undo", "--format", "json").json()["jobs"]
    assert run["stats"] == {
        "import_id": 1, "records_removed": 3, "plays_removed": 3, "gaps_opened": 0,
    }  # fmt: skip
    with database.read() as connection:
        rows = connection.execute("select file_id from rejected_rows").fetchall()
    assert len(rows) == 4


def test_an_undo_tells_what_went_in_json(cli: Cli, imported: dict[str, object]) -> None:
    """For programs that took the import back."""
    done = cli("import", "undo", "1", "--yes", "--format", "json")
    assert done.json() == {
        "import_id": imported["import_id"], "user": "me", "records_removed": 3,
        "plays_removed": 3, "gaps_opened": 0,
    }  # fmt: skip


@pytest.mark.parametrize("word", ["show", "undo"])
def test_an_import_that_is_not_there_or_somebody_elses_is_refused(
    cli: Cli, imported: dict[str, object], archive: Path, word: str
) -> None:
    """Exit code 3, a next step, and nothing changes."""
    cli("--user", "bob", "import", str(archive))
    before = cli("import", "list", "--format", "json").out
    more = ["--yes"] if word == "undo" else []
    for arguments, says in (
        (("import", word, "9", *more), "no import 9"),
        (("--user", "bob", "import", word, "1", *more), "of 'me'"),
    ):
        refused = cli(*arguments, "--format", "json")
        assert (refused.code, refused.out) == (3, "")
        assert says in refused.error()["message"]
        assert refused.error()["hint"]
    assert cli("import", "list", "--format", "json").out == before


def test_an_import_is_undone_once(cli: Cli, imported: dict[str, object]) -> None:
    """The second time says when it was, with exit code 3."""
    cli("import", "undo", "1", "--yes")
    again = cli("import", "undo", "1", "--yes", "--format", "json")
    assert (again.code, again.error()["code"]) == (3, "already_undone")
    assert "2026-11-01" in again.error()["message"]


def test_an_undo_asks_whether_it_is_meant(
    cli: Cli, imported: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal; where nobody is there to answer, --yes is needed."""
    nobody = cli("import", "undo", "1")
    assert (nobody.code, nobody.out) == (2, "")
    assert "import undo 1 --yes" in nobody.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer, code in (("", 2), ("no", 2), ("1", 2), ("Yes", 0)):
        monkeypatch.setattr(
            sys.stdin, "readline", lambda answer=answer: answer + "\n", raising=False
        )
        done = cli("import", "undo", "1")
        assert done.code == code, answer
        assert "6 rows of endsong_0.json and 1 more file" in done.err


def test_a_busy_database_leaves_the_undo_for_later(
    settings: Settings, database: Database, impatient: Database, archive: Path
) -> None:
    """Nothing has changed, and the same command works afterwards."""
    import_paths(settings, database, lambda: NOW, [archive])
    with database.write("other"), pytest.raises(DatabaseBusy):
        undo_import(impatient, lambda: NOW, 1, None)
    assert undo_import(database, lambda: NOW, 1, None).plays == 3
    with pytest.raises(BadInput, match="undone already"):
        undo_import(database, lambda: NOW, 1, None)


def test_an_undo_that_breaks_off_changes_nothing(
    settings: Settings, database: Database, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction."""
    import_paths(settings, database, lambda: NOW, [archive])
    with monkeypatch.context() as patch:
        patch.setattr("spotify_hist.store.journal.add_run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            undo_import(database, lambda: NOW, 1, None)
    with database.read() as connection:
        counts = "select (select count(*) from plays), (select count(undone_at) from import_jobs)"
        assert connection.execute(counts).fetchall() == [(3, 0)]


def test_the_words_of_import_are_in_its_help_and_files_of_such_names_can_be_given(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./list is a file, list is the command."""
    told = cli("import", "--help").out
    assert all(word in told for word in ("list", "show", "undo", "--dry-run", "./list"))
    for word in ("list", "show", "undo"):
        own = cli("import", word, "--help")
        assert own.out.startswith(f"Usage: spotify-hist import {word} ")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text(json.dumps(ROWS[:1]))
    assert cli("import", "./list", "--format", "json").json()["new"] == 1
    assert cli("import", "list", "--format", "json").json()["imports"][0]["files"] == ["list"]
