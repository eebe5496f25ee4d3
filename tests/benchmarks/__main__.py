"""Owns the comparisons with bare scripts, as whole processes: `python -m tests.benchmarks`.

Never judges by one run: each ratio is the median of paired runs, ours and bare in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from .asking import querying, questions
from .data import write_export
from .importing import importing, large
from .measure import Ceiling, Comparison, heading
from .polling import polling
from .serving import serving

BENCHMARKS = ("import", "query", "poll", "questions", "serve", "large")
ORDINARY = ("import", "query", "poll")  # the others take many minutes


def main() -> int:
    """Print the table; 0 where all targets are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the history polled")
    parser.add_argument(
        "--import-rows", type=int, default=1_000_000, help="imported, and of the history asked"
    )
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
        if {"import", "large", "query", "questions", "serve"} & {*which}:
            export = write_export(directory / "import", options.import_rows, now)
            if "import" in which:
                results.extend(importing(directory, export, options.runs))
            if "query" in which:
                results.extend(querying(directory, export, options.runs))
            if "questions" in which:
                results.extend(questions(directory, export, options.runs))
            if "serve" in which:
                results.extend(serving(directory, export, options.runs))
            if "large" in which:
                results.extend(large(directory, export, options.runs))
        if "poll" in which:
            export = write_export(directory / "history", options.rows, now)
            results.extend(polling(directory, export, options.runs))
    _say(heading())
    for result in results:
        _say(result.line())
    return 0 if all(result.is_met for result in results) else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
