"""What each failure of a call means for the question, the app's abilities and the run."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_hist.collect.details import reading
from spotify_hist.collect.details.abilities import Abilities
from spotify_hist.collect.details.asking import Purse, PurseEmptyError
from spotify_hist.collect.details.questions import Questions
from spotify_hist.errors import (
    BadInput,
    Forbidden,
    LoginNeeded,
    Offline,
    RateLimited,
    StorageFull,
    Unavailable,
    VaultError,
)
from spotify_hist.store.enrich import Want

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotify_hist.collect.details.asking import Asker
    from spotify_hist.store.enrich import Answers, Entity

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LONG = RateLimited("Wait.", not_before_s=NOW.timestamp() + 3600)
SHORT = RateLimited("Wait.", not_before_s=NOW.timestamp() + 2)
UNTIMED = RateLimited("Wait.")
NOT_FOUND = BadInput("Unknown.", code="not_found")
OK = None


class Script:
    """An asker whose calls go as told: an error, or an answer for None; then all go well."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        self.outcomes = deque(outcomes)
        self.calls: list[str] = []
        self.accounts = 1

    def one(self, want: Want) -> object:
        """A plain call."""
        return self._call(f"{want.entity} {want.id[0]}", told(want))

    def several(self, wants: Sequence[Want]) -> list[object]:
        """A batch call."""
        self._call("several " + "".join(want.id[0] for want in wants), {})
        return [told(want) for want in wants]

    def most_at_once(self, entity: Entity) -> int:
        """As Spotify has it."""
        return {"track": 50, "artist": 50, "album": 20}.get(entity, 1)

    def wait_for(self, error: RateLimited) -> bool:
        """Only a few seconds."""
        return error.not_before_s == SHORT.not_before_s

    def leave(self) -> bool:
        """Another account, if there is one."""
        self.accounts -= 1
        return self.accounts > 0

    def _call(self, name: str, answer: object) -> object:
        self.calls.append(name)
        outcome = self.outcomes.popleft() if self.outcomes else OK
        if outcome is not None:
            raise outcome
        return answer


def told(want: Want) -> object:
    """What Spotify would tell of it."""
    if want.entity == "link":
        return []
    if want.entity == "features":
        return {"tempo": 120}
    return {"id": want.id, "uri": f"spotify:{want.entity}:{want.id}", "name": "Name"}


def wants(entity: Entity, letters: str) -> list[Want]:
    """Things to ask about, one a letter."""
    return [Want(entity, letter * 22, 1) for letter in letters]


def ask(
    script: Script, asked: Sequence[Want], **known: bool
) -> tuple[Questions, Answers, dict[str, bool]]:
    """One round; the run, what it answered and what it learnt of the app."""
    abilities = Abilities({name: (value, NOW) for name, value in known.items()}, NOW)
    questions = Questions(cast("Asker", script), lambda: NOW)
    answers = questions.round(asked, abilities)
    return questions, answers, abilities.learnt


def states(answers: Answers) -> dict[str, str]:
    """What became of each id, by its letter."""
    return {each.id[0]: each.state for each in answers.settled}


def test_a_batch_is_tried_after_a_plain_call_has_worked() -> None:
    """Then its failure says something."""
    script = Script()
    _, answers, learnt = ask(script, wants("artist", "abc"))
    assert script.calls == ["artist a", "several bc"]
    assert states(answers) == {"a": "done", "b": "done", "c": "done"}
    assert learnt == {"several": True}


def test_a_proven_batch_comes_first() -> None:
    """No plain call is needed any more; albums come twenty at a time."""
    script = Script()
    letters = "abcdefghijklmnopqrstuvwxyz"
    ask(script, wants("album", letters), several=True)
    assert script.calls == [f"several {letters[:20]}", f"several {letters[20:]}"]


@pytest.mark.parametrize("error", [Offline("503"), UNTIMED], ids=["503", "429"])
def test_a_batch_that_fails_where_a_plain_call_works_is_closed(error: Exception) -> None:
    """FACTS 1.6: the plain call right after it tells."""
    script = Script(OK, error)
    questions, answers, learnt = ask(script, wants("track", "abc"))
    assert script.calls == ["track a", "several bc", "track b", "track c"]
    assert states(answers) == {"a": "done", "b": "done", "c": "done"}
    assert learnt == {"several:failing": False}
    assert questions.error is None


@pytest.mark.parametrize("error", [Offline("503"), UNTIMED], ids=["503", "429"])
def test_where_plain_calls_fail_too_nothing_is_marked(error: Exception) -> None:
    """It is Spotify's trouble, or a real limit."""
    script = Script(OK, error, error, error, error)
    questions, answers, learnt = ask(script, wants("track", "abc"))
    assert learnt == {}
    if isinstance(error, RateLimited):
        assert questions.error is error
        assert states(answers) == {"a": "done"}
    else:
        assert states(answers) == {"a": "done", "b": "waiting"}


