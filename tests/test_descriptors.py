"""stdin, stdout and stderr that are closed, full or read by nobody: the work is done anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

EXPORT = Path(__file__).parent.parent / "examples" / "extended" / "my_spotify_data.zip"
FULL = Path("/dev/full")
CLOSED = [
    "".join(f" {number}{sign}&-" for number, sign in chosen)
    for count in (1, 2, 3)
    for chosen in combinations(((0, "<"), (1, ">"), (2, ">")), count)
]
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")


def said(redirection: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One run of the program by a shell that redirects as told."""
    command = [sys.executable, "-m", "spotify_hist", *map(str, arguments)]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@"{redirection}', "sh", *command],
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def plays() -> str:
    """How many plays the history has now."""
    done = said("", "query", "sql", "select count(*) as n from v_plays", "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("closed", CLOSED)
def test_an_import_with_closed_descriptors_is_done(closed: str, home: Path) -> None:
    """No file of the history takes the place of stdout, and nothing is a bug."""
    done = said(closed, "import", EXPORT)
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert plays() != "n\n0\n"
    assert said(closed, "query", "top-artists").returncode == 0
    assert said(closed, "query", "sql", "select 1").returncode == 0
    assert said(closed, "poll").returncode == 4


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Commands that change something, in an order in which each can."""
    target = tmp_path_factory.mktemp("export") / "out"
    return [
        ["import", str(EXPORT)],
        ["export", str(target), "--format", "csv"],
        ["tokens", "create", "--for", "somebody"],
        ["logs", "purge"],
        ["import", "undo", "1", "--yes"],
    ]


@needs_full
def test_a_full_disk_behind_stdout_is_told_after_the_work(
    commands: list[list[str]], home: Path
) -> None:
    """It is done, and the exit code is not that of something to be tried again."""
    for command in commands:
        done = said(f" >{FULL}", *command)
        assert done.returncode == 6, command
        assert "Error: The work is done, but what it has to say could not" in done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
    assert said("", "import", "list", "--format", "csv").stdout.count("undone") == 1


@needs_full
def test_a_stderr_that_takes_nothing_keeps_nobody_from_work(home: Path) -> None:
    """There is no other place to say it."""
    assert said(f" 2>{FULL}", "import", EXPORT).returncode == 0
    assert said(f" 2>{FULL}", "-v", "query", "top-artists").returncode == 0


@needs_full
@pytest.mark.parametrize("words", [["--help"], ["query", "--help"], ["status"]])
def test_what_only_answers_fails_without_its_output(words: list[str], home: Path) -> None:
    """It may be asked again."""
    done = said(f" >{FULL}", *words)
    assert done.returncode == 5
    assert done.stderr.startswith("Error: There is no space left for what is written.")


def test_a_reader_who_leaves_early_changes_no_exit_code_of_work(home: Path, tmp_path: Path) -> None:
    """What could not be imported is still told on stderr, with its exit code."""
    (tmp_path / "bad.zip").write_bytes(b"PK but no ZIP")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", "import", EXPORT, tmp_path / "bad.zip"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert done.returncode == 6
    assert "bad.zip" in done.stderr
    assert plays() != "n\n0\n"


def test_an_stdout_that_may_only_be_read_is_told(home: Path, tmp_path: Path) -> None:
    """A slip in a script."""
    (tmp_path / "out").touch()
    done = said(f" 1<{tmp_path / 'out'}", "query", "--list")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: The output cannot be written: ")
