"""Owns making two listeners one in every place that holds something of theirs.

Never decides that they are one person; whoever asks for it does.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from spotify_hist.collect.outages import Outages
from spotify_hist.collect.pages import drain
from spotify_hist.collect.spool import Spool
from spotify_hist.collect.turns import turn
from spotify_hist.errors import Temporary, UsageError
from spotify_hist.store import listener_merge, listeners

if TYPE_CHECKING:
    from spotify_hist.collect.pages import Clock
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.sources.spotify.vault import Vault
    from spotify_hist.store.database import Connection, Database
    from spotify_hist.store.listener_merge import Merged


def merge_listeners(
    settings: Settings, database: Database, vault: Vault, clock: Clock, name: str, other_name: str
) -> Merged:
    """Make the listener `other_name` part of `name`: history, login and waiting pages.

    The history is changed in one step and last, so that after a kill at any instant the same call
    finishes the work. Raises UsageError for a listener nobody knows and for one and the same,
    Temporary while a poll or backfill is at work, and the errors of vault, spool and store.
    """
    with database.read() as connection:
        find_both(connection, name, other_name)
    with ExitStack() as stack:
        # A page fetched meanwhile would make the other listener anew.
        if not all(stack.enter_context(turn(settings, job)) for job in ("poll", "backfill")):
            raise Temporary(
                "A poll or a backfill is running, and could bring new plays of these listeners.",
                hint="Try again when it has ended.",
            )
        spool = Spool(settings.spool)
        for _ in drain(spool, database, clock):
            pass
        with database.write("users merge") as connection:
            listener, other = find_both(connection, name, other_name)
            merged = listener_merge.merge(connection, listener, other, clock())
            _hand_over(settings, vault, spool, listener, other, clock)
        return merged


def find_both(connection: Connection, name: str, other_name: str) -> tuple[Listener, Listener]:
    """The two listeners. Raises UsageError for unknown ones and for one and the same."""
    found = [listeners.find_listener(connection, each) for each in (name, other_name)]
    listener, other = found
    if listener is None or other is None:
        raise UsageError("There is no listener in this history.")
    if listener.user_id == other.user_id:
        raise UsageError(f"'{name}' cannot be merged with itself.", hint="Name two listeners.")
    return listener, other


def _hand_over(
    settings: Settings,
    vault: Vault,
    spool: Spool,
    listener: Listener,
    other: Listener,
    clock: Clock,
) -> None:
    """Login and pages of the other to the listener; repeated, it changes nothing more.

    A listener has one account: where each has one of their own, the other's login goes.
    """
    account = listener_merge.account_of_both(listener, other)
    if account is None or other.account is None:
        return
    if account.is_same_as(other.account):
        tokens = [each for each in vault.tokens() if each.account.is_same_as(account)]
        if len(tokens) > 1:
            vault.log_in(max(tokens, key=lambda each: each.authorized_at))
    else:
        vault.forget(other.account.account_id, other.account.spotify_id)
        spool.hand_over(other.account, account)
    if account.account_id != other.account.account_id:
        Outages(settings).over(other.account.account_id, clock())
