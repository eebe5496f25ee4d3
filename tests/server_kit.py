"""A small history and the ways of asking it, for the tests of the server."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotify_hist import settings as settings_module
from spotify_hist.faces.server.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spotify_hist.faces.server.tool import Tool
    from spotify_hist.settings import Settings

NOW = datetime(2024, 7, 1, 12, 0, tzinfo=UTC)
SONGS = (
    ("Hyperballad", "Björk", "Post"),
    ("Jóga", "Björk", "Homogenic"),
    ("Tabs\tand\nlines", "Múm", "Finally We Are No One"),
    ("Roygbiv", "Boards of Canada", "Music Has the Right to Children"),
)


# What a question of this history needs where it cannot be asked without: by type, else by name.
_NEEDED = {
    "artist": "Björk",
    "album": "Post",
    "track": "Jóga",
    "text": "r",
    "sql": "select 1 as one",
}


def arguments_for(tool: Tool) -> dict[str, object]:
    """The arguments a tool cannot be asked without, meaning something in this history."""
    return {
        param.name: _NEEDED[
            param.type if param.type in _NEEDED and param.type != "text" else param.name
        ]
        for param in tool.params
        if param.is_required
    }


def options_for(tool: Tool) -> list[str]:
    """The same as words of the command line."""
    return [
        word for name, value in arguments_for(tool).items() for word in (f"--{name}", str(value))
    ]


def play(number: int) -> dict[str, object]:
    """A row of the extended history (FACTS 5.3); each number is another play."""
    song = number % len(SONGS)
    track, artist, album = SONGS[song]
    day, hour = divmod(number, 24)
    return {
        "ts": f"2024-{3 + day // 28:02d}-{1 + day % 28:02d}T{hour:02d}:15:00Z",
        "platform": "linux",
        "ms_played": 20_000 if number % 7 == 0 else 200_000 + number,
        "conn_country": "DE",
        "master_metadata_track_name": track,
        "master_metadata_album_artist_name": artist,
        "master_metadata_album_album_name": album,
        "spotify_track_uri": f"spotify:track:{song:022d}",
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "shuffle": False,
        "skipped": False,
        "offline": False,
        "offline_timestamp": None,
        "incognito_mode": False,
    }


def write_export(folder: Path, numbers: range, name: str = "2024") -> Path:
    """One file of an extended history with these plays."""
    path = folder / f"Streaming_History_Audio_{name}.json"
    path.write_text(json.dumps([play(number) for number in numbers]), encoding="utf-8")
    return path


def command(home: Path, *arguments: str) -> list[str]:
    """The program as a process of its own."""
    return [sys.executable, "-m", "spotify_hist", "--home", str(home), *arguments]


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without any setting of ours but `extra`."""
    kept = {name: value for name, value in os.environ.items() if "SPOTIFY_HIST" not in name}
    return {**kept, **extra}


def import_file(home: Path, path: Path) -> None:
    """Import in a process of its own, as a timer or a person would."""
    subprocess.run(
        command(home, "import", str(path)),
        env=clean_environment(),
        check=True,
        capture_output=True,
    )


def make_history(home: Path, plays: int = 60) -> None:
    """A history of one local listener."""
    home.mkdir(parents=True, exist_ok=True)
    import_file(home, write_export(home.parent, range(plays)))


def make_settings(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings that nothing outside the test can reach."""
    return settings_module.load(home, environ or {})


def make_tools(home: Path, environ: Mapping[str, str] | None = None) -> Tools:
    """The tools over the history in `home`, at a fixed instant."""
    return Tools(make_settings(home, environ), now=lambda: NOW)


@dataclass(frozen=True)
class Served:
    """A server process: where it is, and what it said when it was ready."""

    url: str
    ready: str
    process: subprocess.Popen[str]

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit code and the rest of stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextlib.contextmanager
def serving(home: Path, *options: str, verbose: bool = False, **environ: str) -> Iterator[Served]:
    """A real `serve-tools` on a port of its own."""
    flags = ["-v"] if verbose else []
    process = subprocess.Popen(
        command(home, *flags, "serve-tools", "--port", "0", *options),
        env=clean_environment(**environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            ready = process.stderr.readline()
            assert ready.startswith("Serving on http://"), ready + process.stderr.read()
            yield Served(ready.split()[2], ready.strip(), process)
        finally:
            process.kill()
