"""Owns the accounts of imports: their files, counts and rejected rows, written and told again.

Never touches records or plays.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spotify_hist.errors import BadInput, SpotifyHistError, Temporary
from spotify_hist.store import sql
from spotify_hist.store.database import instant, integers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from spotify_hist.store.database import Connection
    from spotify_hist.store.tallies import Told

_ALL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileToAdd:
    """A file of an import before its records are committed; `rejected` are (index, reason).

    `unknown_keys` are empty also where the file was not read, because an earlier one said the same.
    """

    file_id: int
    name: str
    package: str
    format: str
    sha256: str
    packed_sha256: str | None
    records: int
    damage: str | None
    rejected: Sequence[tuple[int, str]]
    told: Told
    unknown_keys: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FileAccount:
    """What became of one file: records = new + upgraded + duplicate + rejected.

    The middle three are None for files imported by versions that did not count them. `first` and
    `last` are the ends of its first and last play, `kinds` its good rows by kind; `rejected` are
    (index, reason), `damage` says where the file broke off, and `unknown_keys` in how many rows
    each key stands that the version which read it did not know.
    """

    file_id: int
    name: str
    package: str
    format: str
    sha256: str
    packed_sha256: str | None
    records: int
    new: int | None
    upgraded: int | None
    duplicate: int | None
    rejected_count: int
    damage: str | None
    first: datetime | None
    last: datetime | None
    kinds: Mapping[str, int]
    unknown_keys: Mapping[str, int]
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an import did: records = new + upgraded + duplicate + rejected, per file and in all.

    `failed` are inputs nothing could be read of, `ignored` files that hold no listening. A receipt
    with `is_dry_run` tells what would be done; one with `undone_at` of what no longer stands.
    `timezone` is the listener's own.
    """

    import_id: int
    user_id: int
    user: str
    timezone: str | None
    started_at: datetime
    finished_at: datetime
    undone_at: datetime | None
    records: int
    new: int
    upgraded: int
    duplicate: int
    rejected: int
    plays_added: int
    gaps_closed: int | None
    keep_private: bool | None
    files: tuple[FileAccount, ...]
    ignored: tuple[str, ...] = ()
    failed: tuple[SpotifyHistError, ...] = ()
    is_dry_run: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every row of every input was read."""
        return not (self.rejected or self.failed or any(file.damage for file in self.files))

    @property
    def first(self) -> datetime | None:
        """The end of the first play that any of the files tells of."""
        return min((file.first for file in self.files if file.first), default=None)

    @property
    def last(self) -> datetime | None:
        """The end of the last play that any of the files tells of."""
        return max((file.last for file in self.files if file.last), default=None)

    @property
    def kinds(self) -> dict[str, int]:
        """How many good rows there are of each kind, most first."""
        return _sum(file.kinds for file in self.files)

    @property
    def unknown_keys(self) -> dict[str, int]:
        """In how many rows each key stands that was not known, most first."""
        return _sum(file.unknown_keys for file in self.files)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that an import which still stands has read whole, without a row it rejected."""

    format: str
    sha256: str
    packed_sha256: str | None
    records: int


def known_files(connection: Connection, user_id: int) -> list[KnownFile]:
    """The files a listener need not import again.

    Not account data: which of several equal rows one is depends on the files beside it.
    """
    rows = connection.execute(_step("known_files"), {"user_id": user_id}).fetchall()
    return [KnownFile(*row) for row in rows]


def unknown_files(connection: Connection, file_ids: Sequence[int]) -> int:
    """How many of these files do not share the rows of an earlier one."""
    return integers(connection, _step("unknown_files"), {"file_ids": list(file_ids)})[0]


def next_import_ids(connection: Connection) -> tuple[int, int]:
    """(the id of the next import, the last file id given out)."""
    import_id, last_file_id = integers(connection, _step("next_ids"))
    return import_id, last_file_id


def add_files(
    connection: Connection, import_id: int, user_id: int, files: Sequence[FileToAdd]
) -> None:
    """Write down the files of an import, before their records are committed."""
    connection.execute(
        _step("add_files"),
        {
            "import_id": import_id,
            "user_id": user_id,
            "file_ids": [file.file_id for file in files],
            "names": [file.name for file in files],
            "packages": [file.package for file in files],
            "formats": [file.format for file in files],
            "sha256s": [file.sha256 for file in files],
            "packed_sha256s": [file.packed_sha256 for file in files],
            "records": [file.records for file in files],
            "rejected": [len(file.rejected) for file in files],
            "damages": [file.damage for file in files],
            "firsts": [file.told.first for file in files],
            "lasts": [file.told.last for file in files],
            "kinds": [_json(file.told.kinds) for file in files],
            "unknown_keys": [_json(file.unknown_keys) for file in files],
        },
    )
    rejected = [(file.file_id, *row) for file in files for row in file.rejected]
    if rejected:
        file_ids, indexes, reasons = map(list, zip(*rejected, strict=True))
        connection.execute(
            _step("add_rejected"), {"file_ids": file_ids, "indexes": indexes, "reasons": reasons}
        )


