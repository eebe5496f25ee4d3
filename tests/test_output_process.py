"""How answers look in real pipes and on real terminals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from answers import COLOUR, STYLE
from plays import add, extended
from rich.cells import cell_len

from spotify_hist.analytics import catalogue
from spotify_hist.faces.cli.output import FORMATS, Format
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def known_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 1,200 plays with names in many scripts."""
    home = tmp_path_factory.mktemp("known")
    names = ("Zoë", "東京事変", "\x1b[31mred", "plain")
    add(
        Database(home / "history.duckdb"),
        [
            extended(
                datetime(2024, 1, 1, tzinfo=UTC) + number * timedelta(hours=5),
                f"{names[number % 4]} {number}",
                names[number % 4],
            )
            for number in range(1_200)
        ],
    )
    return home


def process(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """One run of the program."""
    return subprocess.run(
        [sys.executable, "-m", "spotify_hist", "--home", str(home), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_name_that_stdout_has_no_letters_for_is_no_error(form: Format, known_home: Path) -> None:
    """JSON escapes it, the others make it visible; nothing is a traceback."""
    question = ("query", "top-artists", "--format", form)
    done = process(known_home, *question, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout or form == "csv"
    if form == "json":
        rows = json.loads(done.stdout)["rows"]
        assert {row["artist"] for row in rows} == {"Zoë", "東京事変", "\x1b[31mred", "plain"}
    elif form == "table":
        assert b"Zo?" in done.stdout
    elif form != "ndjson":
        assert rb"Zo\xeb" in done.stdout


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_reader_who_has_enough_is_no_error(form: str, known_home: Path) -> None:
    """`| head -1` ends quietly, with success."""
    arguments = [sys.executable, "-m", "spotify_hist", "--home", str(known_home)]
    arguments += ["query", "recent", "--limit", "1200", "--format", form]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        told = running.stderr.read()
        assert (running.wait(60), told) == (0, b"")


def on_terminal(home: Path, width: int, *arguments: str, **variables: str) -> str:
    """What one run of the program writes to a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **variables}
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-m", "spotify_hist", "--home", str(home), *arguments],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.STDOUT,
        env=environment,
    ) as running:
        os.close(slave)
        chunks = []
        while True:
            try:
                chunk = os.read(master, 65_536)
            except OSError:  # how Linux tells that the other side is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
        assert running.wait(60) == 0
    os.close(master)
    return b"".join(chunks).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [80, 140])
def test_a_real_terminal_gets_a_table_of_its_width_in_colour(width: int, known_home: Path) -> None:
    """Its size is asked of it; no line wraps, notes included."""
    text = on_terminal(known_home, width, "query", "top-artists")
    assert COLOUR.search(text)
    lines = STYLE.sub("", text).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines[0].startswith("rank  artist")
    assert "\x1b[31m" not in text
    assert any("█" in line and "東京事変" in line for line in lines)


def test_a_real_terminal_without_colour_gets_none(known_home: Path) -> None:
    """NO_COLOR; and the list of questions is wrapped beside its names."""
    text = on_terminal(known_home, 80, "query", "top-artists", NO_COLOR="1")
    assert not COLOUR.search(text)
    listed = on_terminal(known_home, 60, "query", "--list").splitlines()
    assert max(map(len, listed)) <= 60
    first, *more = catalogue.names()
    assert listed[0].startswith(f"{first}  ")
    beside = max(map(len, [first, *more])) + 2
    assert listed[1].startswith(" " * beside)


@pytest.mark.parametrize("width", [20, 44, 80, 140])
@pytest.mark.parametrize("name", ["calendar", "timeline", "heatmap", "compare"])
def test_every_form_has_the_width_of_a_real_terminal(
    name: str, width: int, known_home: Path
) -> None:
    """In blocks, or as a table with what had to give way told below it."""
    text = STYLE.sub("", on_terminal(known_home, width, "query", name, "--year", "2024"))
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) > 3


def test_a_terminal_of_the_c_locale_gets_ascii(known_home: Path) -> None:
    """With shades and bars that it can say."""
    for name in ("calendar", "timeline", "heatmap"):
        text = on_terminal(
            known_home, 80, "query", name, "--year", "2024", PYTHONIOENCODING="ascii", NO_COLOR="1"
        )
        assert text.isascii()
        assert not COLOUR.search(text)
        assert "#" in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")  # noqa: PTH110 - a device
def test_a_full_disk_behind_stdout_is_said_to_be_one(known_home: Path) -> None:
    """It is no bug of ours, and the same command may work later."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "spotify_hist", "--home", str(known_home), "query", "recent"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr.startswith(b"Error: There is no space left")
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")  # noqa: PTH110 - a device
@pytest.mark.parametrize(("words", "code"), [(["import", "nowhere.zip"], 3), (["frobnicate"], 2)])
def test_where_an_error_cannot_be_said_its_exit_code_is_left(
    known_home: Path, words: list[str], code: int
) -> None:
    """A timer whose log is on the full disk still sees what kind of failure it was."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "spotify_hist", "--home", str(known_home), *words],
            stdout=full,
            stderr=full,
            timeout=60,
            check=False,
        )
    assert done.returncode == code
