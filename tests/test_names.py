"""Names of files, folders and things that are no UTF-8, or mean something to DuckDB or a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import Done

EXPORT = Path(__file__).parent.parent / "examples" / "extended" / "my_spotify_data.zip"
E_ACUTE = b"caf\xe9"  # in Latin-1, as an old disk has it


def command(*arguments: str | bytes | Path) -> Done:
    """Run a command as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", *arguments],
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    """A directory for files of every name."""
    return os.fsencode(tmp_path)


def test_a_file_whose_name_is_no_utf_8_is_imported(home: Path, plain: bytes) -> None:
    """By itself and in a folder of such a name; once, however it is given."""
    folder = os.path.join(plain, E_ACUTE)  # noqa: PTH118 - bytes
    os.mkdir(folder)  # noqa: PTH102
    archive = os.path.join(folder, E_ACUTE + b".zip")  # noqa: PTH118
    shutil.copyfile(os.fsencode(EXPORT), archive)
    first = command("import", archive, "--format", "json")
    assert (first.code, first.json()["new"] > 0) == (0, True)
    again = command("import", folder, "--format", "json")
    assert (again.code, again.json()["new"], again.json()["plays_added"]) == (0, 0, 0)
    assert len(command("import", "list", "--format", "json").json()["imports"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["logs", "--text"],
        ["logs", "--since"],
        ["tracks", "merge", "Song"],
        ["artists", "list"],
        ["users", "rename", "me"],
        ["query", "artist", "--artist"],
        ["query", "top-artists", "--user"],
        ["query", "sql"],
        ["query"],
        ["tokens", "create", "--for"],
        ["export", "--format", "csv"],
        ["--home"],
        ["import"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_no_utf_8_is_refused_in_one_line(words: list[str], home: Path) -> None:
    """Nothing of it is kept, looked up or made."""
    status = ["status"] if words == ["--home"] else []
    done = command(*words, E_ACUTE, *status)
    assert done.code == (3 if words == ["import"] else 2)
    assert done.err.startswith("Error: ")
    assert len(done.err.splitlines()) == 1
    assert not (home / "history.duckdb").exists()


@pytest.mark.parametrize("name", ["a[b", "[ab]", "a*b", "a#b", "a'b", "a\nb", "a%20b", "~a", "a;b"])
def test_a_home_of_any_name_is_a_home(name: str, home: Path, tmp_path: Path) -> None:
    """Also where DuckDB takes the name for a pattern that a neighbour fits."""
    inner = tmp_path / name
    neighbour = tmp_path / "acb"
    for one in (inner, neighbour):
        done = command("--home", one, "import", EXPORT, "--format", "json")
        assert (done.code, done.json()["new"] > 0) == (0, True), done.err
    assert command("--home", inner, "query", "top-artists").code == 0
    assert command("--home", inner, "query", "sql", "select 1").code == 0
    for form in ("parquet", "csv", "duckdb"):
        done = command("--home", inner, "export", inner / form, "--format", form)
        assert done.code == 0, done.err


@pytest.mark.parametrize("name", ["a?b", "a\\b"])
def test_a_name_duckdb_has_no_way_to_write_is_refused(name: str, tmp_path: Path) -> None:
    """In words, before anything is made."""
    done = command("--home", tmp_path / name, "import", EXPORT)
    assert done.code == 2
    assert "its name has a" in done.err
    assert not (tmp_path / name).exists()
    done = command("--home", tmp_path / "home", "export", tmp_path / name, "--format", "csv")
    assert (done.code, "its name has a" in done.err) == (2, True)


def test_names_that_are_too_long_are_told(home: Path, tmp_path: Path) -> None:
    """One line, whichever command meets them."""
    name = "x" * 300
    for words in (["import"], ["--home"], ["export", "--format", "csv"]):
        done = command(*words, tmp_path / name, *(["status"] if words == ["--home"] else []))
        assert done.code in {2, 3}
        assert "File name too long" in done.err
        assert len(done.err.splitlines()) == 1


def test_a_token_file_nested_beyond_measure_is_damaged(home: Path) -> None:
    """Python gives up reading it with an error of its own."""
    (home / "tokens").mkdir(parents=True, mode=0o700)
    (home / "tokens" / "tokens.json").write_text("[" * 100_000 + "]" * 100_000)
    for words in (["tokens", "list"], ["tokens", "create", "--for", "me"]):
        done = command(*words)
        assert done.code == 3
        assert "it is damaged" in done.err
        assert len(done.err.splitlines()) == 1


def test_a_login_without_anybody_there_ends_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No terminal, nothing on stdin, and no browser is to be opened."""
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "client")
    done = command("auth", "login", "--no-browser")
    assert done.code == 2
    assert "Nobody is here to log in" in done.err.splitlines()[-1]
