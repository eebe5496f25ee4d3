"""Owns `status`: how everything stands on one screen, and what to do next.

Never looks at anything itself; `collect.status` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotify_hist.errors import ExitCode, UsageError
from spotify_hist.faces import shapes
from spotify_hist.faces.cli import listing
from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from spotify_hist.collect.checks import Problem
    from spotify_hist.collect.status import ListenerStatus, Status
    from spotify_hist.faces.cli.context import App

_PATIENCE_S = 3.0


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Say only what is wrong; exit 0 where all is well, 4 login, 3 history, else 7.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def status(app: App, form: str, check: bool) -> int:
    """Show how everything stands, and what to do next.

    Listeners and their logins, gaps, the database, what waits, and what failed last. It answers
    where the database is in use, too.

    With --check it is for monitors: a line for each thing that is wrong, and an exit code. 0: all
    is well. 3: the history cannot be read, or is not where it should be. 4: a listener must log
    in. 7: nothing was collected for a day, something lies aside that could not be read, a disk is
    nearly full, or a rewrite of the history was cut short. 5: the history is in use, so that not
    everything could be looked at.
    """
    from spotify_hist.collect import advice, checks
    from spotify_hist.collect.status import look
    from spotify_hist.store.database import Database

    wait_s = min(app.settings.number("database.wait_s"), _PATIENCE_S)
    now = app.now()
    found = look(app.settings, Database(app.settings.database, wait_s), lambda: app.vault, now)
    _refuse_nobody(app, found)
    steps = advice.next_steps(found, app.settings, now)
    problems = checks.run(found, app.settings, now)
    if form == "json":
        warnings = advice.warnings(found)
        app.out.json(shapes.status(app.settings, found, problems, warnings, steps))
    elif check:
        _check(app, problems, list(advice.about_outages(found, now)))
    elif found.database_bytes is None and not found.listeners and not found.problems:
        _welcome(app, steps)
    else:
        _tell(app, found, steps, now)
    return int(checks.exit_code(problems) if check else ExitCode.OK)


def _refuse_nobody(app: App, found: Status) -> None:
    """UsageError for a --user that no listener is called: that all is well is not about them."""
    known = [each.name for each in found.listeners]
    if app.user is not None and found.is_read and app.user not in known:
        raise UsageError(
            f"There is no listener called '{app.user}'.",
            hint=f"Known listeners: {', '.join(known) or 'none yet'}.",
        )


def _check(app: App, problems: Sequence[Problem], outages: Sequence[str]) -> None:
    """What is wrong, else what may pass by itself: too young to call a person for."""
    for problem in problems:
        app.out.sentence(problem.in_words())
    if problems:
        return
    app.out.line("Nothing needs a person yet." if outages else "All is well.")
    for outage in outages:
        app.out.sentence(outage)


def _welcome(app: App, steps: Sequence[str]) -> None:
    app.out.line("Nothing is here yet. There are several ways to begin:")
    app.out.line()
    _number(app, steps)
    app.out.line()
    app.out.mapping(
        {"settings": str(app.settings.config_file), "history": str(app.settings.database)}
    )


def _tell(app: App, found: Status, steps: Sequence[str], now: datetime) -> None:
    from spotify_hist.analytics.run import Column

    zone = listing.timezone_of(
        app.settings, [each.standing.listener for each in found.listeners if each.standing], None
    )
    if found.listeners:
        columns = (
            Column("listener", "text"),
            Column("plays", "integer"),
            Column("newest_play_at", "timestamp"),
            Column("last_poll", "word"),
            Column("login", "text"),
        )
        rows = [_row(each, now, is_read=found.is_read) for each in found.listeners]
        app.out.table(columns, rows, zone)
        app.out.line()
    app.out.mapping(dict(_facts(app, found, zone)))
    app.out.line()
    if steps:
        app.out.line("Next steps")
        _number(app, steps)
    else:
        app.out.line("All is well; there is nothing to do.")


def _number(app: App, steps: Sequence[str]) -> None:
    app.out.mapping({f"{number}.": step for number, step in enumerate(steps, 1)})


def _row(each: ListenerStatus, now: datetime, *, is_read: bool) -> tuple[object, ...]:
    standing = each.standing
    return (
        each.name,
        standing.plays if standing else None,
        _iso(standing.newest if standing else None),
        _polled(each, now) if is_read else None,
        _login(each),
    )


def _login(each: ListenerStatus) -> str:
    words = listing.login_in_words(each.login, each.account_id)
    is_paused = each.standing is not None and each.standing.paused_at is not None
    return f"paused, {words}" if is_paused else words


def _facts(app: App, found: Status, zone: str) -> Iterator[tuple[str, str]]:
    yield "history", _database(app, found)
    for disk in found.disks:
        full = ", nearly full" if disk.is_nearly_full else ""
        where = "" if disk is found.disks[0] else f" ({disk.folder})"
        yield "disk" if not where else "watched disk", f"{_size(disk.free_bytes)} free{full}{where}"
    yield "gaps", _gaps(found, zone)
    yield "waiting", _waiting(found)
    unfinished = [each.name for each in found.listeners if each.backfill == "unfinished"]
    if unfinished:
        yield "backfill", f"not finished for {', '.join(unfinished)}; sync goes on with it"
    for lane, moment in found.not_before.items():
        what = "nothing may be asked" if lane == "plays" else "no details may be asked"
        if lane == "plays" or found.not_before.get("plays") != moment:
            yield "Spotify", f"{what} until {listing.local(moment, zone)}"
    failing = _failing(found, zone)
    if failing:
        yield "failing", failing
    if found.failure is not None:
        run = found.failure.run
        whom = f" for {run.user}" if run.user else ""
        since = " (it has worked since)" if found.failure.is_over else ""
        when = listing.local(run.finished_at, zone)
        yield "last failure", f"{run.job}{whom}, {when}: {run.error or 'no reason given'}{since}"


def _failing(found: Status, zone: str) -> str:
    """Since when collecting fails for whom; what strikes several is said once."""
    names: dict[str, list[str]] = {}
    for each in found.listeners:
        if each.outage is not None:
            since = listing.local(each.outage.since, zone)
            names.setdefault(each.outage.reason, []).append(f"{each.name} since {since}")
    return " ".join(f"{', '.join(whom)}: {reason}" for reason, whom in names.items())


def _database(app: App, found: Status) -> str:
    if found.database_bytes is None:
        return f"none yet ({app.settings.database})"
    more = f", {_size(found.wal_bytes)} more to be merged" if found.wal_bytes else ""
    return f"{_size(found.database_bytes)}{more} ({app.settings.database})"


def _gaps(found: Status, zone: str) -> str:
    if not found.is_read:
        return "cannot be told now"
    if not found.gaps:
        return "none known"
    latest = found.gaps[-1]
    after, before = (
        listing.local(moment, zone) for moment in (latest.gap.after, latest.gap.before)
    )
    return f"{len(found.gaps)} open; the latest: {latest.user}, {after} to {before}"


def _waiting(found: Status) -> str:
    waiting = _counted(found.pages_waiting, "page"), _counted(found.archives_waiting, "archive")
    failed = _counted(found.pages_failed, "page"), _counted(found.archives_failed, "archive")
    told = ", ".join(filter(None, waiting)) or "nothing"
    return told + (f"; failed: {', '.join(filter(None, failed))}" if any(failed) else "")


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}" if count else ""


def _polled(each: ListenerStatus, now: datetime) -> str:
    from spotify_hist.collect.advice import age

    if each.polled_at is None:
        return "-" if each.account_id is None else "never"
    return f"{age(now - each.polled_at)} ago"


def _size(count: int) -> str:
    """Bytes in megabytes, or in gigabytes or kilobytes where that says more."""
    if count >= 1e10:
        return f"{count / 1e9:,.0f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
