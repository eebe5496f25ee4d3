"""Free SQL over a history in a real file, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plays import NOW

from spotify_hist import settings as settings_module
from spotify_hist.analytics.sql.sandboxed import ask_sql

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.analytics.answers import Answer
    from spotify_hist.settings import Settings


def settings_of(home: Path, **variables: str) -> Settings:
    """The settings of a home, in UTC where nothing else is said."""
    given = {f"SPOTIFY_HIST_{name.upper()}": value for name, value in variables.items()}
    return settings_module.load(home, {"SPOTIFY_HIST_TIMEZONE": "UTC"} | given)


def ask(home: Path, text: str, user: str | None = "me", limit: int = 1000) -> Answer:
    """The answer to a statement at `NOW`."""
    return ask_sql(settings_of(home), text, now=NOW, user=user, limit=limit)


def rows(home: Path, text: str) -> list[tuple[object, ...]]:
    """Only the rows of `ask`."""
    return ask(home, text).rows


def value(home: Path, expression: str) -> tuple[str, object]:
    """(type, value) of one expression."""
    answer = ask(home, f"select {expression}")
    return answer.columns[0].type, answer.rows[0][0]
