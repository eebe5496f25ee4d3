"""Owns how the account of an import is told to people, as a receipt in words.

Never imports, and never writes but through `output`.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from spotify_hist.errors import ExitCode
from spotify_hist.faces.cli.listing import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spotify_hist.faces.cli.output import Output
    from spotify_hist.settings import Settings
    from spotify_hist.store.import_jobs import FileAccount, Receipt

_SHOWN_FILES = 40
_SHOWN_ROWS = 10
_SHOWN_NAMES = 5
_KINDS = {
    "track": "track",
    "episode": "episode",
    "audiobook_chapter": "audiobook chapter",
    "unknown": "nameless row",
}


def zone_of(settings: Settings, receipt: Receipt) -> str:
    """The time zone whose days a receipt tells (DESIGN 1)."""
    return settings.zone(receipt.timezone).name


def exit_code(receipt: Receipt) -> int:
    """6 where whole files failed beside good ones, 3 where rows did, else 0."""
    if receipt.failed or any(file.damage for file in receipt.files):
        return int(ExitCode.PARTIAL)
    return int(ExitCode.BAD_INPUT if receipt.rejected else ExitCode.OK)


def tell(out: Output, receipt: Receipt, timezone: str) -> None:
    """The receipt in words; days are those of `timezone`."""
    if receipt.is_dry_run:
        out.line("A dry run: nothing was changed. This is what the import would do.")
    _tell_counts(out, receipt, timezone)
    if len(receipt.files) > 1:
        _tell_files(out, receipt)
    for file in receipt.files:
        _tell_trouble(out, file)
    if receipt.unknown_keys:
        out.note(f"Keys this version does not know, left out: {_keys(receipt.unknown_keys)}.")
    if receipt.ignored:
        shown = ", ".join(receipt.ignored[:_SHOWN_NAMES])
        rest = len(receipt.ignored) - _SHOWN_NAMES
        out.note(
            f"Not listening history, left unread: {shown}"
            + (f" and {rest} more." * (rest > 0) or ".")
        )


def _keys(unknown: Mapping[str, int]) -> str:
    """Keys with their rows, as many as a person reads."""
    told = ", ".join(
        f"{name} ({counted(rows, 'row')})" for name, rows in islice(unknown.items(), _SHOWN_NAMES)
    )
    rest = len(unknown) - _SHOWN_NAMES
    return told + f" and {rest} more" * (rest > 0)


def names(receipt: Receipt) -> list[str]:
    """The names of the files, without the folder that all are in."""
    folders = {file.name.rpartition("/")[0] for file in receipt.files}
    if len(folders) > 1:
        return [file.name for file in receipt.files]
    return [file.name.rpartition("/")[2] for file in receipt.files]


def _tell_counts(out: Output, receipt: Receipt, timezone: str) -> None:
    name = f"Import for {receipt.user}" if receipt.is_dry_run else _title(receipt)
    files = f" in {counted(len(receipt.files), 'file')}" if len(receipt.files) > 1 else ""
    out.line(f"{name}: {counted(receipt.records, 'row')} read{files}")
    for label, count, meaning in (
        ("new", receipt.new, "plays not known before"),
        ("upgraded", receipt.upgraded, "told more about plays already known"),
        ("duplicate", receipt.duplicate, "said again what was known"),
        ("rejected", receipt.rejected, "could not be read, see below"),
    ):
        if count or label != "rejected":
            out.line(f"  {count:>11,}  {label:<9}  {meaning}")
    if receipt.first and receipt.last:
        kinds = ", ".join(
            counted(count, _KINDS.get(kind, kind)) for kind, count in receipt.kinds.items()
        )
        out.line(f"Plays of {_days(receipt.first, receipt.last, timezone)}:")
        out.line(f"  {kinds}")
    closed = f", gaps closed: {receipt.gaps_closed:,}" if receipt.gaps_closed else ""
    out.line(f"Plays added: {receipt.plays_added:,}{closed}")


def _title(receipt: Receipt) -> str:
    return f"Import {receipt.import_id} for {receipt.user}"


def _days(first: datetime, last: datetime, timezone: str) -> str:
    from zoneinfo import ZoneInfo

    days = [f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d}" for moment in (first, last)]
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _tell_files(out: Output, receipt: Receipt) -> None:
    """A line for each file, as many as a person reads."""
    from spotify_hist.analytics.run import Column

    counts = ("rows", "new", "upgraded", "duplicate", "rejected")
    out.table(
        [*(Column(name, "integer") for name in counts), Column("file", "text")],
        [
            (file.records, file.new, file.upgraded, file.duplicate, file.rejected_count, name)
            for file, name in zip(receipt.files, names(receipt), strict=True)
        ][:_SHOWN_FILES],
        "UTC",
    )
    if len(receipt.files) > _SHOWN_FILES:
        rest = len(receipt.files) - _SHOWN_FILES
        out.note(f"and {counted(rest, 'more file')}; --format json lists them all.")


def _tell_trouble(out: Output, file: FileAccount) -> None:
    """Where a file broke off, and examples of its rejected rows with the reasons of all."""
    for index, reason in file.rejected[:_SHOWN_ROWS]:
        out.note(f"Rejected: {file.name}, row {index}: {reason}")
    rest = len(file.rejected) - _SHOWN_ROWS
    if rest > 0:
        reasons = Counter(reason for _, reason in file.rejected[_SHOWN_ROWS:]).most_common(3)
        told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
        out.note(
            f"Rejected: {file.name}: {counted(rest, 'more row')}, mostly: {told}. "
            "--format json lists them all."
        )
    if file.damage:
        out.note(f"Damaged: {file.name}: {file.damage}. Download the export again for the rest.")
