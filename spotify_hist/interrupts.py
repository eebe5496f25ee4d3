"""Owns what Ctrl-C and SIGTERM do to this process: it is stopped once, where it may be stopped.

Never says anything but the last line of a process that is ended at once; the command line does.

The first signal raises KeyboardInterrupt, but not while a module is being imported (C extensions
answer that by aborting) and not inside `held`. Later ones do not disturb what is being tidied up;
after a second they end the process as a kill would, which costs nothing either.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_IMPATIENT_S = 1.0
_AGAIN_S = 0.02
_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"
# A signal that whoever started us ignores, as a shell does for jobs in the background, stays so.
_ANSWERED = (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
)


class _State:
    """Where this process is on its way to the end."""

    is_installed = False
    has_begun = False
    number: int | None = None
    asked_at_s = 0.0
    is_raised = False
    holds = 0
    farewell = "Stopped."
    # What is to be stopped as it does not come back to Python for long.
    calls: list[Callable[[], None]] = []  # noqa: RUF012 - there is one process
    lock = threading.Lock()
    is_watched = False


def install() -> None:
    """Answer the signals from now on. Until `begin` there is nothing to tidy up: they end the
    process at once."""
    if _State.is_installed:
        return
    _State.is_installed = True
    for number, usual in _ANSWERED:
        if signal.getsignal(number) in {usual, signal.SIG_DFL}:
            signal.signal(number, _answer)
    sys.unraisablehook = _unraisable


def begin(farewell: str) -> None:
    """From now on a signal raises KeyboardInterrupt; `farewell` is the line of an end at once."""
    _State.has_begun = True
    _State.farewell = farewell


def asked() -> int | None:
    """The number of the signal that asked for the end, if one did."""
    return _State.number


def exit_code() -> int:
    """The exit code of a process that such a signal ended, as shells count it."""
    return 128 + (_State.number or signal.SIGINT)


@contextmanager
def held() -> Iterator[None]:
    """Let the end wait for what must not be cut in two."""
    _State.holds += 1
    try:
        yield
    finally:
        _State.holds -= 1


@contextmanager
def stopping(call: Callable[[], None]) -> Iterator[None]:
    """Have `call` called, in another thread, as soon as the end is asked for: for work that does
    not come back to Python for long. It may be called several times."""
    if not _State.is_installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch()
    with _State.lock:
        _State.calls.append(call)
    try:
        yield
    finally:
        with _State.lock:
            _State.calls.remove(call)


def leave(code: int) -> NoReturn:
    """End the process now, with what was said: no thread and no exit handler is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def finish(code: int) -> NoReturn:
    """End a process whose work is done. A signal that comes now has nothing left to stop.

    One that came before and still waited for its moment is not told of either: but the alarm that
    stands for it would kill an interpreter that has begun to end.
    """
    _State.has_begun = False
    if _State.number is not None:
        leave(code)
    with suppress(KeyboardInterrupt):
        for number, _ in _ANSWERED:
            if signal.getsignal(number) is _answer:
                signal.signal(number, lambda *_: leave(code))
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        for number, _ in _ANSWERED:
            signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def leave_at_once() -> NoReturn:
    """Say the farewell, and end as a kill would."""
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
        os.write(2, f"{_State.farewell}\n".encode())
    os._exit(exit_code())


def _answer(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    is_again = number == signal.SIGALRM
    if _State.number is None:
        _State.number, _State.asked_at_s = number, now
    elif not is_again and now - _State.asked_at_s > _IMPATIENT_S:
        leave_at_once()
    if not _State.has_begun:
        leave_at_once()
    if _State.is_raised:
        return
    if _State.holds or _is_importing(frame):
        _come_again()
        return
    _State.is_raised = True
    raise KeyboardInterrupt


def _come_again() -> None:
    signal.signal(signal.SIGALRM, _answer)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _unraisable(error: sys.UnraisableHookArgs) -> None:
    """A KeyboardInterrupt that struck where nothing can be raised, such as a finaliser, is raised
    again a moment later instead of being printed. What else fails there by then is its doing."""
    if _State.is_raised and issubclass(error.exc_type, KeyboardInterrupt):
        _State.is_raised = False
        _come_again()
    elif _State.number is None:
        sys.__unraisablehook__(error)


def _watch() -> None:
    """Have a thread learn of signals as they come, whatever the main thread is at."""
    if _State.is_watched:
        return
    _State.is_watched = True
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_pass_on, args=(told,), daemon=True).start()


def _pass_on(told: int) -> None:
    """Call what is to be stopped until the main thread has heard of it. A call that came between
    two pieces of work stops neither, so that one is not enough."""
    while received := os.read(told, 1):
        if signal.getsignal(received[0]) is not _answer:
            continue
        while not _State.is_raised:
            if not _State.holds:
                with _State.lock:
                    for call in _State.calls:
                        call()
            time.sleep(_AGAIN_S)
