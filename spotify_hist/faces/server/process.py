"""Owns what the server does to its own process: quiet libraries, and an end that does not wait.

Never answers anything.
"""

from __future__ import annotations

import logging
import os
import sys

_LIBRARIES = ("uvicorn", "mcp", "sse_starlette", "asyncio")


def quiet_libraries() -> None:
    """Silence libraries whose messages may quote a request; the guard logs what matters."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def leave(*, still_running: int) -> None:
    """End the process at once where questions given up still hold their threads.

    The interpreter would wait for those threads; they only read, so nothing can be lost.
    """
    if still_running:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
