"""Owns what every test stands on: no home, no settings and no time zone of the developer's."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import hypothesis
import pytest

from spotify_hist import settings as settings_module
from spotify_hist.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotify_hist.settings import Settings

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

# --hypothesis-profile=thorough looks much longer for a counterexample.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=500)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True, scope="session")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home and an odd time zone, for this process and the ones it starts."""
    home = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SPOTIFY_HIST_", "XDG_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        # Half an hour off and with summer time: local time used by mistake shows at once.
        patch.setenv("TZ", "America/St_Johns")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of everything, in force for this process and the ones it starts."""
    path = tmp_path / "home"
    monkeypatch.setenv("SPOTIFY_HIST_HOME", str(path))
    monkeypatch.setenv("SPOTIFY_HIST_DATABASE_WAIT_S", "20")
    return path


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings in force in `home`."""
    return settings_module.load()


@pytest.fixture
def database(settings: Settings) -> Database:
    """The database of `home`, not made yet, that waits long enough for a slow machine."""
    return Database.from_settings(settings)


@pytest.fixture
def impatient(settings: Settings) -> Database:
    """The same database for those who give up at once when it is busy."""
    return Database(settings.database, wait_s=0.0)
