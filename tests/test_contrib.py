"""What lies in contrib/ can be installed as its README says, and runs a command that exists."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spotify_hist import settings
from spotify_hist.errors import ExitCode
from spotify_hist.faces.cli.main import run

CONTRIB = Path(__file__).parent.parent / "contrib"
README = (CONTRIB / "README.md").read_text(encoding="utf-8")
USER, SYSTEM = CONTRIB / "systemd" / "user", CONTRIB / "systemd" / "system"
SYNC, LOOP = "spotify-hist-sync.service", "spotify-hist-loop.service"
FAILED, TIMER = "spotify-hist-failed@.service", "spotify-hist-sync.timer"
PROGRAMS = {USER: "%h/.local/bin/spotify-hist", SYSTEM: "/usr/local/bin/spotify-hist"}
SYNCS = [USER / SYNC, SYSTEM / SYNC]
SERVICES = [*SYNCS, SYSTEM / LOOP]
TIMERS = [USER / TIMER, SYSTEM / TIMER]
FAILURES = [USER / FAILED, SYSTEM / FAILED]
PLIST = CONTRIB / "launchd" / "spotify-hist.sync.plist"
KEY = "spotify-hist-token-key"
OURS = str(Path(sys.executable).parent / "spotify-hist")
FILES = sorted(path for path in CONTRIB.rglob("*") if path.is_file() and path.name != "README.md")


def _in_folder(path: Path) -> str:
    return path.relative_to(CONTRIB).as_posix()


def _parsed(path: Path) -> dict[str, dict[str, list[str]]]:
    """The unit as sections, keys and all their values; raises for a line that is none of these."""
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    sections: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            keys = sections.setdefault(line.strip("[]"), {})
            continue
        name, equals, value = line.partition("=")
        assert equals, line
        keys.setdefault(name, []).append(value)
    return sections


def _is_a_command(words: list[str], program: str) -> bool:
    """Whether `program` with these arguments is one of ours: its help can be shown."""
    return words[0] == program and run([*words[1:], "--help"]) == ExitCode.OK


def _checked_by_systemd(folder: Path, tmp_path: Path) -> tuple[int, str]:
    """(exit code, what it says of our units) of `systemd-analyze verify`."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for path in folder.glob("*.*"):
        text = path.read_text(encoding="utf-8").replace(PROGRAMS[folder], OURS)
        (tmp_path / path.name).write_text(text.replace("/usr/sbin/sendmail", "/bin/true"))
    done = subprocess.run(
        [
            analyze,
            "--user" if folder == USER else "--system",
            *("--man=no", "--recursive-errors=no", "verify"),
            *(str(tmp_path / path.name) for path in sorted(folder.glob("*.*"))),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    said = [line for line in done.stderr.splitlines() if "spotify-hist" in line]
    return done.returncode, "\n".join(said)


@pytest.mark.parametrize("path", SERVICES, ids=_in_folder)
def test_a_service_runs_sync_and_nothing_else(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ExecStart is `spotify-hist sync`, a command that exists."""
    (command,) = _parsed(path)["Service"]["ExecStart"]
    words = shlex.split(command)
    assert words[1:] == (["sync", "--every", "10m"] if path.name == LOOP else ["sync"])
    assert _is_a_command(words, PROGRAMS[path.parent])
    assert "--every" in capsys.readouterr().out


@pytest.mark.parametrize("path", SYNCS, ids=_in_folder)
def test_a_service_takes_try_again_later_for_no_failure(path: Path) -> None:
    """Only the exit code for passing trouble is a success; what needs a person is told of."""
    unit = _parsed(path)
    assert unit["Service"]["Type"] == ["oneshot"]
    assert unit["Service"]["SuccessExitStatus"] == [str(int(ExitCode.TEMPORARY))]
    assert unit["Service"]["TimeoutStartSec"] == ["15min"]
    assert unit["Unit"]["OnFailure"] == ["spotify-hist-failed@%n.service"]
    assert (path.parent / FAILED).exists()


def test_the_user_service_can_write_to_the_history_alone() -> None:
    """Hardened, and the one writable place is where the history lies by default."""
    service = _parsed(USER / SYNC)["Service"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["ReadWritePaths"] == ["-%h/.local/share/spotify-hist"]
    assert service["UMask"] == ["0077"]
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == ["yes"]


@pytest.mark.parametrize("name", [SYNC, LOOP])
def test_the_system_service_has_a_user_of_its_own_and_the_key_as_a_credential(
    name: str, tmp_path: Path
) -> None:
    """One name for the user, so that all units own the same files; settings read the credential."""
    service = _parsed(SYSTEM / name)["Service"]
    assert service["DynamicUser"] == ["yes"]
    assert service["User"] == ["spotify-hist"]
    assert service["StateDirectory"] == ["spotify-hist spotify-hist/uploads"]
    (tmp_path / KEY).write_text("secret\n")
    (variable,) = service["Environment"]
    found = settings.load(
        environ={
            "CREDENTIALS_DIRECTORY": str(tmp_path),
            **dict([variable.replace("%S", "/var/lib").split("=")]),
        }
    )
    (credential,) = service["LoadCredential"]
    assert credential == f"{KEY}:/etc/spotify-hist/token-key"
    assert found.text("token_key") == "secret"
    assert str(found.watched) == "/var/lib/spotify-hist/uploads"


def test_the_two_system_services_are_hardened_alike() -> None:
    """Whoever changes one changes the other."""
    differ = {
        "Type", "ExecStart", "SuccessExitStatus", "TimeoutStartSec", "TimeoutStopSec",
        "Restart", "RestartSec",
    }  # fmt: skip
    once, loop = (_parsed(SYSTEM / name)["Service"] for name in (SYNC, LOOP))
    assert {key: once[key] for key in set(once) - differ} == {
        key: loop[key] for key in set(loop) - differ
    }
    assert loop["Type"] == ["exec"]
    assert _parsed(SYSTEM / LOOP)["Unit"]["Conflicts"] == [TIMER]


@pytest.mark.parametrize("name", [SYNC, LOOP])
def test_systemd_rates_the_system_service_as_well_hardened(name: str) -> None:
    """What the README says of its exposure holds: 1.0, where 10 is no protection at all."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [analyze, "security", "--no-pager", "--offline=true", str(SYSTEM / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    rated = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    if rated is None:
        pytest.skip(f"this systemd cannot rate a file: {done.stderr.strip()}")
    assert float(rated[1]) <= 1.5


@pytest.mark.parametrize("path", TIMERS, ids=_in_folder)
def test_a_timer_polls_more_often_than_fifty_plays_can_pass(path: Path) -> None:
    """Every 15 minutes at least, after a sleep as well, and not all installations at once."""
    unit = _parsed(path)
    timer = {key: value for key, (value,) in unit["Timer"].items()}
    match = re.fullmatch(r"\*:0/(\d+)", timer["OnCalendar"])
    assert match is not None
    assert 60 % int(match[1]) == 0
    assert int(match[1]) <= 15
    assert timer["Persistent"] == "true"
    assert timer["RandomizedDelaySec"] == "2min"
    assert timer["FixedRandomDelay"] == "yes"
    assert unit["Install"]["WantedBy"] == ["timers.target"]
    assert path.with_suffix(".service").exists()


@pytest.mark.parametrize("folder", [USER, SYSTEM], ids=_in_folder)
def test_systemd_finds_nothing_wrong_with_the_units(folder: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing about them."""
    code, said = _checked_by_systemd(folder, tmp_path)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("path", FAILURES, ids=_in_folder)
def test_a_failure_is_told_with_what_the_run_said_last(path: Path, tmp_path: Path) -> None:
    """Once in twelve hours; the shell line is run with programs that only repeat what they get."""
    unit = _parsed(path)
    assert unit["Unit"]["StartLimitIntervalSec"] == ["12h"]
    assert unit["Unit"]["StartLimitBurst"] == ["1"]
    (command,) = unit["Service"]["ExecStart"]
    for name, does in {
        "journalctl": 'echo "Run auth login ($*)"',
        "notify-send": 'echo "$@"',
        "sendmail": "cat",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    for mark, value in {"%i": SYNC, "%H": "attic", "/usr/sbin/": "", "$$": "$"}.items():
        command = command.replace(mark, value)

    done = subprocess.run(
        shlex.split(command),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MONITOR_EXIT_STATUS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{SYNC} failed" in done.stdout
    assert f"--unit={SYNC}" in done.stdout
    assert "Run auth login" in done.stdout
    assert ("(exit 4)" in done.stdout) == (path.parent == SYSTEM)


def test_a_command_is_run_as_the_service_runs(tmp_path: Path) -> None:
    """The same user, directory, settings and key; the arguments as they were typed."""
    fake = tmp_path / "systemd-run"
    fake.write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
    fake.chmod(0o755)
    script = SYSTEM / "spotify-hist-service"

    done = subprocess.run(
        [script, "query", "sql", "select 1"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    service = _parsed(SYSTEM / SYNC)["Service"]
    said = done.stdout.splitlines()
    for key in ("User", "DynamicUser", "StateDirectory", "StateDirectoryMode", "UMask",
                "EnvironmentFile", "LoadCredential"):  # fmt: skip
        assert f"--property={key}={service[key][0]}" in said
    (home,) = service["Environment"]
    assert f"--setenv={home.replace('%S', '/var/lib')}" in said
    assert said[said.index("--") + 1 :] == [PROGRAMS[SYSTEM], "query", "sql", "select 1"]


def _cron_line() -> str:
    text = (CONTRIB / "crontab").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line and not line.startswith("#")]
    return line


def test_the_cron_line_has_five_fields_and_a_command_that_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Five fields of time, then `sync`; a % would end the command for cron."""
    line = _cron_line()
    fields = line.split(maxsplit=5)
    assert all(re.fullmatch(r"\*|\*/\d+|\d+", field) for field in fields[:5])
    assert fields[0] == "*/10"
    assert "%" not in line
    program = '"$HOME/.local/bin/spotify-hist"'
    ours = re.search(rf"{re.escape(program)}[^>;]*?(?= \d?>)", line)
    assert ours is not None
    assert _is_a_command(shlex.split(ours[0]), program.strip('"'))
    assert "sync" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "err", "mailed"),
    [
        (0, "", ""),
        (0, "Warning: the login ends soon.", "Warning: the login ends soon.\n"),
        (5, "Error: Spotify cannot be reached.", ""),
        (4, "Error: The login has ended.\nlog in", "Error: The login has ended.\nlog in\n"),
        (7, "Error: It has failed for a day.", "Error: It has failed for a day.\n"),
        (6, "Error: It has failed for bob.", "Error: It has failed for bob.\n"),
        (3, "Error: The disk is broken.", "Error: The disk is broken.\n"),
    ],
)
def test_cron_mails_what_somebody_has_to_do_and_nothing_else(
    tmp_path: Path, code: int, err: str, mailed: str
) -> None:
    """Whatever the line prints is mailed: no counts, no passing trouble."""
    assert _run_by_cron(tmp_path, code, err) == mailed


def _run_by_cron(home: Path, code: int, err: str) -> str:
    """What cron mails of a run that says `err` and ends with `code`."""
    _stand_in(home / ".local" / "bin" / "spotify-hist", code, err)
    done = subprocess.run(
        ["/bin/sh", "-c", _cron_line().split(maxsplit=5)[5]],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def _stand_in(program: Path, code: int, err: str) -> None:
    """A program that says something on both streams and ends with `code`."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho 3 new plays\nprintf %s '{err}' >&2\nexit {code}\n")
    program.chmod(0o755)


def test_cron_mails_what_lasts_once_in_twelve_hours_and_its_end_once(tmp_path: Path) -> None:
    """Passing trouble in between changes nothing; a clock that was ahead silences nobody."""
    stamp = tmp_path / ".spotify-hist-told"
    runs = [(7, "Error."), (7, "Error."), (5, "Offline."), (7, "Error.")]
    assert [_run_by_cron(tmp_path, *each) for each in runs] == ["Error.\n", "", "", ""]
    for hours in (-13, 20 * 24):
        moment = stamp.stat().st_ctime + hours * 3600
        os.utime(stamp, (moment, moment))
        assert _run_by_cron(tmp_path, 7, "Error.") == "Error.\n"
    runs = [(0, "It works again."), (0, ""), (7, "Error.")]
    told = [_run_by_cron(tmp_path, *each) for each in runs]
    assert told == ["It works again.\n", "", "Error.\n"]


def test_the_launchd_job_runs_sync_every_ten_minutes_in_the_background(tmp_path: Path) -> None:
    """Its shell line is run with a program that repeats its arguments, and says so in the log."""
    job: dict[str, Any] = plistlib.loads(PLIST.read_bytes())
    assert job["Label"] == PLIST.stem
    assert job["StartInterval"] == 600
    assert job["LowPriorityIO"] is True
    assert job["Umask"] == 0o077
    assert set(job["EnvironmentVariables"]) <= {option.variable for option in settings.OPTIONS}
    program = tmp_path / ".local" / "bin" / "spotify-hist"
    log = tmp_path / "Library" / "Logs" / "spotify-hist.log"
    for path in (program, log):
        path.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\necho trouble >&2\n')
    program.chmod(0o755)

    environment = {**os.environ, "HOME": str(tmp_path), **job["EnvironmentVariables"]}
    subprocess.run(job["ProgramArguments"], env=environment, check=True)

    assert log.read_text() == "sync\ntrouble\n"


def test_launchd_shows_what_needs_a_person_once_in_twelve_hours(tmp_path: Path) -> None:
    """A notification, by a program that only repeats what it gets; the exit code stays."""
    job: dict[str, Any] = plistlib.loads(PLIST.read_bytes())
    logs = tmp_path / "Library" / "Logs"
    logs.mkdir(parents=True)
    (tmp_path / "osascript").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/shown\n')
    (tmp_path / "osascript").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    for code in (5, 7, 7, 0, 4):
        _stand_in(tmp_path / ".local" / "bin" / "spotify-hist", code, "")
        done = subprocess.run(job["ProgramArguments"], env=environment, check=False)
        assert done.returncode == code
    shown = (tmp_path / "shown").read_text().splitlines()
    assert [re.findall(r"failed \((\d)\)", line) for line in shown] == [["7"], ["4"]]
    assert "spotify-hist status" in shown[0]


def test_the_container_stays_unprivileged_and_keeps_everything_in_its_volume(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The image copies files that exist and runs a command that exists; variables are settings."""
    image = (CONTRIB / "docker" / "Dockerfile").read_text(encoding="utf-8")
    compose = (CONTRIB / "docker" / "compose.yaml").read_text(encoding="utf-8")
    copied = [words for words in map(str.split, image.splitlines()) if words[:1] == ["COPY"]]
    for words in copied:
        assert all((CONTRIB.parent / source).exists() for source in words[1:-1])
    assert re.search(r"^USER (?!0|root)", image, re.MULTILINE)
    arguments = re.search(r"^CMD \[(.*)\]$", image, re.MULTILINE)
    assert arguments is not None
    assert _is_a_command([OURS, *re.findall(r'"([^"]*)"', arguments[1])], OURS)
    assert "--every" in capsys.readouterr().out
    assert "SPOTIFY_HIST_HOME=/data" in image
    assert "VOLUME /data" in image
    assert "history:/data" in compose
    health = re.search(r"test: \[\"CMD\", (.*)\]$", compose, re.MULTILINE)
    assert health is not None
    words = re.findall(r'"([^"]*)"', health[1])
    assert words == ["spotify-hist", "status", "--check"]
    assert _is_a_command(words, "spotify-hist")
    known = {option.variable for option in settings.OPTIONS}
    known |= {f"{option.variable}_FILE" for option in settings.OPTIONS if option.secret}
    assert set(re.findall(r"^ +(SPOTIFY_HIST_\w+):", compose, re.MULTILINE)) <= known


@pytest.mark.parametrize("path", FILES, ids=_in_folder)
def test_the_contrib_readme_names_every_file(path: Path) -> None:
    """Each file is named, or is among those copied by a pattern."""
    patterns = re.findall(r"contrib/(\S*\*\S*)", README)
    assert _in_folder(path) in README or any(
        path in set(CONTRIB.glob(pattern)) for pattern in patterns
    )
