"""What lies in contrib/ can be installed as its README says, and runs a command that exists."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spotify_hist.errors import ExitCode
from spotify_hist.faces.cli.main import run

CONTRIB = Path(__file__).parent.parent / "contrib"
UNITS = CONTRIB / "systemd"
SERVICE = UNITS / "spotify-hist-sync.service"
TIMER = UNITS / "spotify-hist-sync.timer"
INSTALLED = "%h/.local/bin/spotify-hist"


def _parsed(path: Path) -> configparser.ConfigParser:
    """The unit as sections and keys; raises where its syntax is wrong or a key stands twice."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(path.read_text(encoding="utf-8"), path.name)
    return parser


def _cron_lines() -> list[str]:
    text = (CONTRIB / "crontab").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _is_a_command(command: str, program: str) -> bool:
    """Whether `program` with these arguments is one of ours: its help can be shown."""
    words = shlex.split(command.partition(">")[0])
    return words[0] == program and run([*words[1:], "--help"]) == ExitCode.OK


def test_the_units_hold_the_sections_systemd_expects() -> None:
    """A service and a timer that belong together by name, with no unknown section."""
    assert set(_parsed(SERVICE).sections()) == {"Unit", "Service"}
    assert set(_parsed(TIMER).sections()) == {"Unit", "Timer", "Install"}
    assert SERVICE.stem == TIMER.stem


def test_the_service_runs_sync_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """ExecStart is `spotify-hist sync`, a command that exists."""
    command = _parsed(SERVICE)["Service"]["ExecStart"]
    assert command == f"{INSTALLED} sync"
    assert _is_a_command(command, INSTALLED)
    assert "Commit what the spool still holds" in capsys.readouterr().out


def test_the_service_takes_try_again_later_for_no_failure() -> None:
    """Only the exit code for passing trouble is a success; a login that has ended is not."""
    assert _parsed(SERVICE)["Service"]["SuccessExitStatus"] == str(int(ExitCode.TEMPORARY))


def test_the_service_can_write_to_the_history_alone() -> None:
    """Hardened, and the one writable place is where the history lies by default."""
    service = _parsed(SERVICE)["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "-%h/.local/share/spotify-hist"
    assert service["UMask"] == "0077"
    assert all(service[key] == "yes" for key in ("NoNewPrivileges", "PrivateTmp"))


def test_the_timer_polls_more_often_than_fifty_plays_can_pass() -> None:
    """Every 15 minutes at least, after a sleep as well, and not all installations at once."""
    timer = _parsed(TIMER)["Timer"]
    match = re.fullmatch(r"\*:0/(\d+)", timer["OnCalendar"])
    assert match is not None
    assert 60 % int(match[1]) == 0
    assert int(match[1]) <= 15
    assert timer["Persistent"] == "true"
    assert timer["RandomizedDelaySec"] == "2min"
    assert _parsed(TIMER)["Install"]["WantedBy"] == "timers.target"


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing about them, where there is a systemd to ask."""
    program = str(Path(sys.executable).parent / "spotify-hist")
    units = []
    for unit in (SERVICE, TIMER):
        copy = tmp_path / unit.name
        text = unit.read_text(encoding="utf-8")
        copy.write_text(text.replace(INSTALLED, program), encoding="utf-8")
        units.append(str(copy))
    analyze = shutil.which("systemd-analyze")
    complaints = ""
    if analyze is not None:
        done = subprocess.run(
            [analyze, "--user", "--man=no", "verify", *units],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        )
        complaints = "".join(
            line for line in done.stderr.splitlines(keepends=True) if SERVICE.stem in line
        )
    assert complaints == ""
    assert all(Path(unit).read_text(encoding="utf-8").startswith("[Unit]\n") for unit in units)


def test_the_cron_line_has_five_fields_and_a_command_that_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Five fields of time, then `sync`; a % would end the command for cron."""
    (line,) = _cron_lines()
    fields = line.split(maxsplit=5)
    assert all(re.fullmatch(r"\*|\*/\d+|\d+", field) for field in fields[:5])
    assert fields[0] == "*/10"
    assert "%" not in line
    assert _is_a_command(fields[5], "$HOME/.local/bin/spotify-hist")
    assert "sync" in capsys.readouterr().out


@pytest.mark.parametrize("path", [SERVICE, TIMER, CONTRIB / "crontab"])
def test_the_contrib_readme_names_every_file(path: Path) -> None:
    """Each file is named, the units by the pattern they are copied with."""
    readme = (CONTRIB / "README.md").read_text(encoding="utf-8")
    assert path.stem in readme
    assert path.parent == CONTRIB or "contrib/systemd/spotify-hist-sync.*" in readme
