"""Whatever the libraries and the system raise, a command ends in one line and its exit code.

The classes are found in the libraries, so that one which a new version brings is met here first.
"""

from __future__ import annotations

import errno
import gzip
import inspect
import io
import json
import lzma
import os
import sqlite3
import ssl
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import cryptography.exceptions
import cryptography.fernet
import duckdb
import httpcore
import httpx
import pytest
from test_vault import KEY, make_token

from spotify_hist import system_errors
from spotify_hist.errors import ExitCode, Offline, SpotifyHistError
from spotify_hist.faces.cli import main
from spotify_hist.sources.spotify.http import Http
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store import duckdb_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

SECRET = "BQDaccess_that_nobody_may_see"


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    """Every class of errors that a module has, in a stable order."""
    found = {
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception) and each.__module__.partition(".")[0] != "builtins"
    }
    return sorted(found, key=lambda each: each.__name__)


def made(kind: type[Exception]) -> Exception:
    """An error of a class, whatever it wants to be made of."""
    request = httpx.Request("GET", "https://api.test/")
    for arguments in (
        (SECRET,),
        (),
        (SECRET, request, httpx.Response(200, request=request)),
    ):
        for keywords in ({}, {"request": request}, {"request": request, "response": None}):
            try:
                return kind(*arguments, **keywords)
            except TypeError:
                continue
    raise AssertionError(f"how is {kind.__name__} made?")


# The connection ------------------------------------------------------------------------------

OF_THE_NETWORK: list[Exception] = [
    *map(made, exceptions_of(httpx)),
    *(OSError(number, os.strerror(number)) for number in sorted(errno.errorcode)),
    ssl.SSLError(1, "[SSL] record layer failure"),
    ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] expired"),
    ssl.CertificateError("no match"),
    UnicodeError("encoding with 'idna' codec failed"),
    UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range"),
    OverflowError("getsockaddrarg: port must be 0-65535."),
    ValueError("embedded null byte"),
    EOFError(),
]


@pytest.mark.parametrize(
    "error", OF_THE_NETWORK, ids=lambda each: f"{type(each).__name__}-{each}"[:60]
)
@pytest.mark.parametrize("is_late", [False, True], ids=["sending", "reading"])
def test_whatever_a_connection_comes_to_spotify_is_out_of_reach(
    error: Exception, is_late: bool
) -> None:
    """At once or amid the body; no secret, and nothing of httpx, hangs on what is told."""

    def broken() -> Iterator[bytes]:
        yield b"{"
        raise error

    def answer(_: httpx.Request) -> httpx.Response:
        if is_late:
            return httpx.Response(200, content=broken())
        raise error

    http = Http(5, 0, 0, transport=httpx.MockTransport(answer))
    with http, pytest.raises(Offline) as caught:
        http.get("https://api.test/", token=SECRET)
    assert caught.value.exit_code == ExitCode.TEMPORARY
    if not isinstance(error, httpx.ConnectError):  # told only where nothing was sent
        assert SECRET not in f"{caught.value.message} {caught.value.hint}"


def test_what_the_layer_below_httpx_raises_is_known_to_it() -> None:
    """httpx passes on what it does not translate."""
    from httpx._transports.default import _load_httpcore_exceptions

    known = tuple(_load_httpcore_exceptions())
    # Raised before anything is sent, by a pool that is used wrongly.
    ours = {"ConnectionNotAvailable", "UnsupportedProtocol"}
    unknown = [each.__name__ for each in exceptions_of(httpcore) if not issubclass(each, known)]
    assert set(unknown) <= ours


# The vault -----------------------------------------------------------------------------------

OF_CRYPTOGRAPHY = [
    *exceptions_of(cryptography.exceptions),
    cryptography.fernet.InvalidToken,
    TypeError,
    ValueError,
    OverflowError,
]


