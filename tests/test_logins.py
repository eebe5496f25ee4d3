"""Whose logins there are, how long they last, and the warnings before they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_vault import KEY, OTHER_KEY, make_token

from spotify_hist.collect.logins import LoginState, login_states, warning
from spotify_hist.errors import ExitCode
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Vault, stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUTHORIZED = datetime(2026, 6, 1, 12, tzinfo=UTC)
ENDS = datetime(2026, 12, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
ADA = replace(make_token("acc-1"), authorized_at=AUTHORIZED.timestamp())


def only(
    vault: Vault, now: datetime = NOW, names: Mapping[str | None, str] | None = None
) -> LoginState:
    """The one login there is; `names` are listener names by account id."""
    (state,) = login_states(vault, names or {}, now)
    return state


def state_at(left: timedelta) -> LoginState:
    """How a login stands that long before its end."""
    return LoginState("ada", ADA.account, "ends soon", left.days, ENDS, ADA.scopes, None)


def test_a_login_is_known_by_its_listeners_name(tmp_path: Path) -> None:
    """The history's name, else what Spotify calls the account."""
    vault = Vault(tmp_path, KEY)
    vault.save(ADA)
    state = only(vault, names={"acc-1": "countess", "acc-2": "other"})
    assert state == LoginState(
        "countess", ADA.account, "ok", 122, ENDS, ADA.scopes, None, stem_of("acc-1"), AUTHORIZED
    )
    assert only(vault).user == "Ada"
    vault.save(replace(ADA, account=Account("acc-1", "ada-id", None)))
    assert only(vault).user == "ada-id"
    vault.save(replace(ADA, account=Account("acc-1", None, None)))
    assert only(vault).user == "acc-1"


@pytest.mark.parametrize(
    ("left", "state", "days_left"),
    [
        (timedelta(days=31), "ok", 31),
        (timedelta(days=31, seconds=-1), "ends soon", 30),
        (timedelta(days=30), "ends soon", 30),
        (timedelta(days=1), "ends soon", 1),
        (timedelta(seconds=1), "ends soon", 0),
        (timedelta(seconds=0), "ends soon", 0),
        (timedelta(seconds=-1), "ended", 0),
        (timedelta(days=-400), "ended", 0),
    ],
)
def test_a_login_ends_soon_from_thirty_days_on(
    tmp_path: Path, left: timedelta, state: str, days_left: int
) -> None:
    """Whole days, never negative (FACTS 2.3)."""
    vault = Vault(tmp_path, KEY)
    vault.save(ADA)
    found = only(vault, ENDS - left)
    assert (found.state, found.days_left, found.ends_at) == (state, days_left, ENDS)


def test_a_login_past_its_time_may_still_be_tried(tmp_path: Path) -> None:
    """Our calendar is a guess; Spotify decides, and as long as it agrees plays are collected."""
    vault = Vault(tmp_path, KEY)
    vault.save(ADA)
    state = only(vault, ENDS + timedelta(days=1))
    assert state.error is None
    text = warning(state)
    assert text is not None
    assert "were over on 2026-12-01" in text
    assert "'spotify-hist auth login'" in text


def test_a_login_that_spotify_ended_names_the_command_and_the_person(tmp_path: Path) -> None:
    """Every later run can still say who must log in again (FACTS 2.4)."""
    vault = Vault(tmp_path, KEY)
    vault.save(ADA)
    vault.end(ADA, NOW.timestamp(), "The Spotify login has ended.")
    state = only(vault, names={"acc-1": "countess"})
    assert (state.user, state.state, state.days_left) == ("countess", "ended", 0)
    assert state.error is not None
    assert state.error.exit_code == ExitCode.LOGIN_NEEDED
    assert "'spotify-hist auth login'" in state.error.hint
    assert "as Ada" in state.error.hint
    assert warning(state) is None


def test_an_unreadable_login_is_named_where_the_history_knows_the_account(tmp_path: Path) -> None:
    """The file's name is made of the account id, and of nothing else."""
    Vault(tmp_path, OTHER_KEY).save(ADA)
    vault = Vault(tmp_path, KEY)
    vault.save(make_token("acc-2"))
    bob, ada = login_states(vault, {"acc-1": "countess", "acc-2": "bob", None: "me"}, NOW)
    assert (bob.user, bob.error) == ("bob", None)
    assert (ada.user, ada.state) == ("countess", "unreadable")
    assert ada.account == Account("acc-1", None, None)
    assert ada.error is not None
    assert ada.error.exit_code == ExitCode.BAD_INPUT
    assert warning(ada) is None


def test_an_unreadable_login_of_nobody_known_has_a_name_of_its_own(tmp_path: Path) -> None:
    """So that it can be told, and logged out."""
    Vault(tmp_path, OTHER_KEY).save(ADA)
    state = only(Vault(tmp_path, KEY), names={"other": "bob"})
    assert state.user == f"unknown-{stem_of('acc-1')[:8]}"
    assert (state.account, state.stem) == (None, stem_of("acc-1"))


def test_logins_are_ordered_by_name(tmp_path: Path) -> None:
    """Whatever their state."""
    vault = Vault(tmp_path, KEY)
    names: dict[str | None, str] = {"acc-1": "zoe", "acc-2": "ann", "acc-3": "mia"}
    for account_id in filter(None, names):
        vault.save(make_token(account_id))
    vault.end(make_token("acc-2"), 0.0, "It has ended.")
    (tmp_path / f"{stem_of('acc-3')}.token").write_bytes(b"")
    assert [state.user for state in login_states(vault, names, NOW)] == ["ann", "mia", "zoe"]


def test_no_vault_means_no_logins(tmp_path: Path) -> None:
    """And none is made by asking."""
    assert login_states(Vault(tmp_path / "vault", None), {}, NOW) == []
    assert not (tmp_path / "vault").exists()


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (30, "of 'ada' ends in 30 days, on 2026-12-01. Run"),
        (8, "of 'ada' ends in 8 days, on 2026-12-01. Run"),
        (7, "Only 7 days left: the Spotify login of 'ada' ends on 2026-12-01"),
        (1, "Only 1 day left"),
        (0, "Less than a day left"),
    ],
)
def test_warnings_say_how_long_until_when_and_what_to_run(days: int, words: str) -> None:
    """Plain from 30 days on, urgent from 7."""
    text = warning(state_at(timedelta(days=days)))
    assert text is not None
    assert words in text
    assert text.endswith("Run 'spotify-hist auth login' and log in to Spotify as Ada.")
    assert ("no play is collected after that" in text) == (days <= 7)


@examples(deadline=None)
@given(days=st.integers(-10, 200))
def test_there_is_a_warning_exactly_from_the_thirtieth_day_on(
    days: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never earlier, and never left out after."""
    vault = Vault(tmp_path_factory.mktemp("vault"), KEY)
    vault.save(ADA)
    text = warning(only(vault, ENDS - timedelta(days=days)))
    assert (text is None) == (days > 30)
