"""Owns the walls around a process that runs foreign SQL: DuckDB's, and the kernel's behind them.

Never trusts either alone: read-only mode, `interrupt` and `max_memory` do not hold (FACTS 9.3).
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_hist.store.database import Connection

_MIB = 1 << 20
# What Python, DuckDB's code and its threads take of the address space before anything runs.
_OWN_MB = 768
_GRACE_S = 1.0


def lock(connection: Connection, *, memory_mb: int, threads: int) -> None:
    """Take from DuckDB the files, the network, its disk space and the way back; all views are made.

    The order matters (FACTS 9.3): what locks the configuration comes last.
    """
    for name, value in (
        ("threads", str(threads)),
        ("memory_limit", f"'{max(memory_mb - _OWN_MB, 64)}MiB'"),
        ("temp_directory", "''"),
        ("python_enable_replacements", "false"),
        ("allow_persistent_secrets", "false"),
        ("allow_community_extensions", "false"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"set {name} = {value}")


def confine(*, memory_mb: int, timeout_s: float, threads: int) -> None:
    """Take from this process what no answer needs; everything it needs is open and imported.

    Address space ends at `memory_mb`. Not one more file, directory or socket can be opened,
    nothing can be written to a file, and no core is dumped. At the deadline the kernel ends the
    process even where nobody waits for it any more. (A limit of processes would count those of the
    whole account.)
    """
    with suppress(ValueError, OSError):  # macOS knows no such limit: there DuckDB's own must do
        _limit(resource.RLIMIT_AS, memory_mb * _MIB)
    _limit(resource.RLIMIT_CPU, int(timeout_s * threads + _GRACE_S) + 1)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _lowest_free())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + _GRACE_S)


def _limit(which: int, most: int) -> None:
    resource.setrlimit(which, (most, most))


def _lowest_free() -> int:
    """The descriptor the next file would get: a limit of just that leaves it none."""
    free = os.dup(0)
    os.close(free)
    return free
