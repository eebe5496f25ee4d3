"""Owns what is wrong with an installation, each thing found by a small function of its own.

Never looks at anything itself: every check is a pure function of what `status` saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spotify_hist.collect import trouble
from spotify_hist.collect.bodies import in_words
from spotify_hist.errors import ExitCode, SpotifyHistError, VaultError
from spotify_hist.sources.spotify.limits import duration

if TYPE_CHECKING:
    from spotify_hist.collect.logins import LoginState
    from spotify_hist.collect.status import ListenerStatus, Status
    from spotify_hist.settings import Settings

# Which exit code `status --check` ends with where several things are wrong, most pressing first.
_PRESSING = (
    ExitCode.BAD_INPUT,
    ExitCode.LOGIN_NEEDED,
    ExitCode.NEEDS_PERSON,
    ExitCode.TEMPORARY,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, in the person's words, and the next step; `code` is for programs.

    `exit_code`: BAD_INPUT the history cannot be read, LOGIN_NEEDED a listener must log in,
    NEEDS_PERSON anything else that does not pass by itself, TEMPORARY what could not be looked at
    now.
    """

    code: str
    message: str
    hint: str
    exit_code: ExitCode = ExitCode.NEEDS_PERSON

    def as_dict(self) -> dict[str, str | bool]:
        """The JSON object `{code, message, hint, retryable}`, as of an error."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.exit_code == ExitCode.TEMPORARY,
        }

    def in_words(self) -> str:
        """All of it as one line."""
        return f"{self.message} {self.hint}".rstrip()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a check may look at."""

    status: Status
    settings: Settings
    now: datetime

    @property
    def patience(self) -> timedelta:
        """How long collecting may bring nothing before it is a person's matter."""
        return timedelta(hours=self.settings.number("collect.alarm_after_h"))


Check = Callable[[Snapshot], Iterator[Problem]]


def run(status: Status, settings: Settings, now: datetime) -> list[Problem]:
    """Everything that is wrong, most pressing first; empty where all is well."""
    snapshot = Snapshot(status, settings, now)
    found = [problem for check in CHECKS for problem in check(snapshot)]
    unique = list(dict.fromkeys(found))  # one cause may spoil several logins
    return sorted(unique, key=lambda each: _PRESSING.index(each.exit_code))


def exit_code(problems: list[Problem]) -> ExitCode:
    """The code of the most pressing problem; OK without any."""
    return problems[0].exit_code if problems else ExitCode.OK


def history_is_readable(snapshot: Snapshot) -> Iterator[Problem]:
    """The history file, its log and the file's version."""
    error = snapshot.status.history_problem
    if error is not None:
        is_passing = error.exit_code == ExitCode.TEMPORARY
        yield _of_error(error, ExitCode.TEMPORARY if is_passing else ExitCode.BAD_INPUT)


def history_is_there(snapshot: Snapshot) -> Iterator[Problem]:
    """A history that was there once, or that logins of some age should have made."""
    status = snapshot.status
    if status.database_bytes is not None or not status.is_read:
        return
    is_due = any(
        each.login is not None
        and each.login.begun_at is not None
        and snapshot.now - each.login.begun_at > snapshot.patience
        for each in status.listeners
    )
    if status.had_history or is_due:
        yield Problem(
            "history_missing",
            f"There is no history at {snapshot.settings.database}, where there should be one.",
            "Mount its disk, or put the file or a backup back; the next run would begin a new one.",
            ExitCode.BAD_INPUT,
        )


def logins_are_valid(snapshot: Snapshot) -> Iterator[Problem]:
    """Every login that collects can be used."""
    for each in snapshot.status.listeners:
        if each.login is not None and each.login.error is not None and not each.is_paused:
            yield _of_error(each.login.error, ExitCode.LOGIN_NEEDED)


def rest_is_readable(snapshot: Snapshot) -> Iterator[Problem]:
    """The vault as a whole, and the watched folder."""
    for error in snapshot.status.problems:
        if error is not snapshot.status.history_problem:
            is_login = isinstance(error, VaultError)
            yield _of_error(error, ExitCode.LOGIN_NEEDED if is_login else ExitCode.NEEDS_PERSON)


