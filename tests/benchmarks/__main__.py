"""Owns the comparisons with bare scripts, as whole processes: `python -m tests.benchmarks`.

Never judges by one run: each ratio is the median of paired runs, ours and bare in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import spotify_hist

from .data import write_export
from .importing import importing, large
from .measure import HERE, Ceiling, Comparison, heading, paired, program, run, seconds
from .polling import polling

if TYPE_CHECKING:
    from .data import Export

ANALYTICS = Path(spotify_hist.__file__).parent / "analytics"
DAYS = 90
VIEWS = ("v_tracks", "v_plays", "counted_plays")
BENCHMARKS = ("import", "query", "poll", "large")
ORDINARY = ("import", "query", "poll")  # the others take many minutes


def main() -> int:
    """Print the table; 0 where all targets are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the history asked and polled")
    parser.add_argument("--import-rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "which", nargs="*", help=f"some of {', '.join(BENCHMARKS)}; default: {', '.join(ORDINARY)}"
    )
    options = parser.parse_args()
    if unknown := set(options.which) - {*BENCHMARKS}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    which = options.which or ORDINARY
    now = datetime.now(UTC)
    results: list[Comparison | Ceiling] = []
    with tempfile.TemporaryDirectory(prefix="spotify-hist-bench-") as name:
        directory = Path(name)
        if {"import", "large"} & {*which}:
            export = write_export(directory / "import", options.import_rows, now)
            if "import" in which:
                results.extend(importing(directory, export, options.runs))
            if "large" in which:
                results.extend(large(directory, export, now, options.runs))
        if {"query", "poll"} & {*which}:
            export = write_export(directory / "history", options.rows, now)
            if "query" in which:
                results.append(_querying(directory, export, options.runs))
            if "poll" in which:
                results.extend(polling(directory, export, options.runs))
    _say(heading())
    for result in results:
        _say(result.line())
    return 0 if all(result.is_met for result in results) else 1


def _querying(directory: Path, export: Export, runs: int) -> Comparison:
    """`query top-artists --days 90` against the same SQL with its values written in."""
    home = directory / "query-home"
    run([*program(home), "import", str(export.archive)])
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
    our_command = [*program(home), "query", "top-artists", "--days", str(DAYS)]
    for command in (our_command, bare_command):
        if len(run(command).splitlines()) < 10:
            raise ValueError(f"too few rows to measure: {command}")
    return Comparison(
        f"query top-artists --days {DAYS}",
        *paired(lambda: seconds(our_command), lambda: seconds(bare_command), runs),
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


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
