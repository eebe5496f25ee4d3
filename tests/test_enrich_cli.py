"""`enrich` on the command line: its words, its JSON, its exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from enriching import SONGS, add, asked, heard, home_of
from processes import Child, wait_until

from spotify_hist.collect.enrich import Enriched
from spotify_hist.collect.turns import turn
from spotify_hist.errors import ExitCode
from spotify_hist.faces.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from household import Household


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    """A listener of three songs; commands run in this home, on the real clock."""
    with home_of(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        made.log_in("anna", authorized_at=datetime.now(UTC))
        add(made, heard(*((song, 3 - at) for at, song in enumerate(SONGS[:3]))))
        yield made


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `enrich`."""
    capsys.readouterr()
    code = run(["enrich", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """(exit code, the JSON on stdout)."""
    code, out, _ = command(capsys, "--format", "json", *arguments)
    return code, json.loads(out)


def test_it_says_what_was_found_and_what_is_still_to_come(
    home: Household, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of data; the rest of the day's requests are used by the next run."""
    code, out, _ = command(capsys, "--budget", "2")
    assert code == ExitCode.OK
    assert out.startswith("Details: 1 track found; ")
    assert out.endswith(" still to come, about 1 day at 300 requests a day.\n")
    assert len(asked(home)) == 2

    code, out, _ = command(capsys)
    assert out == "Details: 2 tracks, 3 artists found; nothing more is to come.\n"
    code, out, _ = command(capsys)
    assert (code, out) == (0, "Details: nothing new found; nothing more is to come.\n")


def test_the_json_has_every_count(home: Household, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys may be added, never renamed (DESIGN 7)."""
    code, told = as_json(capsys)
    assert code == ExitCode.OK
    assert told["requests"] == len(asked(home))
    assert (told["tracks"], told["artists"], told["remaining"], told["error"]) == (3, 3, {}, None)
    assert set(told) >= {
        "tracks", "links", "artists", "albums", "features", "not_found", "failed", "requests",
        "remaining", "days_left", "daily_budget", "resumes_at", "error",
    }  # fmt: skip


def test_used_up_requests_are_no_failure(
    home: Household, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says from when on more may be asked, and how at once."""
    monkeypatch.setenv("SPOTIFY_HIST_ENRICH_DAILY_BUDGET", "2")
    command(capsys)
    code, out, err = command(capsys)
    assert code == ExitCode.OK
    assert "still to come" in out
    assert "The 2 requests of a day are used" in err
    assert "--budget" in err
    assert len(asked(home)) == 2
    assert as_json(capsys, "--budget", "1")[1]["requests"] == 1


def test_a_limit_is_exit_code_5_and_keeps_what_was_got(
    home: Household, capsys: pytest.CaptureFixture[str]
) -> None:
    """Try again later; one line says so."""
    home.sandbox.fail("/v1/", 429, skip=1, times=9, headers={"Retry-After": "3600"})
    code, out, err = command(capsys)
    assert code == ExitCode.TEMPORARY
    assert out.startswith("Details: 1 track found; ")
    assert err.count("\n") == 1
    assert "Spotify asks to wait" in err
    code, told = as_json(capsys)
    assert (code, told["requests"], told["error"]["retryable"]) == (5, 0, True)


def test_without_a_login_it_is_exit_code_4(
    home: Household, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command to run."""
    for path in (home.settings.vault).glob("*.token"):
        path.unlink()
    code, out, err = command(capsys)
    assert (code, out) == (ExitCode.LOGIN_NEEDED, "")
    assert "auth login" in err


def test_a_second_one_leaves_quietly(home: Household, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and nothing asked."""
    with turn(home.settings, "enrich"):
        code, out, err = command(capsys)
        assert (code, out) == (0, "")
        assert "Another run is fetching details" in err
        assert as_json(capsys) == (0, Enriched().as_dict())
    assert asked(home) == []


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_a_budget_is_at_least_one(
    home: Household, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """Anything else is refused (exit code 2)."""
    assert command(capsys, "--budget", wrong)[0] == ExitCode.USAGE
    assert asked(home) == []


def test_only_the_person_meant_is_asked_as(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --user, nobody else's login is used."""
    with home_of(tmp_path, "anna", "bert") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        for name in ("anna", "bert"):
            made.log_in(name, authorized_at=datetime.now(UTC))
        made.poll()
        made.sandbox.revoke("bert")
        so_far = len(asked(made))
        capsys.readouterr()
        assert run(["--user", "bert", "enrich"]) == ExitCode.LOGIN_NEEDED
        assert "bert" in capsys.readouterr().err.lower()
        assert run(["--user", "anna", "enrich", "--budget", "2"]) == ExitCode.OK
        assert len(asked(made)) > so_far


def test_the_words_name_every_kind_of_thing() -> None:
    """Singular and plural, thousands apart, and the days that are left."""
    result = Enriched(
        tracks=120, artists=30, albums=1, features=1, links=8, not_found=2, failed=1,
        remaining={"track": 4000, "link": 210}, days_left=15, daily_budget=300,
    )  # fmt: skip
    assert result.in_words() == (
        "Details: 120 tracks, 30 artists, 1 album, 1 track's audio features, 8 links found, "
        "2 that Spotify does not know, 1 to be tried again; 4,210 still to come, "
        "about 15 days at 300 requests a day."
    )


def test_a_kill_costs_only_the_answers_not_kept_yet(
    home: Household, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run goes on from there, and counts what the killed one may have asked."""
    add(home, heard(*((song, 1) for song in SONGS[3:27])))
    home.sandbox.fail("/v1/", 503, skip=30, hold_s=60)
    with Child("from spotify_hist.faces.cli.main import run; run(['enrich'])") as child:
        wait_until(lambda: len(asked(home)) == 31)
        child.kill()
    home.sandbox.faults.clear()
    kept = home.rows("select count(*) from enrich_queue where state = 'done'")[0][0]
    assert isinstance(kept, int)
    assert 0 < kept < 30
    assert home.rows("select status, stats ->> 'requests' from job_runs") == [("running", "40")]

    code, told = as_json(capsys)

    assert (code, told["remaining"]) == (0, {})
    assert {row[0] for row in home.rows("select state from enrich_queue")} == {"done"}
    assert home.rows("select status from job_runs order by run_id") == [("failed",), ("ok",)]
    again = [each for each in set(asked(home)) if asked(home).count(each) > 1]
    assert len(again) <= 31 - kept