def test_a_batch_that_worked_before_is_closed_at_the_second_failure() -> None:
    """A single 503 is normal (FACTS 4.3)."""
    once = Script(Offline("503"), OK)
    _, answers, learnt = ask(once, wants("track", "abc"), several=True)
    assert once.calls == ["several abc", "track a", "several bc"]
    assert (set(states(answers).values()), learnt) == ({"done"}, {})
    twice = Script(Offline("503"), OK, Offline("503"))
    _, answers, learnt = ask(twice, wants("track", "abcd"), several=True)
    assert twice.calls == [
        "several abcd",
        "track a",
        "several bcd",
        "track b",
        "track c",
        "track d",
    ]
    assert (set(states(answers).values()), learnt) == ({"done"}, {"several:failing": False})


def test_a_short_limit_on_a_batch_is_waited_for_once() -> None:
    """The same batch again; a limit is no sign of a closed endpoint yet."""
    script = Script(OK, SHORT)
    _, answers, learnt = ask(script, wants("track", "abcd"))
    assert script.calls == ["track a", "several bcd", "several bcd"]
    assert set(states(answers).values()) == {"done"}
    assert learnt == {"several": True}


def test_a_batch_that_only_asks_for_short_waits_is_closed() -> None:
    """At the second one a plain call is made."""
    script = Script(OK, SHORT, SHORT)
    _, _, learnt = ask(script, wants("track", "abcd"))
    assert script.calls[:4] == ["track a", "several bcd", "several bcd", "track b"]
    assert script.calls[4:] == ["track c", "track d"]
    assert learnt == {"several:failing": False}


def test_a_long_limit_on_an_unproven_batch_ends_every_run_only_twice() -> None:
    """Nobody can tell at once whether the endpoint is closed; happening again, it is."""
    abilities = Abilities({}, NOW)
    first = Questions(cast("Asker", Script(OK, LONG)), lambda: NOW)
    first.round(wants("track", "abc"), abilities)
    assert (first.error, abilities.learnt) == (LONG, {"several:doubted": False})
    assert abilities.may("several")
    again = Abilities({"several:doubted": (False, NOW)}, NOW)
    second = Questions(cast("Asker", Script(OK, LONG)), lambda: NOW)
    second.round(wants("track", "abc"), again)
    assert second.error is LONG
    assert not again.may("several")


def test_a_long_limit_on_a_proven_batch_says_nothing_about_it() -> None:
    """It ends the run, that is all."""
    questions, answers, learnt = ask(Script(LONG), wants("track", "abc"), several=True)
    assert (questions.error, states(answers), learnt) == (LONG, {}, {})


def test_refused_batches_and_features_are_remembered_and_the_rest_goes_on() -> None:
    """FACTS 1.1 and 1.2: closed for this app."""
    asked = [*wants("track", "abc"), *wants("features", "xy"), *wants("artist", "d")]
    script = Script(OK, Unavailable("No."), OK, OK, Unavailable("No."))
    questions, answers, learnt = ask(script, asked)
    assert script.calls == [
        "track a", "several bc", "track b", "track c", "features x", "artist d",
    ]  # fmt: skip
    assert learnt == {"several": False, "audio_features": False}
    assert questions.error is None
    assert set(states(answers)) == set("abcd")


def test_features_that_are_missing_three_times_before_any_is_found_are_closed() -> None:
    """A closed endpoint may answer 404 (FACTS 1.6); none of the tracks is called unknown."""
    script = Script(NOT_FOUND, NOT_FOUND, NOT_FOUND)
    _, answers, learnt = ask(script, wants("features", "abcd"))
    assert len(script.calls) == 3
    assert set(states(answers).values()) == {"waiting"}
    assert learnt == {"audio_features": False}


def test_missing_features_are_believed_where_others_were_found() -> None:
    """Not every track has some."""
    script = Script(NOT_FOUND)
    _, answers, learnt = ask(script, wants("features", "ab"), audio_features=True)
    assert states(answers) == {"a": "not_found", "b": "done"}
    assert learnt == {}


def test_features_that_fail_are_judged_by_a_plain_call_for_their_track() -> None:
    """The track itself is not settled by it."""
    script = Script(Offline("503"), OK)
    _, answers, learnt = ask(script, wants("features", "ab"))
    assert script.calls == ["features a", "track a"]
    assert states(answers) == {}
    assert learnt == {"audio_features:failing": False}


def test_only_a_404_is_not_found() -> None:
    """Neither trouble, nor a limit, nor nonsense."""
    nonsense = Script()
    with mock.patch.object(nonsense, "one", return_value={"hello": 1}):
        assert states(ask(nonsense, wants("track", "a"))[1]) == {"a": "waiting"}
    assert states(ask(Script(Offline("502")), wants("album", "a"))[1]) == {"a": "waiting"}
    assert states(ask(Script(LONG), wants("album", "a"))[1]) == {}
    assert states(ask(Script(NOT_FOUND), wants("album", "a"))[1]) == {"a": "not_found"}


