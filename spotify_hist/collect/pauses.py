"""Owns that nothing is collected for a listener who is paused.

Never forgets anybody: `users` in the history says who is paused. A flag beside the spool says
whether anybody is, so that a poll need not open the history only to find that nobody is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from spotify_hist.errors import StorageFull
from spotify_hist.private_files import make_directory, open_private
from spotify_hist.store import listeners

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Connection


def pause(settings: Settings, connection: Connection, listener: Listener, now: datetime) -> None:
    """Collect nothing for a listener from now on; inside the caller's transaction.

    Raises StorageFull where that cannot be noted.
    """
    try:
        _raise_flag(settings)
    except OSError as error:
        raise StorageFull(f"{_flag(settings)} cannot be made: {error.strerror}.") from None
    listeners.pause(connection, listener, now)


def resume(connection: Connection, listener: Listener) -> None:
    """Collect for a listener again. The flag stays until `paused` finds nobody."""
    listeners.resume(connection, listener)


def may_be_paused(settings: Settings) -> bool:
    """Whether anybody may be: then the history has to be asked."""
    return _flag(settings).exists()


def paused(settings: Settings, connection: Connection) -> set[int]:
    """The user ids of those who are paused, and the flag put right."""
    found = set(listeners.paused(connection))
    # A history that was brought here from elsewhere brings no flag.
    with suppress(OSError):
        if found:
            _raise_flag(settings)
        else:
            _flag(settings).unlink(missing_ok=True)
    return found


def _raise_flag(settings: Settings) -> None:
    make_directory(settings.spool)
    os.close(open_private(_flag(settings), os.O_WRONLY))


def _flag(settings: Settings) -> Path:
    return settings.spool / ".paused"
