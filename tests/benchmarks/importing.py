"""Owns the benchmarks of `import`: against DuckDB's bare reader, again, very large, and small.

Never measures with fewer rows than it says.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotify_hist.sandbox.large import write_large_extended

from .data import write_account
from .measure import HERE, Ceiling, Comparison, Usage, paired, program, seconds, usage

if TYPE_CHECKING:
    from pathlib import Path

    from .data import Export

MOST_RATIO = 3.0
MOST_AGAIN = 0.1
MOST_SLOWER = 1.2
MOST_MB = 700.0
MOST_SMALL_S = 1.5
LARGE_ROWS = 5_000_000
SMALL_ROWS = 300
WITHIN = datetime(2013, 6, 1, tzinfo=UTC)  # the large export's plays lie densely around it


def importing(directory: Path, export: Export, runs: int) -> list[Comparison | Ceiling]:
    """`import ZIP` into a fresh home against read_json of the unpacked files; then once more."""
    home = directory / "import-home"
    database = directory / "bare.duckdb"
    files = sorted(map(str, export.folder.iterdir()))
    command = [*program(home), "import", str(export.archive)]

    def ours() -> float:
        shutil.rmtree(home, ignore_errors=True)
        return seconds(command)

    def bare() -> float:
        database.unlink(missing_ok=True)
        return seconds([sys.executable, str(HERE / "bare_import.py"), str(database), *files])

    taken, bare_taken = paired(ours, bare, runs)
    again = [seconds(command) for _ in range(runs)]
    return [
        Comparison(f"import {export.rows:,} rows", taken, bare_taken, MOST_RATIO),
        Comparison("the same again, to the first", again, taken, MOST_AGAIN),
    ]


def large(directory: Path, export: Export, runs: int) -> list[Comparison | Ceiling]:
    """Five million rows against as many of the ordinary export; a small import on top of them."""
    many = directory / "large.zip"
    write_large_extended(many, LARGE_ROWS, pace=6)
    home, copy = directory / "large-home", directory / "small-home"
    small = directory / "small.zip"
    write_account(small, SMALL_ROWS, WITHIN)

    def ours(archive: Path) -> Usage:
        shutil.rmtree(home, ignore_errors=True)
        return usage([*program(home), "import", str(archive)])

    ordinary = [ours(export.archive) for _ in range(runs)]
    taken = [ours(many)]
    times = LARGE_ROWS / export.rows

    def on_top() -> float:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        return seconds([*program(copy), "import", str(small)])

    started = [seconds([*program(home), "import", "list"]) for _ in range(runs)]
    return [
        Comparison(
            f"import {LARGE_ROWS:,} rows, to as many",
            [each.elapsed_s for each in taken],
            [min(each.elapsed_s for each in ordinary) * times],
            MOST_SLOWER,
        ),
        Ceiling(
            f"import {LARGE_ROWS:,} rows, memory",
            [each.rss_mb for each in taken],
            [max(each.rss_mb for each in ordinary)],
            MOST_MB,
        ),
        Ceiling(
            f"{SMALL_ROWS} account rows on top",
            [on_top() for _ in range(runs)],
            started,
            MOST_SMALL_S,
            unit="s",
        ),
    ]
