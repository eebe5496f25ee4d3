"""Owns every error a person can meet: its code, exit status, retryability and next step.

Never formats or prints anything; the faces do that.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes, the same for every command."""

    OK = 0
    BUG = 1
    USAGE = 2
    BAD_INPUT = 3
    LOGIN_NEEDED = 4
    TEMPORARY = 5
    PARTIAL = 6
    NEEDS_PERSON = 7
    INTERRUPTED = 130


class SpotifyHistError(Exception):
    """Base of all expected failures: one line in the person's words, and the next step.

    `code` is the stable machine name in JSON, `hint` the next step, `retryable` whether the
    same command may succeed later without any change.
    """

    code = "error"
    exit_code = ExitCode.BUG
    retryable = False
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code

    def as_dict(self) -> dict[str, str | bool]:
        """The JSON error object `{code, message, hint, retryable}`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
        }


class UsageError(SpotifyHistError):
    """The command or its arguments make no sense as given."""

    code = "usage"
    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is missing or has a value that cannot be used."""

    code = "settings"


class UnknownQuery(UsageError):
    """No question of the catalogue has this name."""

    code = "unknown_query"


class NotAllowed(UsageError):
    """Whoever asks may not have this: the token in use does not reach so far."""

    code = "not_allowed"
    hint = "Use a token that reaches it; 'spotify-hist tokens list' shows what each may do."


class BadInput(SpotifyHistError):
    """Something given to us (path, file, database) cannot be read or holds nothing of use."""

    code = "bad_input"
    exit_code = ExitCode.BAD_INPUT


class NoHistory(BadInput):
    """There is no database yet."""

    code = "no_history"
    hint = (
        "Import an export with 'spotify-hist import my_spotify_data.zip', "
        "or start collecting with 'spotify-hist auth login'."
    )


class NewerDatabase(BadInput):
    """The database was written by a newer version of this program."""

    code = "newer_database"
    hint = "Upgrade spotify-hist, or point SPOTIFY_HIST_HOME at another directory."


class DamagedDatabase(BadInput):
    """The file is not a DuckDB database, or its migrations do not add up."""

    code = "damaged_database"
    hint = (
        "Move it away, with the .wal beside it if there is one, and restore a backup; the exports "
        "can be imported again."
    )


class DamagedLog(DamagedDatabase):
    """What DuckDB keeps beside the file (`.wal`) cannot be taken into it."""

    code = "damaged_log"


class NoLocks(BadInput):
    """The file system has no file locks, so that two processes could spoil each other's work."""

    code = "no_locks"
    hint = (
        "Keep the history on a disk of this machine (SPOTIFY_HIST_HOME), or mount the share with "
        "locks: NFS without 'nolock', SMB without 'nobrl'."
    )


class Unavailable(BadInput):
    """Spotify does not offer this to the app: an endpoint is closed or was removed (FACTS 1)."""

    code = "unavailable"
    hint = "Nothing can be done about it; everything else goes on."


class VaultError(BadInput):
    """A stored token cannot be read with the key at hand."""

    code = "vault"
    hint = "Restore the key, or log in again with 'spotify-hist auth login'."


class LoginNeeded(SpotifyHistError):
    """Nobody is logged in, or a login has ended and must be repeated by the person."""

    code = "login_needed"
    exit_code = ExitCode.LOGIN_NEEDED
    hint = "Run 'spotify-hist auth login'."


class Forbidden(LoginNeeded):
    """Spotify refuses this app or this account (HTTP 403); the hint names the remedy."""

    code = "forbidden"


class Temporary(SpotifyHistError):
    """It may work later; whatever was captured is safe in the spool."""

    code = "temporary"
    exit_code = ExitCode.TEMPORARY
    retryable = True
    hint = "Try again later; anything captured is safe in the spool."


class DatabaseBusy(Temporary):
    """Another process holds the database file; `holder` is who, in words, where that is known."""

    code = "database_busy"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        holder: str = "",
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.holder = holder


class AlreadyRunning(Temporary):
    """Another run of the same job is at work; it does what this one would have done."""

    code = "already_running"
    exit_code = ExitCode.OK
    hint = "There is nothing to do."


class Stopped(Temporary):
    """The process was asked to end while it waited."""

    code = "stopped"


class StorageFull(Temporary):
    """The disk is full or a file size limit is reached."""

    code = "storage_full"
    hint = "Free some space and run the same command again; nothing was lost."


class Offline(Temporary):
    """Spotify cannot be reached, or answers with a server error."""

    code = "offline"


class Unreachable(Offline):
    """No answer came at all: there is no connection, or it broke off."""


class RateLimited(Temporary):
    """Spotify asks to wait. `not_before_s`: epoch second of the next allowed call, if told."""

    code = "rate_limited"

    def __init__(
        self, message: str, *, hint: str | None = None, not_before_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.not_before_s = not_before_s


class Interrupted(SpotifyHistError):
    """The person, or whoever watches over the process, asked it to end."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
    retryable = True
    hint = "Run it again to go on."


class OutputLost(SpotifyHistError):
    """What a command has to say cannot be written where it is to go."""

    code = "output_lost"
    exit_code = ExitCode.PARTIAL


class Partial(SpotifyHistError):
    """Some listeners or files were served and others failed."""

    code = "partial"
    exit_code = ExitCode.PARTIAL


class NeedsPerson(SpotifyHistError):
    """Trouble that should have passed by itself and has not for too long.

    `cause` is the failure that every run met. It may succeed later without any change all the
    same: the next run tries again.
    """

    code = "needs_person"
    exit_code = ExitCode.NEEDS_PERSON
    retryable = True

    def __init__(
        self, message: str, *, hint: str | None = None, cause: SpotifyHistError | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class UnreadablePage(Partial):
    """Most of what Spotify tells cannot be read by this version."""

    code = "unreadable_page"
    hint = (
        "What could be read is stored and the rest is kept: a newer version takes it in by itself. "
        "Upgrade spotify-hist; 'spotify-hist status' says more."
    )
