"""`--chart`: where a picture may go, that it gets there whole, and what is said about it."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from answers import TOP
from cli_kit import Done, process
from plays import add, extended

from spotify_hist.analytics import catalogue
from spotify_hist.errors import BadInput, StorageFull
from spotify_hist.faces.cli import pictures
from spotify_hist.faces.cli.main import run
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def known_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of a hundred plays."""
    home = tmp_path_factory.mktemp("known")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    told = [
        extended(start + at * timedelta(hours=7), f"Song {at % 9}", "<b>Zoë</b>")
        for at in range(100)
    ]
    add(Database(home / "history.duckdb"), told)
    return home


@pytest.fixture
def ask(known_home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a question in this process."""

    def asked(*arguments: str) -> Done:
        code = run(["--home", str(known_home), *arguments])
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return asked


DRAWN = [
    each.name
    for each in catalogue.all_queries()
    if each.chart is not None and not any(param.is_required for param in each.params)
]


@pytest.mark.parametrize("name", DRAWN)
def test_every_question_with_a_chart_has_a_picture(
    name: str, ask: Callable[..., Done], tmp_path: Path
) -> None:
    """Its answer is said as ever, and a note tells where the picture is."""
    svg, html = tmp_path / "picture.svg", tmp_path / "picture.HTML"
    plain = ask("query", name)
    done = ask("query", name, "--chart", str(svg))
    assert (done.code, done.out) == (0, plain.out)
    assert done.err == f"{plain.err}The picture is in {svg}\n"
    assert ET.parse(svg).getroot().tag.endswith("}svg")
    assert ask("-q", "query", name, "--chart", str(html)).err == ""
    assert html.read_bytes().startswith(b"<!doctype html>")
    assert sorted(tmp_path.iterdir()) == [html, svg]


def test_a_picture_goes_with_any_format(ask: Callable[..., Done], tmp_path: Path) -> None:
    """stdout stays what a program reads."""
    path = tmp_path / "a.svg"
    done = ask("query", "top-tracks", "--format", "json", "--chart", str(path))
    assert len(json.loads(done.out)["rows"]) == 9
    assert path.exists()


def test_a_question_without_a_chart_names_those_with_one(
    ask: Callable[..., Done], tmp_path: Path
) -> None:
    """Nothing is asked, nothing is written; its help does not offer it."""
    done = ask("query", "recent", "--chart", str(tmp_path / "a.svg"))
    assert (done.code, done.out) == (2, "")
    assert "recent has no chart" in done.err
    assert "heatmap, " in done.err
    assert "top-artists" in done.err
    assert list(tmp_path.iterdir()) == []
    assert "--chart" not in ask("query", "recent", "--help").out
    assert "--chart FILE" in ask("query", "heatmap", "--help").out


@pytest.mark.parametrize("file", ["a.png", "a", "a.svg.gz", "-", "", ".svg"])
def test_an_ending_that_is_no_picture_is_refused(file: str, ask: Callable[..., Done]) -> None:
    """With those that are; exit code 2, before anything is asked."""
    done = ask("query", "heatmap", "--chart", file)
    assert (done.code, done.out) == (2, "")
    assert ".svg or .html" in done.err


def test_only_a_regular_file_is_replaced(ask: Callable[..., Done], tmp_path: Path) -> None:
    """A directory, a pipe and a missing directory are told, with exit code 3."""
    (tmp_path / "folder.svg").mkdir()
    os.mkfifo(tmp_path / "pipe.svg")
    for name, said in (
        ("folder.svg", "no regular file"),
        ("pipe.svg", "no regular file"),
        ("nowhere/a.svg", "no directory"),
        ("x" * 300 + ".svg", "cannot be written"),
        ("\0.svg", "cannot be written"),
    ):
        done = ask("query", "heatmap", "--chart", str(tmp_path / name))
        assert (done.code, done.out) == (3, "")
        assert said in done.err
    assert stat.S_ISFIFO((tmp_path / "pipe.svg").stat().st_mode)


def test_a_loop_of_links_is_told(ask: Callable[..., Done], tmp_path: Path) -> None:
    """And no bug of ours."""
    (tmp_path / "a.svg").symlink_to(tmp_path / "b.svg")
    (tmp_path / "b.svg").symlink_to(tmp_path / "a.svg")
    done = ask("query", "heatmap", "--chart", str(tmp_path / "a.svg"))
    assert done.code == 3
    assert "Traceback" not in done.err


def test_an_old_picture_is_replaced_and_stays_as_readable_as_it_was(
    ask: Callable[..., Done], tmp_path: Path
) -> None:
    """Through a link too; a new one is its owner's alone, whatever the umask says."""
    old, link, new = tmp_path / "old.svg", tmp_path / "link.svg", tmp_path / "new.svg"
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to(old)
    before = os.umask(0o027)
    try:
        assert ask("query", "heatmap", "--chart", str(link)).code == 0
        assert ask("query", "heatmap", "--chart", str(new)).code == 0
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert b"</svg>" in old.read_bytes()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (old, new)] == [0o640, 0o600]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EACCES, BadInput), (errno.ENOSPC, StorageFull)]
)
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(
    number: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told as one."""

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.svg"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error):
        pictures.write(TOP, "UTC", path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.svg"]
    assert path.read_text() == "old"


def test_the_answer_is_said_even_where_the_picture_cannot_be_written(
    ask: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3, and the error after it."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(pictures, "_write_new", refuse)
    done = ask("query", "heatmap", "--chart", str(tmp_path / "a.svg"))
    assert done.code == 3
    assert done.out == ask("query", "heatmap").out
    assert "Permission denied" in done.err
    assert "The picture is in" not in done.err


def test_a_reader_who_has_enough_still_gets_the_picture(known_home: Path, tmp_path: Path) -> None:
    """`query … --chart a.svg | head -1`."""
    path = tmp_path / "a.svg"
    arguments = [sys.executable, "-m", "spotify_hist", "--home", str(known_home)]
    arguments += ["query", "heatmap", "--chart", str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait(60) == 0
    assert path.read_bytes().endswith(b"</svg>\n")


def test_a_picture_keeps_names_that_stdout_has_no_letters_for(
    known_home: Path, tmp_path: Path
) -> None:
    """Its file is UTF-8 wherever it is made."""
    path = tmp_path / "Zoë.svg"
    done = process(
        *("--home", str(known_home), "query", "top-artists", "--chart", str(path)),
        PYTHONIOENCODING="ascii",
        LC_ALL="C",
        PYTHONUTF8="0",
    )
    assert done.code == 0
    assert "&lt;b&gt;Zoë&lt;/b&gt;" in path.read_text(encoding="utf-8")


def test_a_question_without_a_picture_loads_nothing_that_draws_one(known_home: Path) -> None:
    """Start-up is felt."""
    probe = (
        "import sys; from spotify_hist.faces.cli.main import run; run(sys.argv[1:]); "
        "sys.stderr.write(' '.join(name for name in sys.modules if 'charts' in name or "
        "'pictures' in name or name.startswith('xml')))"
    )
    asked = ["--home", str(known_home), "query", "top-artists"]
    done = subprocess.run(
        [sys.executable, "-c", probe, *asked], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
