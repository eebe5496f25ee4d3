"""Owns the list of questions: one `.sql` file each, found by name.

Never runs one, and imports no database.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from spotify_hist.analytics.header import Query, parse
from spotify_hist.errors import UnknownQuery

_FOLDER = resources.files("spotify_hist.analytics.queries")


@cache
def names() -> tuple[str, ...]:
    """The names of all questions, in alphabetical order."""
    return tuple(
        sorted(
            entry.name.removesuffix(".sql")
            for entry in _FOLDER.iterdir()
            if entry.name.endswith(".sql")
        )
    )


@cache
def load(name: str) -> Query:
    """One question; UnknownQuery with the nearest names where there is none."""
    if name not in names():
        import difflib

        close = difflib.get_close_matches(name, names(), n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "List them: query --list."
        raise UnknownQuery(f"There is no question called '{name}'.", hint=hint)
    origin = f"{name}.sql"
    query = parse(_FOLDER.joinpath(origin).read_text(encoding="utf-8"), origin)
    if query.name != name:
        raise ValueError(f"{origin} calls itself {query.name}")
    return query


def all_queries() -> tuple[Query, ...]:
    """Every question, in alphabetical order."""
    return tuple(load(name) for name in names())