@pytest.mark.parametrize("kind", OF_CRYPTOGRAPHY, ids=lambda each: each.__name__)
def test_a_token_that_cannot_be_opened_is_a_matter_of_the_vault(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever cryptography says it."""
    vault = Vault(tmp_path, KEY)
    vault.save(make_token())

    def refuse(*_: object, **__: object) -> bytes:
        raise _of_cryptography(kind)

    monkeypatch.setattr(cryptography.fernet.MultiFernet, "decrypt", refuse)
    (broken,) = vault.unreadable()
    assert broken.error.exit_code == ExitCode.BAD_INPUT
    assert vault.rotate_key().unreadable == (broken.stem,)


def _of_cryptography(kind: type[Exception]) -> Exception:
    try:
        return kind("refused")
    except TypeError:
        return kind("refused", [])  # InternalError tells of OpenSSL's


# The history ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", exceptions_of(duckdb), ids=lambda each: each.__name__)
def test_every_error_of_duckdb_about_a_full_disk_is_told_as_one(
    kind: type[Exception], tmp_path: Path
) -> None:
    """Whichever class it comes as, where it is one about files."""
    if not issubclass(kind, duckdb.Error):
        pytest.skip("no error of a statement")
    path = tmp_path / "history.duckdb"
    text = f'IO Error: Could not write file "{path}": No space left on device'
    is_of_files = kind is duckdb.Error or issubclass(kind, duckdb_errors._OF_FILES)
    with pytest.raises(SpotifyHistError if is_of_files else duckdb.Error) as caught, \
            duckdb_errors.translated(path):  # fmt: skip
        raise kind(text)
    if is_of_files:
        assert isinstance(caught.value, SpotifyHistError)
        # One about memory is believed to be about that.
        is_memory = kind is duckdb.OutOfMemoryException
        expected = ExitCode.BAD_INPUT if is_memory else ExitCode.TEMPORARY
        assert caught.value.exit_code == expected


# Archives and foreign databases --------------------------------------------------------------

OF_ARCHIVES: list[Exception] = [
    *(
        kind("broken")
        for kind in exceptions_of(tarfile)
        if kind.__module__ == "tarfile" and not issubclass(kind, tarfile.FilterError)
    ),
    *(kind("broken") for kind in exceptions_of(zipfile)),
    gzip.BadGzipFile("broken"),
    zlib.error("broken"),
    lzma.LZMAError("broken"),
    struct.error("broken"),
    EOFError(),
    RuntimeError("File is encrypted, password required"),
    NotImplementedError("compression type 99"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OverflowError("too large"),
    IndexError("list index out of range"),
    KeyError("no item"),
    ValueError("negative seek value"),
    OSError("Invalid data stream"),
    MemoryError(),
    *(OSError(number, os.strerror(number), "/x") for number in (
        errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.ESTALE,
        errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ETIMEDOUT,
        errno.ENOMEM, errno.EROFS, errno.EPERM)),
]  # fmt: skip


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    """A ZIP and a tar of one row each."""
    row = {
        "ts": "2024-01-01T00:00:00Z", "ms_played": 40_000, "spotify_track_uri": None,
        "master_metadata_track_name": "Song", "master_metadata_album_artist_name": "Artist",
        "master_metadata_album_album_name": "Album",
    }  # fmt: skip
    name, data = "Streaming_History_Audio_2024_0.json", json.dumps([row]).encode()
    paths = {"zip": tmp_path / "my_spotify_data.zip", "tar": tmp_path / "export.tar.gz"}
    with zipfile.ZipFile(paths["zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    with tarfile.open(paths["tar"], "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return paths


@pytest.mark.parametrize(
    "error", OF_ARCHIVES, ids=lambda each: f"{type(each).__name__}-{each}"[:50]
)
@pytest.mark.parametrize(
    ("archive", "owner", "method"),
    [
        ("zip", zipfile.ZipFile, "__init__"),
        ("zip", zipfile.ZipFile, "infolist"),
        ("tar", tarfile.TarFile, "next"),
        ("tar", gzip.GzipFile, "read"),
    ],
)
def test_an_archive_that_breaks_is_told_in_one_line(
    error: Exception,
    archive: str,
    owner: type,
    method: str,
    archives: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the library raises where it is opened and listed."""

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(owner, method, broken)
    code = main.run(["--home", str(tmp_path / "home"), "import", str(archives[archive])])
    said = capsys.readouterr().err
    assert code in {ExitCode.BAD_INPUT, ExitCode.TEMPORARY}, said
    assert "Traceback" not in said
    assert said.startswith("Error: ")


@pytest.mark.parametrize("kind", exceptions_of(sqlite3), ids=lambda each: each.__name__)
def test_every_error_of_sqlite_is_an_error_of_its_base(kind: type[Exception]) -> None:
    """Which is what is handled where a foreign database is read; a warning is raised by none."""
    assert issubclass(kind, sqlite3.Error) or kind is sqlite3.Warning


# The system ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", sorted(errno.errorcode), ids=errno.errorcode.get)
def test_every_error_of_the_system_about_a_file_names_it(number: int, tmp_path: Path) -> None:
    """With an exit code that says whether trying again may help."""
    path = tmp_path / "a file"
    found = system_errors.meaning(OSError(number, os.strerror(number), str(path)))
    assert found is not None
    assert found.exit_code in {ExitCode.BAD_INPUT, ExitCode.TEMPORARY}
    if number != errno.ENOMEM:
        assert str(path) in found.message


def test_an_error_that_no_file_has_to_do_with_stays_our_bug() -> None:
    """So does a file that the program itself lacks."""
    assert system_errors.meaning(OSError(errno.EINVAL, "Invalid argument")) is None
    own = Path(system_errors.__file__).parent / "store" / "sql" / "gone.sql"
    assert system_errors.meaning(FileNotFoundError(errno.ENOENT, "No such file", str(own))) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 3),
        (OSError(errno.EMFILE, "Too many open files"), 5),
        (OSError(errno.ENFILE, "Too many open files in system", "/x/y"), 5),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/x/y"), 3),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "/x/y"), 3),
        (OSError(errno.ESTALE, "Stale file handle", "/x/y"), 5),
        (OSError(errno.ENOSPC, "No space left on device"), 5),
        (OSError(errno.EIO, "Input/output error", "/x/y"), 3),
        (MemoryError(), 3),
        (ZeroDivisionError(), 1),
    ],
)
def test_an_error_that_nobody_expected_ends_a_command_in_one_line(
    error: Exception,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only what is a bug of ours comes with where it struck."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("spotify_hist.collect.status.look", fail)
    assert main.run(["--home", str(tmp_path), "status"]) == code
    said = capsys.readouterr().err
    assert ("Traceback" in said) is (code == 1)
    if code != 1:
        (line,) = said.splitlines()
        assert line.startswith("Error: ")
