"""Owns the tools that tell how the collecting goes: what stands, what ran, what was imported.

Never changes anything; the same objects as `status`, `jobs` and `import list` print as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spotify_hist.analytics.params import SHARED, Param
from spotify_hist.faces import shapes
from spotify_hist.faces.server.tool import checked, closed, nullable
from spotify_hist.store import import_jobs, journal, listeners

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.faces.server.tool import Desk
    from spotify_hist.model import Listener
    from spotify_hist.store.database import Connection

_LIMIT = Param("limit", "integer", "How many at most.", default=20, minimum=1, maximum=200)
_TEXT = nullable({"type": "string"})
_COUNT = nullable({"type": "integer"})
_OBJECT = nullable({"type": "object"})
_TEXTS: dict[str, object] = {"type": "array", "items": {"type": "string"}}
_FIELDS: dict[str, dict[str, object]] = {
    **dict.fromkeys(shapes.RUN_FIELDS, _TEXT),
    **dict.fromkeys(shapes.IMPORT_FIELDS, _COUNT),
    **dict.fromkeys(
        ("user", "started_at", "finished_at", "undone_at", "first_played_at", "last_played_at"),
        _TEXT,
    ),
    "run_id": _COUNT,
    "took_s": {"type": "number"},
    "stats": {"type": "object"},
    "files": _TEXTS,
}


@dataclass(frozen=True, slots=True)
class Object:
    """An answer that is no table."""

    value: dict[str, object]

    def as_dict(self) -> dict[str, object]:
        return self.value


class _Work:
    """What these tools share: they are no tables, and an assistant must ask for all to see them."""

    is_live: ClassVar[bool] = False
    is_core: ClassVar[bool] = False

    def columns(self) -> list[dict[str, object]]:
        return []


class SyncStatus(_Work):
    """How everything stands, as `status --format json` tells it."""

    name: ClassVar[str] = "sync_status"
    title: ClassVar[str] = "Sync status"
    summary: ClassVar[str] = (
        "How the collecting stands: listeners and their logins, gaps, the database, what waits, "
        "what failed last, and what to do next."
    )
    grain: ClassVar[str] = ""
    params: ClassVar[tuple[Param, ...]] = ()

    def output_schema(self) -> dict[str, object]:
        lists = {name: {"type": "array"} for name in ("listeners", "disks", "problems")}
        names = ("gaps", "not_before", "database", "spool", "unreadable", "archives")
        objects = dict.fromkeys(names, _OBJECT)
        texts = dict.fromkeys(("warnings", "next_steps"), _TEXTS)
        return closed({**lists, **objects, "last_failure": _OBJECT, **texts})

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Object:
        from spotify_hist.collect import advice, checks
        from spotify_hist.collect.status import look

        checked(self, desk, arguments)
        found = look(desk.settings, desk.database, desk.vault, desk.now)
        steps = advice.next_steps(found, desk.settings, desk.now)
        problems = checks.run(found, desk.settings, desk.now)
        warnings = advice.warnings(found)
        return Object(shapes.status(desk.settings, found, problems, warnings, steps))


class LatestJobRuns(_Work):
    """What ran, as `jobs --format json` tells it."""

    name: ClassVar[str] = "latest_job_runs"
    title: ClassVar[str] = "Latest job runs"
    summary: ClassVar[str] = "What ran of late, newest first, and what came of it."
    grain: ClassVar[str] = "one object per run of a job"
    params: ClassVar[tuple[Param, ...]] = (
        Param("job", "text", "Only this job: poll, backfill, import, undo, enrich."),
        Param("failed", "boolean", "Only what failed.", default=False),
        _LIMIT,
        SHARED["user"],
    )

    def output_schema(self) -> dict[str, object]:
        return _listed("jobs", shapes.RUN_FIELDS)

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Object:
        values = checked(self, desk, arguments)
        with desk.database.read() as connection:
            whom = _meant(connection, values["user"])
            runs = journal.runs(
                connection,
                job=None if values["job"] is None else str(values["job"]),
                user_id=whom.user_id if whom else None,
                failed_only=values["failed"] is True,
                limit=int(values["limit"] or 0),
            )
        return Object({"jobs": [shapes.run(run) for run in runs]})


class LatestImportJobs(_Work):
    """What was imported, as `import list --format json` tells it."""

    name: ClassVar[str] = "latest_import_jobs"
    title: ClassVar[str] = "Latest import jobs"
    summary: ClassVar[str] = "What was imported, newest first, and what was undone."
    grain: ClassVar[str] = "one object per import"
    params: ClassVar[tuple[Param, ...]] = (_LIMIT, SHARED["user"])

    def output_schema(self) -> dict[str, object]:
        return _listed("imports", shapes.IMPORT_FIELDS)

    def ask(self, desk: Desk, arguments: Mapping[str, object]) -> Object:
        values = checked(self, desk, arguments)
        with desk.database.read() as connection:
            whom = _meant(connection, values["user"])
            found = import_jobs.receipts(
                connection,
                user_id=whom.user_id if whom else None,
                limit=int(values["limit"] or 0),
            )
        return Object({"imports": [shapes.listed_import(receipt) for receipt in found]})


TOOLS = (SyncStatus(), LatestJobRuns(), LatestImportJobs())


def _meant(connection: Connection, user: object) -> Listener | None:
    """The listener asked about; None for all of them."""
    return None if user is None else listeners.find_listener(connection, str(user))


def _listed(name: str, fields: tuple[str, ...]) -> dict[str, object]:
    each = closed({field: _FIELDS[field] for field in fields})
    return closed({name: {"type": "array", "items": each}})
