"""`users`: who shares a history, and a removal that leaves nothing of a listener behind."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_kit import Cli, Done
from every_table import everything
from plays import add, api, extended

from spotify_hist.collect.spool import Spool
from spotify_hist.collect.turns import turn
from spotify_hist.faces.cli import main
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Token, Vault
from spotify_hist.store import removal as store_removal
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotify_hist.settings import Settings

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
EXAMPLES = Path(__file__).parent.parent / "examples"
ADA = Account("acc-ada", "ada", "Ada L.")
BOB = Account("acc-bob", "bob", "Bob")


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, in `home`, at `NOW`, with nobody at the keyboard."""
    monkeypatch.setattr("spotify_hist.faces.cli.context.App.now", lambda _: NOW)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def shared(database: Database, settings: Settings) -> Database:
    """`ada` and `bob`, both logged in, and `me` who only has an import."""
    add(database, [extended("2024-01-01T10:00"), extended("2024-02-01T10:00")], "ada")
    add(database, [api("2024-03-01T10:00", "Song", "Artist", uri="spotify:track:s")], "bob")
    add(database, [extended("2024-05-01T10:00", "Other")], "me")
    with database.write("test") as connection:
        for user_id, account in ((1, ADA), (2, BOB)):
            connection.execute(
                "update users set account_id = $id, display_name = $name where user_id = $user_id",
                {"id": account.account_id, "name": account.display_name, "user_id": user_id},
            )
    log_in(settings, ADA, 10)
    log_in(settings, BOB, 400)
    return database


def log_in(settings: Settings, account: Account, days_ago: int) -> None:
    """A login that began so many days before `NOW`."""
    begun = (NOW - timedelta(days=days_ago)).timestamp()
    token = Token(account, "client", "refresh-hush", "access-hush", 0.0, begun, ("scope",))
    Vault(settings.vault, None).save(token)


def spool(settings: Settings, account: Account, *, failed: bool = False) -> Path:
    """A page that waits for a listener, or that was set aside."""
    pages = Spool(settings.spool)
    page = pages.add(account, b'{"items": []}', NOW)
    if failed:
        pages.set_aside(page.path)
        return settings.spool / "failed" / page.path.name
    return page.path


def waiting(settings: Settings) -> set[Path]:
    """Every page of the spool."""
    return set(settings.spool.rglob("*.json"))


def test_the_list_tells_of_each_listener(shared: Database, cli: Cli) -> None:
    """History and login; what is not known is null."""
    assert cli("users", "pause", "bob").code == 0
    assert cli("users", "timezone", "me", "Asia/Kolkata").code == 0
    done = cli("users", "list", "--format", "json")
    assert (done.code, done.err) == (0, "")
    ada, bob, me = done.json()["users"]
    assert ada == {
        "name": "ada",
        "account_id": "acc-ada",
        "display_name": "Ada L.",
        "timezone": None,
        "paused_at": None,
        "plays": 2,
        "first_played_at": "2024-01-01T10:00:00.000Z",
        "last_played_at": "2024-02-01T10:00:00.000Z",
        "login": "ok",
        "days_left": 172,
        "login_ends_at": "2027-04-22T12:00:00.000Z",
    }
    assert (bob["login"], bob["days_left"], bob["paused_at"]) == (
        "ended",
        0,
        "2026-11-01T12:00:00.000Z",
    )
    assert (me["account_id"], me["login"], me["timezone"]) == (None, None, "Asia/Kolkata")
    lines = cli("users", "list").out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "listener plays first play last play paused since time zone display name account login",
        "ada 2 2024-01-01 06:30 2024-02-01 06:30 - - Ada L. acc-ada 172 days left",
        "bob 1 2024-03-01 06:30 2024-03-01 06:30 2026-11-01 08:30 - Bob acc-bob ended",
        "me 1 2024-05-01 07:30 2024-05-01 07:30 - Asia/Kolkata - - -",
    ]


def test_columns_that_would_be_empty_are_left_out(database: Database, cli: Cli) -> None:
    """A single local listener has no account to show."""
    add(database, [extended("2024-01-01T10:00")])
    heading, line = cli("users", "list").out.splitlines()
    assert heading.split() == ["listener", "plays", "first", "play", "last", "play", "login"]
    assert line.split()[:2] == ["me", "1"]


