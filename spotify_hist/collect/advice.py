"""Owns what a person should do next, in plain words with the exact commands.

Never looks at anything itself; `status` did.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from spotify_hist.collect import checks, trouble
from spotify_hist.collect.logins import warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from spotify_hist.collect.status import ListenerStatus, Status
    from spotify_hist.settings import Settings

LATE = timedelta(hours=2)
# What a check says best; the rest of them is told here with more to it.
_AS_CHECKED = {"history_missing", "disk_nearly_full", "rewrite_owed", "leftover_files"}
_PRIVACY = "https://www.spotify.com/account/privacy/"
_DASHBOARD = "https://developer.spotify.com/dashboard"


def warnings(status: Status) -> list[str]:
    """What is to be said of logins that end soon, or by our calendar have ended."""
    texts = (warning(each.login) for each in status.listeners if each.login is not None)
    return [text for text in texts if text is not None]


def next_steps(status: Status, settings: Settings, now: datetime) -> list[str]:
    """What to do, most urgent first; empty where all goes well."""
    if status.database_bytes is None and not status.listeners and not status.problems:
        return list(_first_steps(settings))
    steps = [
        *(f"{problem.message} {problem.hint}".rstrip() for problem in status.problems),
        *(
            problem.in_words()
            for problem in checks.run(status, settings, now)
            if problem.code in _AS_CHECKED
        ),
        *_about_logins(status),
        *_about_what_waits(status, settings, now),
        *about_outages(status, now),
        *_about_polls(status, now),
        *_about_doubles(status),
        *_about_gaps(status),
        *_about_collecting(status, settings),
    ]
    return list(dict.fromkeys(steps))  # one cause may spoil several logins


def _first_steps(settings: Settings) -> Iterator[str]:
    yield "To look around with an invented listener: 'spotify-hist demo'."
    yield (
        f"To bring in your past: ask Spotify for your extended streaming history at {_PRIVACY}, "
        "then 'spotify-hist import my_spotify_data.zip'. This needs no app."
    )
    yield from _connect(settings, "To collect new plays from now on: ")


def _connect(settings: Settings, begin: str) -> Iterator[str]:
    if settings.text("client_id"):
        yield f"{begin}'spotify-hist auth login'."
    else:
        yield (
            f"{begin}create an app at {_DASHBOARD} (Web API, redirect URI "
            'http://127.0.0.1/callback), write client_id = "its client id" into '
            f"{settings.config_file}, then 'spotify-hist auth login'."
        )


def _about_logins(status: Status) -> Iterator[str]:
    for each in status.listeners:
        if each.login is not None and each.login.error is not None:
            yield f"{each.login.error.message} {each.login.error.hint}".rstrip()
    yield from warnings(status)


def _about_what_waits(status: Status, settings: Settings, now: datetime) -> Iterator[str]:
    if status.pages_waiting:
        yield f"Store {_counted(status.pages_waiting, 'fetched page')}: 'spotify-hist sync'."
    snapshot = checks.Snapshot(status, settings, now)
    yield from (problem.in_words() for problem in checks.pages_are_understood(snapshot))
    if status.archives_waiting:
        yield (
            f"Import {_counted(status.archives_waiting, 'archive')} in {settings.watched}: "
            "'spotify-hist sync'."
        )
    if status.archives_failed:
        yield (
            f"{_counted(status.archives_failed, 'archive')} could not be imported: the reason "
            f"lies beside each in {settings.watched / 'failed'}. Download them again, and delete "
            "these."
        )


def about_outages(status: Status, now: datetime) -> Iterator[str]:
    """Whom no run has collected for of late, since when, why, and what to do."""
    for each in status.listeners:
        if not _is_collected(each, status) or not _is_late(each, now):
            continue
        if each.outage is not None and each.outage.is_going_on(now, LATE):
            words = trouble.in_words(each.name, each.outage, now)
            yield f"{words} {trouble.next_step(each.outage)}".rstrip()


def _is_late(listener: ListenerStatus, now: datetime) -> bool:
    return listener.polled_at is None or now - listener.polled_at > LATE


def _about_doubles(status: Status) -> Iterator[str]:
    """One person who has become two, by an answer of Spotify that lacked one of the ids."""
    known = [each.standing.listener for each in status.listeners if each.standing is not None]
    for number, other in enumerate(known):
        for each in known[:number]:
            if each.account and other.account and each.account.is_same_as(other.account):
                yield (
                    f"'{each.name}' and '{other.name}' are one Spotify account: "
                    f"'spotify-hist users merge {each.name} {other.name}'."
                )


def _about_polls(status: Status, now: datetime) -> Iterator[str]:
    if "plays" in status.not_before:
        return  # no poll is due before that
    for each in status.listeners:
        is_failing = each.outage is not None and each.outage.is_going_on(now, LATE)
        if is_failing or not _is_collected(each, status):
            continue
        if each.polled_at is None:
            yield (
                f"Fetch the first plays of '{each.name}': 'spotify-hist sync'. Then let a timer "
                "run it every 10 minutes (contrib/README.md)."
            )
        elif each.polled_at - now > LATE:
            yield (
                f"'{each.name}' was last polled at {_minute(each.polled_at)} UTC, which lies "
                "ahead: see that the clock of this machine is right, then 'spotify-hist sync'."
            )
        elif now - each.polled_at > LATE:
            yield (
                f"'{each.name}' was last polled {age(now - each.polled_at)} ago: check the timer "
                "that runs 'spotify-hist sync' (contrib/README.md), and 'spotify-hist jobs "
                "--failed'."
            )


def _is_collected(listener: ListenerStatus, status: Status) -> bool:
    """Whether it is known that plays are to be fetched for a listener."""
    if listener.login is None or listener.login.state in {"refused", "ended", "unreadable"}:
        return False
    if listener.standing is None:
        return status.is_read
    return listener.standing.paused_at is None


def _about_gaps(status: Status) -> Iterator[str]:
    if not status.gaps:
        return
    latest = status.gaps[-1]
    others = len(status.gaps) - 1
    more = f", and in {_counted(others, 'older gap')}" if others else ""
    yield (
        f"Plays of '{latest.user}' are missing between {_minute(latest.gap.after)} and "
        f"{_minute(latest.gap.before)} UTC{more}: ask Spotify for the extended streaming history "
        f"at {_PRIVACY} and import it."
    )


def _about_collecting(status: Status, settings: Settings) -> Iterator[str]:
    if not any(each.login is not None for each in status.listeners) and not status.problems:
        yield from _connect(settings, "To collect new plays too: ")
    elif not settings.text("client_id"):
        yield (
            "No Spotify app is configured, so that no login can be renewed: write client_id into "
            f"{settings.config_file}."
        )


def age(span: timedelta) -> str:
    """How long something is ago, to one unit: `45 s`, `12 min`, `5 h`, `3 days`."""
    seconds = max(round(span.total_seconds()), 0)
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