def add_privates(connection: Connection, keyed: str) -> None:
    """Write down which file told which private fields, so that they go with it."""
    connection.execute(_step("add_privates").replace("{keyed}", keyed))


def count_files(connection: Connection, counts: Mapping[int, tuple[int, int]]) -> None:
    """Write down (new, upgraded) of files by file id; their other good rows are duplicates."""
    connection.execute(
        _step("count_files"),
        {
            "file_ids": list(counts),
            "new": [new for new, _ in counts.values()],
            "upgraded": [upgraded for _, upgraded in counts.values()],
        },
    )


def add_import(
    connection: Connection,
    import_id: int,
    user_id: int,
    started: datetime,
    finished: datetime,
    *,
    plays_added: int,
    gaps_closed: int,
    keep_private: bool,
    ignored: Sequence[str],
    failed: Iterable[SpotifyHistError],
) -> None:
    """Write the account of one import; its other counts are the sums of its files'."""
    connection.execute(
        _step("add_import"),
        {
            "import_id": import_id,
            "user_id": user_id,
            "started": started,
            "finished": finished,
            "plays_added": plays_added,
            "gaps_closed": gaps_closed,
            "keep_private": keep_private,
            "ignored": list(ignored),
            "failed": json.dumps([error.as_dict() for error in failed]),
        },
    )


def mark_undone(connection: Connection, import_id: int, now: datetime) -> None:
    """Write down that an import no longer stands."""
    connection.execute(_step("mark_undone"), {"import_id": import_id, "now": now})


def receipts(
    connection: Connection, *, user_id: int | None = None, limit: int = _ALL
) -> list[Receipt]:
    """The latest imports, newest first, without their rejected rows."""
    where = {"import_id": None, "user_id": user_id, "limit": limit}
    return _receipts(connection, where, {})


def receipt(connection: Connection, import_id: int) -> Receipt | None:
    """The whole account of one import, or None where there is none of this id."""
    rejected: dict[int, list[tuple[int, str]]] = {}
    rows = connection.execute(_step("rejected"), {"import_id": import_id}).fetchall()
    for file_id, index, reason in rows:
        rejected.setdefault(file_id, []).append((index, reason))
    where = {"import_id": import_id, "user_id": None, "limit": 1}
    found = _receipts(connection, where, {key: tuple(each) for key, each in rejected.items()})
    return found[0] if found else None


def _receipts(
    connection: Connection,
    where: Mapping[str, int | None],
    rejected: Mapping[int, tuple[tuple[int, str], ...]],
) -> list[Receipt]:
    found = _rows(connection, "imports", where)
    files: dict[int, list[FileAccount]] = {}
    for row in _rows(connection, "files", {"import_ids": [each["import_id"] for each in found]}):
        import_id, first_us, last_us, kinds, unknown_keys = (
            row.pop(name) for name in ("import_id", "first_us", "last_us", "kinds", "unknown_keys")
        )
        files.setdefault(import_id, []).append(
            FileAccount(
                **row,
                first=_instant(first_us),
                last=_instant(last_us),
                kinds=json.loads(kinds or "{}"),
                unknown_keys=json.loads(unknown_keys or "{}"),
                rejected=rejected.get(row["file_id"], ()),
            )
        )
    return [_receipt(row, files.get(row["import_id"], [])) for row in found]


def _receipt(row: dict[str, Any], files: Sequence[FileAccount]) -> Receipt:
    started_us, finished_us, undone_us, ignored, failed = (
        row.pop(name) for name in ("started_us", "finished_us", "undone_us", "ignored", "failed")
    )
    return Receipt(
        **row,
        started_at=instant(started_us),
        finished_at=instant(finished_us),
        undone_at=_instant(undone_us),
        files=tuple(files),
        ignored=tuple(ignored or ()),
        failed=tuple(map(_error, json.loads(failed or "[]"))),
    )


def _rows(
    connection: Connection, step: str, where: Mapping[str, object]
) -> list[dict[str, Any]]:  # what a row holds is DuckDB's to know
    """The rows a statement gives, by the names of its columns."""
    found = connection.execute(_step(step), dict(where))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _error(told: Mapping[str, str]) -> SpotifyHistError:
    """The failure of an input as it was told; only the class of its exit code is left of it."""
    kind = Temporary if told["retryable"] else BadInput
    return kind(told["message"], hint=told["hint"], code=told["code"])


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return dict(total.most_common())


def _json(counts: Mapping[str, int]) -> str | None:
    return json.dumps(counts) if counts else None


def _instant(epoch_us: int | None) -> datetime | None:
    return None if epoch_us is None else instant(epoch_us)


def _step(name: str) -> str:
    return sql.load("import_jobs")[name]