def test_an_empty_purse_ends_the_round_and_settles_nothing() -> None:
    """What could not be paid for is asked in the next run."""
    questions, answers, _ = ask(Script(OK, PurseEmptyError()), wants("features", "ab"))
    assert (states(answers), questions.error) == ({"a": "done"}, None)


@pytest.mark.parametrize(
    "error", [LoginNeeded("Ended."), Forbidden("Not on the list."), VaultError("Damaged.")]
)
def test_a_useless_login_makes_room_for_the_next(error: Exception) -> None:
    """The round ends; only without another account is it the run's end."""
    script = Script(error)
    script.accounts = 2
    questions, answers, _ = ask(script, wants("track", "ab"))
    assert (questions.error, states(answers), len(script.calls)) == (None, {}, 1)
    questions, _, _ = ask(Script(error), wants("track", "ab"))
    assert questions.error is error


def test_any_other_failure_ends_the_run() -> None:
    """A full disk, for one: the vault cannot renew a login."""
    full = StorageFull("The disk is full.")
    questions, answers, _ = ask(Script(OK, full), wants("features", "ab"))
    assert questions.error is full
    assert states(answers) == {"a": "done"}


def test_delays_grow_up_to_a_week() -> None:
    """A quarter of an hour, then four times as long each time."""
    delays = []
    for tries in range(8):
        _, answers, _ = ask(Script(Offline("502")), [Want("track", "a" * 22, 1, tries)])
        (settled,) = answers.settled
        assert settled.next_try_at is not None
        assert settled.tries == tries + 1
        delays.append(settled.next_try_at - NOW)
    assert delays[:3] == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)]
    assert max(delays) == delays[-1] == timedelta(days=7)


def test_a_round_ends_at_fifty_answers() -> None:
    """No kill costs more than that."""
    many = [Want("link", f"local:{at}", 1) for at in range(80)]
    _, answers, _ = ask(Script(), many)
    assert len(answers) == 50


@given(allowance=st.integers(-3, 60), rounds=st.lists(st.integers(0, 30), max_size=6))
def test_a_purse_never_pays_more_than_put_aside_nor_than_it_holds(
    allowance: int, rounds: list[int]
) -> None:
    """What a killed run had put aside is the most it can have spent."""
    payments: list[tuple[int, int]] = []
    purse = Purse(lambda spent, most: payments.append((spent, most)))
    purse.fill(allowance)
    for most in rounds:
        before, aside = purse.spent, purse.put_aside(most)
        for _ in range(aside):
            purse.pay()
        with pytest.raises(PurseEmptyError):
            purse.pay()
        assert purse.spent == before + aside
        assert aside <= most
    assert len(payments) == purse.spent <= max(0, allowance)
    assert all(most == max(0, allowance) for _, most in payments)


def test_what_is_known_of_an_app_is_tried_again_in_time() -> None:
    """Refused batches after thirty days, failing ones after seven, features never (FACTS 1.1)."""

    def may(name: str, ability: str, days: int) -> bool:
        known = {name: (False, NOW - timedelta(days=days))}
        return Abilities(known, NOW).may(ability)  # type: ignore[arg-type]

    assert [may("several", "several", days) for days in (0, 29, 30)] == [False, False, True]
    assert [may("several:failing", "several", days) for days in (6, 7)] == [False, True]
    assert [may("search", "search", days) for days in (29, 30)] == [False, True]
    assert [may("audio_features", "audio_features", days) for days in (30, 4000)] == [False, False]
    assert may("audio_features:failing", "audio_features", 7)


def test_a_repeated_refusal_counts_from_then_on() -> None:
    """Otherwise it would be tried at every run after the first thirty days."""
    abilities = Abilities({"several": (False, NOW - timedelta(days=40))}, NOW)
    assert abilities.may("several")
    abilities.is_refused("several")
    assert abilities.learnt == {"several": False}
    assert not abilities.may("several")
    abilities.works("several")
    assert abilities.learnt == {"several": True}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "uri", "name", "album", "artists", "images", "url", "width", "genres",
             "duration_ms", "external_ids", "isrc", "release_date", "tempo", "key", "mode"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_no_answer_of_whatever_shape_breaks_the_reading(value: object) -> None:
    """Every field may be absent or of another type (FACTS 1.3)."""
    asked = "a" * 22
    song = reading.song(value, asked)
    artist = reading.artist(value, asked)
    album = reading.album(value, asked)
    features = reading.features(value, asked)
    for read in (artist, album, features):
        assert read is None or read[0] == asked
    assert song is None or (song.track.track_id == asked and song.title)


def test_a_track_told_under_another_id_is_kept_under_the_one_asked_for() -> None:
    """Spotify answers with what can be played in the listener's country."""
    song = reading.song({"id": "b" * 22, "name": "Song", "duration_ms": 5}, "a" * 22)
    assert song is not None
    assert (song.track.track_id, song.track.duration_ms) == ("a" * 22, 5)