def plays_are_collected(snapshot: Snapshot) -> Iterator[Problem]:
    """Everybody who is logged in was polled with success of late, whether they played or not."""
    for each in snapshot.status.listeners:
        if each.login is None or each.login.error is not None or each.is_paused:
            continue
        outage = each.outage
        is_failing = outage is not None and outage.lasted_s >= snapshot.patience.total_seconds()
        if not (is_failing or _is_late(each, each.login, snapshot)):
            continue
        if outage is not None and outage.is_going_on(snapshot.now, snapshot.patience):
            words = trouble.in_words(each.name, outage, snapshot.now)
            yield Problem("not_collected", words, trouble.next_step(outage))
            continue
        yield _not_collected(each, snapshot.now)


def _not_collected(listener: ListenerStatus, now: datetime) -> Problem:
    polled, name = listener.polled_at, listener.name
    if polled is not None and polled > now:
        return Problem(
            "not_collected",
            f"'{name}' was last polled at {trouble.minute(polled)} UTC, which lies ahead.",
            "See that the clock of this machine is right, then run 'spotify-hist sync'.",
        )
    ago = "yet" if polled is None else f"for {duration((now - polled).total_seconds())}"
    return Problem(
        "not_collected",
        f"Nothing has been collected for '{name}' {ago}.",
        "Check the timer that runs 'spotify-hist sync' (contrib/README.md), and "
        "'spotify-hist jobs --failed'.",
    )


def _is_late(listener: ListenerStatus, login: LoginState, snapshot: Snapshot) -> bool:
    """Whether no poll did well for so long. A moment that lies far ahead, by a clock that was
    wrong, says nothing (one that is put right by less is no reason to call anybody); a login as
    young as that is given its time."""
    if not snapshot.status.is_read:
        return False
    moments = (listener.polled_at, login.begun_at)
    return all(each is None or abs(snapshot.now - each) > snapshot.patience for each in moments)


def pages_are_understood(snapshot: Snapshot) -> Iterator[Problem]:
    """Nothing that Spotify told lies aside because it could not be read."""
    found = snapshot.status.set_aside
    if found.pages:
        pages = _counted(found.pages, "fetched page")
        what = f"{_counted(found.items, 'play')} in {pages}" if found.items else pages
        yield Problem(
            "failed_pages",
            f"{what} could not be understood: {in_words(found.reasons)}.",
            f"Nothing is lost: see {snapshot.settings.spool / 'failed'}. A newer version takes in "
            "what it can read by itself; upgrade, or please report it. What you delete there is "
            "told of no more.",
        )


def archives_are_imported(snapshot: Snapshot) -> Iterator[Problem]:
    """No archive lies aside because it could not be imported."""
    count = snapshot.status.archives_failed
    if count:
        yield Problem(
            "failed_archives",
            f"{_counted(count, 'archive')} could not be imported.",
            f"The reason lies beside each in {snapshot.settings.watched / 'failed'}. Download them "
            "again, and delete these.",
        )


def disks_have_room(snapshot: Snapshot) -> Iterator[Problem]:
    """The next page, and the next rewrite of the history, can be written."""
    for disk in snapshot.status.disks:
        if disk.is_nearly_full:
            yield Problem(
                "disk_nearly_full",
                disk.in_words(),
                "Free some space: on a full disk, plays are lost.",
            )


def nothing_is_left_over(snapshot: Snapshot) -> Iterator[Problem]:
    """No rewrite of the history was cut short."""
    status = snapshot.status
    if status.is_rewrite_owed:
        yield Problem(
            "rewrite_owed",
            "The history is still to be written anew: titles of a removed listener can be read in "
            "the file.",
            "'spotify-hist sync' does it, where the disk has room for a second copy.",
        )
    if status.leftovers:
        names = ", ".join(path.name for path in status.leftovers)
        yield Problem(
            "leftover_files",
            f"A rewrite of the history was cut short and has left {names} beside it.",
            "Nothing is lost; 'spotify-hist sync' removes it.",
        )


CHECKS: tuple[Check, ...] = (
    history_is_readable,
    history_is_there,
    logins_are_valid,
    rest_is_readable,
    disks_have_room,
    plays_are_collected,
    pages_are_understood,
    archives_are_imported,
    nothing_is_left_over,
)


def _of_error(error: SpotifyHistError, code: ExitCode) -> Problem:
    return Problem(error.code, error.message, error.hint, code)


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
