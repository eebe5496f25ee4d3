"""Owns the two comparisons with bare DuckDB, as whole processes: `python -m tests.benchmarks`.

Never judges by one run: each ratio is the median of paired runs, ours and bare in turn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import spotify_hist

from .data import write_export

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent
ANALYTICS = Path(spotify_hist.__file__).parent / "analytics"
DAYS = 90
VIEWS = ("v_tracks", "v_plays", "counted_plays")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of each pair of runs; `target` is the highest ratio that is good enough."""

    what: str
    ours: Sequence[float]
    bare: Sequence[float]
    target: float

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours, self.bare, strict=True))

    def line(self) -> str:
        """The row of the table."""
        ours, bare = statistics.median(self.ours), statistics.median(self.bare)
        verdict = "met" if self.ratio <= self.target else "MISSED"
        return (
            f"{self.what:<34} {ours:>7.3f} s {bare:>7.3f} s {self.ratio:>6.2f} "
            f"<= {self.target:<4g} {verdict}"
        )


def main() -> int:
    """Print the table; 0 where both targets are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spotify-hist-bench-") as name:
        directory = Path(name)
        results = [
            _importing(directory, options.rows, options.runs),
            _querying(directory, options.runs),
        ]
    _say(f"{'what':<34} {'ours':>9} {'bare':>9} {'ratio':>6} target")
    for result in results:
        _say(result.line())
    return 0 if all(result.ratio <= result.target for result in results) else 1


def _importing(directory: Path, rows: int, runs: int) -> Comparison:
    """`import ZIP` into a fresh home against read_json of the unpacked files."""
    export = write_export(directory, rows, datetime.now(UTC))
    home = directory / "home"
    database = directory / "bare.duckdb"
    files = sorted(map(str, export.folder.iterdir()))

    def ours() -> float:
        shutil.rmtree(home, ignore_errors=True)
        return _seconds([*_program(home), "import", str(export.archive)])

    def bare() -> float:
        database.unlink(missing_ok=True)
        return _seconds([sys.executable, str(HERE / "bare_import.py"), str(database), *files])

    return Comparison(f"import {rows:,} rows", *_paired(ours, bare, runs), target=6.0)


def _querying(directory: Path, runs: int) -> Comparison:
    """`query top-artists --days 90` against the same SQL with its values written in."""
    home = directory / "home"
    statement = directory / "top-artists.sql"
    statement.write_text(_written_out("top-artists", datetime.now(UTC)), encoding="utf-8")
    views = [str(ANALYTICS / "views" / f"{name}.sql") for name in VIEWS]
    bare_command = [
        sys.executable,
        str(HERE / "bare_query.py"),
        str(home / "history.duckdb"),
        str(statement),
        *views,
    ]
    our_command = [*_program(home), "query", "top-artists", "--days", str(DAYS)]
    for command in (our_command, bare_command):
        if len(_run(command).splitlines()) < 10:
            raise ValueError(f"too few rows to measure: {command}")
    return Comparison(
        f"query top-artists --days {DAYS}",
        *_paired(lambda: _seconds(our_command), lambda: _seconds(bare_command), runs),
        target=1.4,
    )


def _written_out(question: str, now: datetime) -> str:
    """The SQL of a catalogue question with its parameters as literals."""
    text = (ANALYTICS / "queries" / f"{question}.sql").read_text(encoding="utf-8")
    values = {
        "$user_id": "1",
        "$since": f"timestamptz '{(now - timedelta(days=DAYS)).isoformat()}'",
        "$until": "null::timestamptz",
        "$kind": "'track'",
        "$min_ms": "30000",
        "$limit": "21",
        "$offset": "0",
    }
    for name, value in values.items():
        text = text.replace(name, value)
    if "$" in text:
        raise ValueError(f"{question}.sql has a parameter this benchmark does not know")
    # Instants as text: duckdb needs pytz to hand them out otherwise (FACTS 9.6).
    return f"select * replace (last_played_at::varchar as last_played_at) from (\n{text}\n)"


def _program(home: Path) -> list[str]:
    """The installed command, as a person starts it."""
    script = Path(sys.executable).parent / "spotify-hist"
    return [str(script), "--home", str(home)]


def _paired(
    ours: Callable[[], float], bare: Callable[[], float], runs: int
) -> tuple[list[float], list[float]]:
    """Seconds of `runs` pairs after one warm-up pair, in turn so that both meet the same noise."""
    ours(), bare()
    pairs = [(ours(), bare()) for _ in range(runs)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    _run(command)
    return time.perf_counter() - started


def _run(command: Sequence[str]) -> str:
    """The command's stdout; its stderr is shown where it fails."""
    # PYTHONDONTWRITEBYTECODE and its like would charge our side alone for compiling.
    foreign = ("SPOTIFY_HIST_", "PYTHON")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
