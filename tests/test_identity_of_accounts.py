"""One person stays one listener, whichever of an account's two ids Spotify tells (FACTS 1.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from conftest import NOW
from test_spool import drained, item, page
from test_vault import make_token

from spotify_hist.collect.logins import login_states
from spotify_hist.collect.spool import Spool
from spotify_hist.model import Account
from spotify_hist.sources.spotify.vault import Vault
from spotify_hist.store import listeners

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database

BOTH = Account("acc-anna", "anna", "Anna")
LACKING = Account("anna", "anna", "Anna")  # as an answer without `account_id` is understood
LATER = Account("acc-anna", None, "Anna")
STRANGER = Account("acc-bob", "bob", "Bob")
OTHER = Account("acc-other", "anna", "Another")


@pytest.mark.parametrize("first", [BOTH, LACKING])
@pytest.mark.parametrize("then", [BOTH, LACKING])
def test_pages_under_either_id_are_of_one_listener(
    settings: Settings, database: Database, first: Account, then: Account
) -> None:
    """And the play that both tell of counts once."""
    spool = Spool(settings.spool)
    spool.add(first, page(item(0)), NOW)
    assert [each.user for each in drained(spool, database)] == ["anna"]
    spool.add(then, page(item(0), item(2)), NOW)
    assert [(each.user, each.new) for each in drained(spool, database)] == [("anna", 1)]
    with database.read() as connection:
        [listener] = listeners.listeners(connection)
    assert listener.account_id == ("anna" if first == then == LACKING else "acc-anna")
    spool.add(first, page(), NOW)
    spool.forget(then)
    assert len(spool) == 0


def test_two_accounts_are_two_listeners_whatever_else_is_equal(
    settings: Settings, database: Database
) -> None:
    """The `account_id` is immutable; the other id may have changed hands."""
    spool = Spool(settings.spool)
    for account in (BOTH, OTHER):
        spool.add(account, page(item(0)), NOW)
    assert len({each.user for each in drained(spool, database)}) == 2


def test_the_id_that_is_learnt_later_is_kept(settings: Settings, database: Database) -> None:
    """So that an answer with nothing but that one finds the listener."""
    spool = Spool(settings.spool)
    for account in (LATER, BOTH, LACKING):
        spool.add(account, page(item(0)), NOW)
        assert [each.user for each in drained(spool, database)] == ["anna"]


@pytest.mark.parametrize("first", [BOTH, LACKING])
@pytest.mark.parametrize("then", [BOTH, LACKING])
def test_a_login_takes_the_place_of_the_one_under_the_other_id(
    tmp_path: Path, first: Account, then: Account
) -> None:
    """The vault holds one file of the account, with the newest grant and the best id."""
    vault = Vault(tmp_path / "vault", None)
    vault.log_in(replace(make_token(refresh_token="old"), account=first))
    made = vault.log_in(replace(make_token(refresh_token="new"), account=then))
    [token] = vault.tokens()
    assert (token, token.refresh_token) == (made, "new")
    assert token.account == (LACKING if first == then == LACKING else BOTH)
    vault.forget(first.account_id, first.spotify_id)
    assert vault.tokens() == []


def test_a_login_that_ended_under_the_other_id_is_over(tmp_path: Path) -> None:
    """Nobody is asked to log in again who has."""
    vault = Vault(tmp_path / "vault", None)
    vault.end(replace(make_token(), account=LACKING), NOW.timestamp(), "It has ended.")
    vault.log_in(replace(make_token(), account=BOTH))
    assert vault.ended() == []


def test_of_two_logins_that_the_fault_has_left_one_is_used(tmp_path: Path) -> None:
    """The newest, under the name of the listener who is known by either id."""
    vault = Vault(tmp_path / "vault", None)
    begun = NOW.timestamp()
    vault.save(replace(make_token(), account=BOTH, authorized_at=begun - 1000))
    vault.save(replace(make_token(), account=LACKING, authorized_at=begun))
    vault.save(replace(make_token(), account=STRANGER, authorized_at=begun))
    states = login_states(vault, {"acc-anna": "ann", "anna": "ann"}, NOW)
    assert sorted((each.user, each.account) for each in states if each.account == LACKING) == [
        ("ann", LACKING)
    ]
    assert len(states) == 2
