"""Writes the two example exports beside this file: a year of an invented listener, two formats."""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from spotify_hist.sandbox.exports import write_exports
from spotify_hist.sandbox.life import live

HERE = Path(__file__).parent

if __name__ == "__main__":
    listener = live(
        14,
        start=datetime(2025, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 1, tzinfo=UTC),
        plays_per_day=1,
    )
    with tempfile.TemporaryDirectory() as directory:
        exports = write_exports(listener, Path(directory))
        for name in ("extended", "account"):
            target = HERE / name / exports[name].name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(exports[name], target)
