"""The wheel holds the whole program and runs without the checkout; the checkout is tidy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import spotify_hist
from spotify_hist.analytics import catalogue
from spotify_hist.store import migrate

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spotify_hist"
TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "contrib", "docs", "examples",
    "pyproject.toml", "spotify_hist", "tests",
}  # fmt: skip
ROWS = [
    {
        "ts": f"2024-05-0{day}T10:00:00Z",
        "ms_played": 200_000,
        "master_metadata_track_name": "A Song",
        "master_metadata_album_artist_name": "A Band",
        "spotify_track_uri": "spotify:track:0000000000000000000000",
    }
    for day in (1, 2, 3)
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without fetching anything."""
    directory = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)], ROOT)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`spotify-hist`, installed from the wheel into an environment that cannot see the checkout.

    The dependencies come from the present environment by a line in a .pth file: such a line adds
    the directory alone, and not the .pth files in it, by which an editable install would be found.
    """
    environment = tmp_path_factory.mktemp("installed") / "venv"
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], environment.parent)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], environment.parent)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.with_name("spotify-hist")


def _run(command: list[str], directory: Path) -> str:
    """The command's stdout; nothing of the environment but what a bare login has reaches it."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": os.defpath, "HOME": str(directory), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """Python, SQL, py.typed and whatever else lies in spotify_hist/; no tests, no caches."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    present = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == present


@pytest.mark.parametrize(
    "folder", ["analytics/queries", "analytics/views", "store/migrations", "store/sql"]
)
def test_the_wheel_holds_the_sql_of_each_folder(wheel: Path, folder: str) -> None:
    """The program is nothing without its SQL, which no import statement would miss."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(
        name.startswith(f"spotify_hist/{folder}/") and name.endswith(".sql") for name in names
    )
    assert {"spotify_hist/py.typed", "spotify_hist/__main__.py"} <= set(names)


def test_the_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    """The metadata names the licence, the Python it needs and the `spotify-hist` command."""
    with zipfile.ZipFile(wheel) as archive:
        meta = {
            name.partition(".dist-info/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    assert "spotify-hist = spotify_hist.__main__:main" in meta["entry_points.txt"]
    assert "Requires-Python: >=3.11\n" in meta["METADATA"]
    assert "License-Expression: MIT\n" in meta["METADATA"]
    assert meta["licenses/LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_installed_program_is_not_the_checkout(program: Path) -> None:
    """What follows would prove nothing if it ran the code of the checkout."""
    code = "import spotify_hist; print(spotify_hist.__file__)"
    found = Path(_run([str(program.with_name("python")), "-c", code], program.parent).strip())
    assert program.parent.parent in found.parents


def test_the_installed_program_tells_its_version(program: Path) -> None:
    """`spotify-hist --version` and `python -m spotify_hist --version` agree."""
    module = [str(program.with_name("python")), "-m", "spotify_hist"]
    expected = f"spotify-hist, version {spotify_hist.__version__}\n"
    assert _run([str(program), "--version"], program.parent) == expected
    assert _run([*module, "--version"], program.parent) == expected


def test_the_installed_program_imports_and_answers(program: Path, tmp_path: Path) -> None:
    """Migrations, the store's SQL, views and questions are all there."""
    export = tmp_path / "Streaming_History_Audio_2024.json"
    export.write_text(json.dumps(ROWS), encoding="utf-8")
    command = [str(program), "--home", str(tmp_path / "home")]
    receipt = json.loads(_run([*command, "import", str(export), "--format", "json"], tmp_path))
    assert (receipt["records"], receipt["new"]) == (3, 3)
    answer = json.loads(_run([*command, "query", "top-artists", "--format", "json"], tmp_path))
    assert [(row["artist"], row["plays"]) for row in answer["rows"]] == [("A Band", 3)]


def test_the_installed_program_has_every_question(program: Path) -> None:
    """The catalogue of the wheel is that of the checkout, and so are the migrations."""
    listed = json.loads(_run([str(program), "query", "--list", "--format", "json"], program.parent))
    assert tuple(question["name"] for question in listed) == catalogue.names()
    code = "from spotify_hist.store import migrate; print(migrate.latest())"
    latest = _run([str(program.with_name("python")), "-c", code], program.parent)
    assert int(latest) == migrate.latest()


def test_nothing_strange_lies_at_the_top_of_the_checkout() -> None:
    """Only the agreed names; files git ignores (caches, .venv) do not count."""
    if (ROOT / ".git").exists():
        tracked = _run(["git", "-c", "safe.directory=*", "ls-files", "-z"], ROOT)
        names = {name.partition("/")[0] for name in tracked.split("\0") if name}
    else:
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").replace("/", "").split()
        names = {path.name for path in ROOT.iterdir() if path.name not in ignored}
    assert names - TOP_LEVEL == set()
    assert all((ROOT / name).exists() for name in TOP_LEVEL)
