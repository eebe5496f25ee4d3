"""Owns what the lists of listeners, jobs and messages share: their formats and words for time.

Never reads the database and never writes but through `output`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli.output import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from click.decorators import FC

    from spotify_hist.analytics.run import Column
    from spotify_hist.collect.logins import LoginState
    from spotify_hist.faces.cli.output import Output
    from spotify_hist.model import Listener
    from spotify_hist.settings import Settings

_AGE = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the list is written.",
)


def limit_option(default: int) -> Callable[[FC], FC]:
    """The option `--limit` of a list."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 1_000_000),
        default=default,
        show_default=True,
        help="How many at most.",
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """A list for programs (`objects`, each with all `fields`) and for people (a table).

    `spare` names the columns that give way first on a narrow terminal; `empty` is said where there
    is nothing to list.
    """

    name: str
    fields: Sequence[str]
    objects: Sequence[Mapping[str, object]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    empty: str
    spare: Sequence[str] = ()


def tell(out: Output, listing: Listing, form: Format, timezone: str) -> None:
    """Write the list; instants are in `timezone` in a table, ISO 8601 in UTC elsewhere."""
    if form == "json":
        out.json({listing.name: listing.objects})
    elif form != "table":
        out.rows(listing.fields, [list(each.values()) for each in listing.objects], form)
    elif listing.rows:
        columns, rows = _without_empty(listing)
        out.table(columns, rows, timezone, listing.spare)
    else:
        out.line(listing.empty)


def _without_empty(listing: Listing) -> tuple[list[Column], list[list[object]]]:
    """The table without the columns that could be missed and say nothing."""
    kept = [
        place
        for place, column in enumerate(listing.columns)
        if column.name not in listing.spare or any(row[place] is not None for row in listing.rows)
    ]
    rows = [[row[place] for place in kept] for row in listing.rows]
    return [listing.columns[place] for place in kept], rows


def timezone_of(settings: Settings, listeners: Sequence[Listener], user: str | None) -> str:
    """The time zone to show instants in: the listener's who is meant or alone, else the setting's,
    else the system's (DESIGN 1)."""
    meant = [each for each in listeners if user in {None, each.name}]
    own = meant[0].timezone if len(meant) == 1 else None
    return settings.zone(own).name


def local(moment: datetime, timezone: str) -> str:
    """An instant as tables show it: to the minute, in `timezone`."""
    return moment.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def counted(count: int, thing: str) -> str:
    """A number of things, as a person says it: '1 play', '2,000 plays'."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def login_in_words(login: LoginState | None, account_id: str | None) -> str:
    """How long a login lasts, in a few words; '-' for a listener without a Spotify account."""
    if login is None:
        return "-" if account_id is None else "logged out"
    if login.state in {"refused", "ended", "unreadable"}:
        return login.state
    return "1 day left" if login.days_left == 1 else f"{login.days_left} days left"


def since(text: str, timezone: str, now: datetime) -> datetime:
    """The instant that `text` means: an age such as 30m, 12h or 2d, a date, or an ISO instant.

    A date begins at midnight in `timezone`. Raises UsageError.
    """
    from spotify_hist.analytics import periods

    if found := _AGE.fullmatch(text):
        return _ago(found, now)
    try:
        moment = periods.resolve({"since": text}, ZoneInfo(timezone), now).since
    except UsageError:
        moment = None
    if moment is None:
        raise UsageError(
            f"--since cannot be '{text}'.",
            hint="Use 30m, 12h, 2d, a date such as 2026-11-01, or an instant such as "
            "2026-11-01T08:00.",
        )
    return moment


def older_than(text: str, now: datetime) -> datetime:
    """The instant an age such as 90d ago; UsageError where it is none."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"--older-than cannot be '{text}'.", hint="Use an age such as 90d or 12h.")
    return _ago(found, now)


def _ago(age: re.Match[str], now: datetime) -> datetime:
    try:
        return (now - timedelta(**{_UNITS[age[2]]: int(age[1])})).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{age[0]} is further back than the calendar.") from None
