"""Whatever the program makes is its owner's alone from its first instant, under any umask."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import webbrowser
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import server_kit
import strace_kit
from cli_kit import log_in, process
from processes import wait_until

from spotify_hist import private_files
from spotify_hist.collect.spool import Spool
from spotify_hist.faces.cli import attempt
from spotify_hist.model import Account
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPORT = Path(__file__).parent.parent / "examples" / "extended" / "my_spotify_data.zip"
OTHERS = 0o077
UMASKS = pytest.mark.parametrize("umask", [0o000, 0o777], ids=lambda mask: f"{mask:03o}")

# What a person does with a history, each once. {} is a folder of the test's own.
COMMANDS = (
    ("import", str(EXPORT)),
    ("import", "--dry-run", str(EXPORT)),
    ("sync",),
    ("query", "top-artists", "--chart", "{}/artists.svg"),
    ("query", "calendar", "--chart", "{}/year.html"),
    ("query", "sql", "select count(*) from v_plays"),
    ("ignore", "add", "artist", "Lunar Choir"),
    ("users", "pause", "me"),
    ("users", "resume", "me"),
    ("tokens", "create", "--for", "assistant"),
    ("tokens", "list"),
    ("auth", "rotate-key"),
    ("export", "{}/out/ndjson", "--format", "ndjson"),
    ("export", "{}/out/ndjson", "--format", "csv", "--force"),
    ("export", "{}/out/parquet", "--format", "parquet"),
    ("export", "{}/out/listens", "--format", "listenbrainz"),
    ("export", "{}/out/duckdb", "--format", "duckdb"),
    ("import", "undo", "1", "--yes"),
    ("import", str(EXPORT)),
    ("logs", "purge"),
    ("users", "remove", "me", "--yes"),
)

CREATING = "?open,?openat,?creat,?mkdir,?mkdirat,?mknod,?mknodat,?chmod,?fchmod,?fchmodat,?umask"
_UMASK = re.compile(r"^\d+ +umask\((?P<mask>0[0-7]*)\)")
_MADE = re.compile(
    r"^\d+ +(?P<call>mk\w+|creat|open\w*|f?chmod\w*)\((?P<rest>.*?), 0?(?P<mode>[0-7]{3,4})\b"
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """What below a folder anybody but its owner may use, and what its owner may not."""
    return [
        f"{mode(path):04o} {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink() and (mode(path) & OTHERS or not mode(path) & 0o600)
    ]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SPOTIFY_HIST_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


@UMASKS
def test_what_every_command_leaves_is_its_owner_s_alone(tmp_path: Path, umask: int) -> None:
    """The home, folders above it that were missing, exports, pictures, tokens, logs: all of it."""
    home = tmp_path / "missing" / "home"
    log_in(home)  # one that Spotify is not asked about: it cannot be reached
    for arguments in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "spotify_hist", *(each.format(tmp_path) for each in arguments)],
            env=environment(home) | {"SPOTIFY_HIST_API_URL": "http://127.0.0.1:9"},
            umask=umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 4, 5}, (arguments, done.stderr)
        assert open_to_others(tmp_path) == [], arguments
    assert {path.name for path in tmp_path.iterdir()} >= {"artists.svg", "year.html", "out"}


def test_the_demo_s_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    """With its config.toml, the login, the spool and the archives it downloads."""
    done = subprocess.run(
        [sys.executable, "-m", "spotify_hist", "-q", "--home", str(tmp_path / "demo"), "demo"],
        env=environment(tmp_path / "nothing"),
        umask=0,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert open_to_others(tmp_path) == []
    assert (tmp_path / "demo" / "config.toml").exists()


@pytest.mark.skipif(strace_kit.obstacle() is not None, reason=str(strace_kit.obstacle()))
@pytest.mark.parametrize(
    "arguments",
    [
        ("import", str(EXPORT)),
        ("query", "top-artists", "--chart", "{}/a.svg"),
        ("query", "sql", "select 1"),
        ("export", "{}/out/p", "--format", "parquet"),
        ("export", "{}/out/d", "--format", "duckdb"),
        ("tokens", "create", "--for", "assistant"),
        ("sync",),
        ("users", "remove", "me", "--yes"),
    ],
    ids=lambda arguments: "-".join(arguments[:2]).split("/")[0],
)
def test_no_file_is_open_to_others_for_an_instant(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Each is made with its narrow mode: one that is narrowed later could be opened before."""
    home = tmp_path / "home"
    assert process("--home", str(home), "import", str(EXPORT)).code == 0
    log_in(home)
    log = tmp_path / "strace.log"
    strace = shutil.which("strace")
    assert strace is not None
    subprocess.run(
        [
            *(strace, "-f", "--seccomp-bpf", "-qq", "-o", str(log), "-e", f"trace={CREATING}"),
            *(sys.executable, "-m", "spotify_hist"),
            *(each.format(tmp_path) for each in arguments),
        ],
        env=environment(home) | {"SPOTIFY_HIST_API_URL": "http://127.0.0.1:9"},
        umask=0,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert made_open(log.read_text(encoding="utf-8", errors="replace")) == []


def made_open(log: str) -> list[str]:
    """The calls of a log that give others something; the umask is the one set last."""
    mask, found, made = 0, [], 0
    for line in log.splitlines():
        if match := _UMASK.match(line):
            mask = int(match["mask"], 8)
            continue
        match = _MADE.match(line)
        if match is None or ("open" in match["call"] and "O_CREAT" not in match["rest"]):
            continue
        made += 1
        given = int(match["mode"], 8)
        if "chmod" not in match["call"]:
            given &= ~mask
        if given & OTHERS:
            found.append(line)
    assert made, "nothing was made at all"
    return found


def test_a_log_of_calls_is_read_right() -> None:
    """The reader of strace's log finds what is made too wide, and nothing else."""
    wide = [
        '12 openat(AT_FDCWD, "/h/a.wal", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 3',
        '12 mkdir("/h/b", 0755) = 0',
        '12 mkdir("/h/b", 0777 <unfinished ...>',
    ]
    narrow = ['12 mkdir("/h/b", 0700) = 0', '12 openat(AT_FDCWD, "/h/a", O_RDONLY) = 3']
    assert made_open("\n".join(wide + narrow)) == wide
    assert made_open("\n".join(["12 umask(077)  = 000", *wide, *narrow])) == []
    chmod = '12 chmod("/h/a", 0644) = 0'
    assert made_open("\n".join(["12 umask(077)  = 000", chmod])) == [chmod]


@UMASKS
def test_the_log_of_a_history_being_written_is_its_owner_s_alone(
    umask: int, tmp_path: Path
) -> None:
    """DuckDB makes it, and asks for no mode: while a command writes, others must not read it."""
    home = tmp_path / "home"
    script = (
        "import sys; from pathlib import Path\n"
        "from spotify_hist.private_files import keep_private; keep_private()\n"
        "from spotify_hist.store.database import Database\n"
        "with Database(Path(sys.argv[1])).write('test') as c:\n"
        "    c.execute('create table one as select 1'); c.commit(); c.begin()\n"
        "    print('written', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home / "history.duckdb")],
        umask=umask,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        names = {path.name for path in home.iterdir()}
        found = open_to_others(tmp_path)
        child.communicate("\n")
    assert "history.duckdb.wal" in names
    assert found == []


def test_a_server_at_work_makes_nothing_for_others(home: Path) -> None:
    """What it notes of tokens and what lies beside the history, while it runs."""
    assert process("import", str(EXPORT)).code == 0
    made = process("tokens", "create", "--for", "assistant")
    secret = next(word for word in made.out.split() if word.startswith("shist_"))
    with umask(0), server_kit.serving(home) as served:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = httpx.post(f"{served.url}/tools/top_artists", headers=headers, json={})
        assert answer.status_code == 200
        wait_until((home / "tokens" / "used.json").exists)
        assert open_to_others(home.parent) == []
    assert open_to_others(home.parent) == []


def test_a_history_that_was_open_to_others_is_closed_with_the_next_write(home: Path) -> None:
    """Also what an earlier version left beside it; a home that others may enter stays so."""
    assert process("import", str(EXPORT)).code == 0
    names = ("history.duckdb", "history.duckdb.gate", "history.duckdb.turn")
    for name in names:
        (home / name).chmod(0o664)
    home.chmod(0o755)
    assert process("users", "rename", "me", "ada").code == 0
    assert {mode(home / name) for name in names} == {0o600}
    assert mode(home) == 0o755


def test_files_of_an_export_into_a_folder_that_others_share_are_closed(
    home: Path, tmp_path: Path
) -> None:
    """The folder itself stays as the person made it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    assert process("import", str(EXPORT)).code == 0
    assert process("export", str(shared), "--format", "parquet").code == 0
    assert mode(shared) == 0o775
    assert open_to_others(shared) == []


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_the_parts_of_the_program_keep_to_it_by_themselves(tmp_path: Path, mask: int) -> None:
    """Who uses them without the command line has a umask of their own."""
    home = tmp_path / "a" / "b"
    with umask(mask):
        with Database(home / "history.duckdb").write("test"):
            pass
        Spool(home / "spool").add(Account("1", "1", None), b"{}", datetime(2026, 1, 1, tzinfo=UTC))
        log_in(home)
    assert open_to_others(tmp_path) == []


def test_nobody_makes_a_directory_or_asks_for_a_mode_but_the_one_module() -> None:
    """What `pathlib` makes above a directory is open to whoever the umask says."""
    package = Path(private_files.__file__)
    makers = {
        path.relative_to(package.parent).as_posix()
        for path in package.parent.rglob("*.py")
        if re.search(r"\.mkdir\(|makedirs|O_CREAT|\.touch\(", path.read_text(encoding="utf-8"))
    }
    assert makers == {package.name}


def test_a_folder_that_hands_its_group_on_keeps_doing_so(tmp_path: Path) -> None:
    """Narrowing a directory takes nothing from it but what others could do."""
    tmp_path.chmod(0o2700)
    with umask(0o777):
        private_files.make_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") & 0o777 == 0o700
    assert mode(tmp_path / "a") & stat.S_ISGID == mode(tmp_path) & stat.S_ISGID


@pytest.mark.parametrize("name", ["file", "file/folder"])
def test_a_folder_below_or_in_place_of_a_file_cannot_be_made(name: str, tmp_path: Path) -> None:
    """The system's word for the second is "File exists", which tells nobody what is wrong."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Not a directory") as caught:
        private_files.make_directory(tmp_path / name)
    assert caught.value.filename == str(tmp_path / name)


def test_a_browser_is_started_with_the_person_s_own_umask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is downloaded with it is none of our files."""
    seen: list[int] = []

    class Browser:
        def open(self, _: str) -> bool:
            seen.append(os.umask(0o022))
            os.umask(seen[-1])
            return True

    monkeypatch.setattr(webbrowser, "get", Browser)
    monkeypatch.setattr(private_files, "_umask_at_start", None)
    with umask(0o002):
        private_files.keep_private()
        assert attempt.open_browser("http://127.0.0.1")
        seen.append(os.umask(0o077))
    assert seen == [0o002, 0o077]
