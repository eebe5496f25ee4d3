"""Owns the JSON in which work is told, on the command line and by the server alike.

Never looks at anything itself, and changes no key: other programs read them (DESIGN 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spotify_hist.collect.checks import Problem
    from spotify_hist.collect.disk_space import DiskSpace
    from spotify_hist.collect.outages import Outage
    from spotify_hist.collect.status import ListenerStatus, Status
    from spotify_hist.settings import Settings
    from spotify_hist.store.import_jobs import FileAccount, Receipt
    from spotify_hist.store.journal import Run

RUN_FIELDS = (
    "run_id", "job", "user", "started_at", "finished_at", "took_s", "status", "stats", "error",
)  # fmt: skip
IMPORT_FIELDS = (
    "import_id", "user", "started_at", "finished_at", "undone_at", "records", "new", "upgraded",
    "duplicate", "rejected", "plays_added", "gaps_closed", "first_played_at", "last_played_at",
    "files",
)  # fmt: skip
_COUNTS = ("import_id", "records", "new", "upgraded", "duplicate", "rejected", "plays_added")


def status(
    settings: Settings,
    found: Status,
    problems: Sequence[Problem],
    warnings: Sequence[str],
    steps: Sequence[str],
) -> dict[str, object]:
    """How everything stands."""
    latest = found.gaps[-1] if found.gaps else None
    failure = found.failure
    return {
        "listeners": [_listener(each) for each in found.listeners],
        "gaps": {
            "open": len(found.gaps) if found.is_read else None,
            "latest": latest
            and {
                "user": latest.user,
                "after": iso(latest.gap.after),
                "before": iso(latest.gap.before),
            },
        },
        "last_failure": failure
        and {
            "job": failure.run.job,
            "user": failure.run.user,
            "finished_at": iso(failure.run.finished_at),
            "error": failure.run.error,
            "is_over": failure.is_over,
        },
        "not_before": {lane: _iso(found.not_before.get(lane)) for lane in ("plays", "details")},
        "database": {
            "path": str(settings.database),
            "bytes": found.database_bytes,
            "wal_bytes": found.wal_bytes,
            "rewrite_owed": found.is_rewrite_owed if found.is_read else None,
            "leftovers": [path.name for path in found.leftovers],
        },
        "disks": [_disk(each) for each in found.disks],
        "spool": {"waiting": found.pages_waiting, "failed": found.pages_failed},
        "unreadable": {
            "pages": found.set_aside.pages,
            "items": found.set_aside.items,
            "reasons": dict(found.set_aside.reasons),
        },
        "archives": {
            "folder": str(settings.watched),
            "waiting": found.archives_waiting,
            "failed": found.archives_failed,
        },
        "problems": [problem.as_dict() for problem in problems],
        "warnings": list(warnings),
        "next_steps": list(steps),
    }


def run(run: Run) -> dict[str, object]:
    """One run of a job: all `RUN_FIELDS`, in their order."""
    return {
        "run_id": run.run_id,
        "job": run.job,
        "user": run.user,
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "took_s": took_s(run),
        "status": run.status,
        "stats": dict(run.stats),
        "error": run.error,
    }


def took_s(run: Run) -> float:
    """How long a run took, in seconds."""
    return round(max((run.finished_at - run.started_at).total_seconds(), 0.0), 3)


def listed_import(receipt: Receipt) -> dict[str, object]:
    """One import as a list shows it: all `IMPORT_FIELDS`, in their order."""
    told = account(receipt)
    return {name: told[name] for name in IMPORT_FIELDS if name != "files"} | {
        "files": [file.name for file in receipt.files]
    }


def receipt(receipt: Receipt) -> dict[str, object]:
    """The receipt as DESIGN 7 fixes it."""
    return {name: getattr(receipt, name) for name in _COUNTS} | {
        "user": receipt.user,
        "dry_run": receipt.is_dry_run,
        "gaps_closed": receipt.gaps_closed,
        "first_played_at": _iso(receipt.first),
        "last_played_at": _iso(receipt.last),
        "kinds": receipt.kinds,
        "unknown_keys": receipt.unknown_keys,
        "files": [_file(file) for file in receipt.files],
        "ignored": list(receipt.ignored),
        "failed": [error.as_dict() for error in receipt.failed],
    }


def account(receipt_: Receipt) -> dict[str, object]:
    """The receipt of an import that is over, and when it was made and undone."""
    return receipt(receipt_) | {
        "started_at": iso(receipt_.started_at),
        "finished_at": iso(receipt_.finished_at),
        "undone_at": _iso(receipt_.undone_at),
        "keep_private": receipt_.keep_private,
    }


def _listener(each: ListenerStatus) -> dict[str, object]:
    standing, login = each.standing, each.login
    return {
        "name": each.name,
        "account_id": each.account_id,
        "plays": standing.plays if standing else None,
        "last_played_at": _iso(standing.newest if standing else None),
        "last_poll_at": _iso(each.polled_at),
        "paused_at": _iso(standing.paused_at if standing else None),
        "backfill": each.backfill,
        "login": login.state if login else None,
        "days_left": login.days_left if login else None,
        "login_ends_at": _iso(login.ends_at if login else None),
        "failing": None if each.outage is None else _outage(each.outage),
        "login_refused_at": _iso(login.refused_at if login else None),
    }


def _outage(outage: Outage) -> dict[str, object]:
    return {
        "since": iso(outage.since),
        "last": iso(outage.last),
        "reason": outage.reason,
        "hint": outage.hint,
    }


def _disk(disk: DiskSpace) -> dict[str, object]:
    return {
        "folder": str(disk.folder),
        "free_bytes": disk.free_bytes,
        "needed_bytes": disk.needed_bytes,
        "free_files": disk.free_files,
        "nearly_full": disk.is_nearly_full,
    }


def _file(file: FileAccount) -> dict[str, object]:
    return {
        "name": file.name,
        "format": file.format,
        "records": file.records,
        "new": file.new,
        "upgraded": file.upgraded,
        "duplicate": file.duplicate,
        "rejected": [{"index": index, "reason": reason} for index, reason in file.rejected],
        "damage": file.damage,
        "first_played_at": _iso(file.first),
        "last_played_at": _iso(file.last),
        "kinds": dict(file.kinds),
        "unknown_keys": dict(file.unknown_keys),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