def test_a_vault_that_cannot_be_read_does_not_hide_the_listeners(
    shared: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note says so."""
    monkeypatch.setenv("SPOTIFY_HIST_TOKEN_KEY", "no key")
    done = cli("users", "list", "--format", "json")
    assert [each["login"] for each in done.json()["users"]] == [None, None, None]
    assert (done.code, "Fernet key" in done.err) == (0, True)


def test_no_token_is_shown(shared: Database, cli: Cli) -> None:
    """In no format."""
    for form in ("table", "json", "csv", "ndjson", "markdown"):
        assert "hush" not in cli("users", "list", "--format", form).out


def test_a_listener_is_renamed(shared: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default_user that still says the old name is pointed out."""
    assert cli("users", "rename", "ada", "zoe") == Done(0, "", "'ada' is now called 'zoe'.\n")
    monkeypatch.setenv("SPOTIFY_HIST_DEFAULT_USER", "zoe")
    assert "SPOTIFY_HIST_DEFAULT_USER" in cli("users", "rename", "zoe", "ada").err


def test_a_time_zone_of_one_s_own_can_be_taken_away(shared: Database, cli: Cli) -> None:
    """Then the setting's or the system's holds."""
    assert "Europe/Berlin now" in cli("users", "timezone", "ada", "Europe/Berlin").err
    assert "America/St_Johns now" in cli("users", "timezone", "ada", "--unset").err


def test_pausing_says_how_to_go_on(shared: Database, cli: Cli) -> None:
    """And resuming undoes it."""
    assert "spotify-hist users resume ada" in cli("users", "pause", "ada").err
    assert cli("users", "resume", "ada").code == 0
    users = cli("users", "list", "--format", "json").json()["users"]
    assert [each["paused_at"] for each in users] == [None, None, None]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rename", "ada", "bob"), "'bob' already"),
        (("rename", "ada", "a/b"), "cannot be the name"),
        (("rename", "eve", "zoe"), "'eve'"),
        (("pause", "eve"), "'eve'"),
        (("resume", "eve"), "'eve'"),
        (("timezone", "eve", "UTC"), "'eve'"),
        (("timezone", "ada", "Mars/City"), "'Mars/City'"),
        (("timezone", "ada"), "--unset"),
        (("timezone", "ada", "UTC", "--unset"), "--unset"),
        (("remove", "eve", "--yes"), "'eve'"),
        (("remove", "ada"), "nothing was deleted"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    arguments: tuple[str, ...], says: str, shared: Database, cli: Cli
) -> None:
    """Exit code 2 and the reason in the last line."""
    with shared.read() as connection:
        before = everything(connection)
    done = cli("users", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err.splitlines()[-1]
    with shared.read() as connection:
        assert everything(connection) == before


def test_without_a_history_nothing_is_made(home: Path, cli: Cli) -> None:
    """The next step is how to begin."""
    for arguments in (("list",), ("pause", "me"), ("remove", "me", "--yes")):
        done = cli("users", *arguments)
        assert (done.code, done.out) == (3, "")
        assert "auth login" in done.err
    assert not (home / "history.duckdb").exists()


def test_a_removal_takes_everything_of_one_listener_from_every_place(
    shared: Database, settings: Settings, cli: Cli
) -> None:
    """History, login, waiting pages and those set aside; nothing of the others."""
    theirs = {spool(settings, ADA), spool(settings, ADA, failed=True)}
    for page in (spool(settings, BOB), spool(settings, BOB, failed=True)):
        assert page.exists()
    junk = settings.spool / "failed" / "junk.json"
    junk.write_text('{"account_id": "acc-bob"', "utf-8")
    done = cli("users", "remove", "bob", "--yes")
    assert (done.code, done.out) == (0, "Deleted 'bob': 1 play.\n")
    assert "1 play of 1 record, 0 imports, 1 track that nobody else" in done.err
    assert "uploads/done" in done.err
    assert waiting(settings) == theirs | {junk}
    assert [each.account for each in Vault(settings.vault, None).tokens()] == [ADA]
    names = [each["name"] for each in cli("users", "list", "--format", "json").json()["users"]]
    assert names == ["ada", "me"]
    assert b"bob" not in b"".join(
        path.read_bytes() for path in settings.vault.iterdir() if path.is_file()
    )


def test_nothing_of_a_removed_listener_can_be_read_in_the_file(home: Path, cli: Cli) -> None:
    """Deleted rows stay in a database file until something else is written over them."""
    archive = str(EXAMPLES / "extended" / "my_spotify_data.zip")
    assert cli("--user", "bob", "import", archive).code == 0
    file = home / "history.duckdb"
    title = b"Somewhere near the City (Live)"
    assert title in file.read_bytes()
    assert cli("users", "remove", "bob", "--yes").code == 0
    assert title not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_history_after_a_removal_is_that_of_the_others_imports(
    home: Path, tmp_path: Path, cli: Cli
) -> None:
    """Real archives of both kinds, one of them read by both listeners."""
    alone = tmp_path / "alone"
    extended_zip, account_zip = (
        str(EXAMPLES / kind / "my_spotify_data.zip") for kind in ("extended", "account")
    )
    for where in (home, alone):
        assert cli("--home", str(where), "--user", "ada", "import", account_zip).code == 0
    for archive in (extended_zip, account_zip):
        assert cli("--user", "bob", "import", archive).code == 0
    assert cli("users", "remove", "bob", "--yes").code == 0
    found = []
    for where in (home, alone):
        with Database(where / "history.duckdb").read() as connection:
            found.append(everything(connection))
    assert found[0].pop("schema_migrations")
    assert found[1].pop("schema_migrations")
    assert found[0] == found[1]
    assert len(found[0]["plays"]) == 850


@pytest.mark.parametrize(
    ("place", "broken"), [(Vault, "forget"), (Spool, "forget"), (store_removal, "remove")]
)
def test_a_removal_that_is_cut_off_is_finished_by_the_same_command(
    place: object,
    broken: str,
    shared: Database,
    settings: Settings,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After each of its steps the name is still known, so that it can be named again."""
    page = spool(settings, BOB)
    step: Callable[..., object] = getattr(place, broken)

    def cut_off(*arguments: object) -> None:
        step(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, broken, cut_off)
        assert cli("users", "remove", "bob", "--yes").code == 130
    assert cli("users", "remove", "bob", "--yes").code == 0
    assert not page.exists()
    assert Vault(settings.vault, None).load("acc-bob") is None
    with shared.read() as connection:
        assert "acc-bob" not in json.dumps(everything(connection))


def test_nobody_is_removed_while_a_poll_may_bring_them_back(
    shared: Database, settings: Settings, cli: Cli
) -> None:
    """Exit code 5: later it works."""
    for job in ("poll", "backfill"):
        with turn(settings, job) as is_ours:
            assert is_ours
            done = cli("users", "remove", "bob", "--yes")
        assert (done.code, done.out) == (5, "")
    assert cli("users", "remove", "bob", "--yes").code == 0


class Keyboard(io.StringIO):
    """A stdin with somebody at it."""

    def isatty(self) -> bool:
        return True


def test_at_a_terminal_the_name_must_be_typed(
    shared: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else, or nothing, deletes nothing."""
    for typed in ("", "\n", "y\n", "Bob\n"):
        monkeypatch.setattr(sys, "stdin", Keyboard(typed))
        done = cli("users", "remove", "bob")
        assert (done.code, done.out) == (2, "")
        assert "Type 'bob'" in done.err
    monkeypatch.setattr(sys, "stdin", Keyboard("bob\n"))
    assert cli("users", "remove", "bob").out == "Deleted 'bob': 1 play.\n"


def test_what_would_bring_a_removed_listener_back_is_pointed_out(
    shared: Database, settings: Settings, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that waits in the folder of that name, and a default_user."""
    monkeypatch.setenv("SPOTIFY_HIST_DEFAULT_USER", "bob")
    folder = settings.watched / "bob"
    folder.mkdir(parents=True)
    (folder / "my_spotify_data.zip").write_bytes(b"")
    done = cli("users", "remove", "bob", "--yes")
    assert done.code == 0
    assert f"1 archive for 'bob' in {folder}" in done.err
    assert "SPOTIFY_HIST_DEFAULT_USER" in done.err
    assert (folder / "my_spotify_data.zip").exists()
