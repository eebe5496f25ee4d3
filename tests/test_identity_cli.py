"""`tracks`, `artists` and `ignore`: what a listener says about ids, told and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_kit import Cli, Done
from plays import add, extended

from spotify_hist.faces.cli import main

if TYPE_CHECKING:
    from spotify_hist.store.database import Database


@pytest.fixture
def cli(database: Database, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process, on a history of three tracks by two artists."""
    add(
        database,
        [
            extended("2024-05-01T10:00", "Song", "Artist", uri="spotify:track:s"),
            extended("2024-05-02T10:00", "Song", "Artist", album="Best", uri="spotify:track:b"),
            extended("2024-05-03T10:00", "Tune", "Formerly", uri="spotify:track:t"),
        ],
    )

    def run(*arguments: str) -> Done:
        code = main.run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run


def plays(cli: Cli, question: str, *arguments: str) -> dict[str, int]:
    """{name: plays} of a ranking."""
    name = question.removeprefix("top-").removesuffix("s")
    answer = cli("query", question, *arguments, "--format", "json").json()
    return {row[name]: row["plays"] for row in answer["rows"]}


def test_tracks_are_merged_listed_and_reset_by_name(cli: Cli) -> None:
    """Each step says what it did; the list is readable by programs too."""
    assert plays(cli, "top-tracks") == {"Song": 2, "Tune": 1}
    done = cli("tracks", "merge", "song", "Tune - Formerly")
    assert (done.code, done.out) == (0, "")
    assert "'Tune - Formerly' now counts as 'Song - Artist'" in done.err
    assert plays(cli, "top-tracks") == {"Song": 3}
    (rule,) = cli("tracks", "list", "--format", "json").json()["rules"]
    assert (rule["id"], rule["into_name"]) == ("t", "Song - Artist")
    assert "Song - Artist" in cli("tracks", "list").out
    versions = cli("tracks", "list", "Song", "--format", "json").json()["versions"]
    assert [each["id"] for each in versions] == ["s", "b", "t"]
    again = cli("tracks", "merge", "Song", "Song")
    assert (again.code, "count as one already" in again.err) == (2, True)
    assert "taken back" in cli("tracks", "reset", "spotify:track:t").err
    assert "Nothing was said" in cli("tracks", "reset", "t").err
    assert plays(cli, "top-tracks") == {"Song": 2, "Tune": 1}
    assert "No tracks are merged" in cli("tracks", "list").err + cli("tracks", "list").out


def test_one_id_is_split_from_its_song(cli: Cli) -> None:
    """The others stay together."""
    assert cli("tracks", "split", "b").code == 0
    answer = cli("query", "top-tracks", "--format", "json").json()
    assert [row["plays"] for row in answer["rows"]] == [1, 1, 1]
    assert "itself alone" in cli("tracks", "list").out


def test_an_alias_of_an_artist_is_made_and_taken_back(cli: Cli) -> None:
    """Spaces and case do not matter."""
    assert cli("artists", "merge", "Artist", " FORMERLY").code == 0
    assert plays(cli, "top-artists") == {"Artist": 3}
    assert [
        each["name"]
        for each in cli("artists", "list", "Artist", "--format", "json").json()["versions"]
    ] == ["Artist", "Formerly"]
    assert cli("artists", "reset", "Formerly").code == 0
    assert plays(cli, "top-artists") == {"Artist": 2, "Formerly": 1}


def test_what_is_ignored_is_listed_and_shown_again(cli: Cli) -> None:
    """A rule has a number; a second one of the same thing is none."""
    assert "is hidden from the questions." in cli("ignore", "add", "artist", "formerly").err
    assert "already" in cli("ignore", "add", "artist", "Formerly").err
    assert plays(cli, "top-artists") == {"Artist": 2}
    assert plays(cli, "top-artists", "--raw") == {"Artist": 2, "Formerly": 1}
    (rule,) = cli("ignore", "list", "--format", "json").json()["rules"]
    assert (rule["rule_id"], rule["entity"], rule["name"]) == (1, "artist", "Formerly")
    assert "everybody" in cli("ignore", "list").out
    assert cli("ignore", "remove", "1").code == 0
    assert plays(cli, "top-artists") == {"Artist": 2, "Formerly": 1}
    gone = cli("ignore", "remove", "1")
    assert (gone.code, "no ignore rule 1" in gone.err) == (2, True)


def test_a_rule_with_a_user_is_that_listener_s_alone(cli: Cli, database: Database) -> None:
    """And goes with the listener."""
    add(database, [extended("2024-05-01T10:00", "Song", "Artist")], "bob")
    assert "for 'bob'" in cli("--user", "bob", "ignore", "add", "track", "Song").err
    assert plays(cli, "top-tracks", "--user", "bob") == {}
    assert plays(cli, "top-tracks", "--user", "me") == {"Song": 2, "Tune": 1}
    assert cli("users", "remove", "bob", "--yes").code == 0
    assert cli("ignore", "list", "--format", "json").json() == {"rules": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tracks", "merge", "Sonng", "Tune"), "Did you mean 'Song - Artist'?"),
        (("tracks", "merge", "Song"), "Missing argument"),
        (("tracks", "split", "nothing like it"), "was ever played"),
        (("artists", "merge", "Artist", "Formrly"), "Did you mean 'Formerly'?"),
        (("ignore", "add", "kind", "movie"), "There is no kind called 'movie'"),
        (("ignore", "add", "context", "My playlist"), "is not a context"),
        (("ignore", "add", "album", "Besst"), "Did you mean 'Best - Artist'?"),
        (("ignore", "add", "nothing", "x"), "Invalid value"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_next_step(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    """Nothing has changed then."""
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert cli("tracks", "list", "--format", "json").json() == {"rules": []}
    assert cli("ignore", "list", "--format", "json").json() == {"rules": []}


def test_without_a_history_there_is_nothing_to_name(
    home: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said as everywhere else."""
    assert home
    assert main.run(["tracks", "list"]) == 3
    assert "no listening history" in capsys.readouterr().err
