"""Owns the prompts a person can pick in their assistant: what to ask, and of which tools.

Never calls a tool; the assistant does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_hist.analytics.params import Param, check_arguments
from spotify_hist.errors import UsageError
from spotify_hist.faces.server.visible import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spotify_hist.analytics.params import Value

_MANNERS = """
Say "at least" where the notes of an answer do. Give listened time in hours, and instants as local
dates. Name no number that no tool gave you."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. `text` is written from its checked arguments and the present instant."""

    name: str
    title: str
    description: str
    params: tuple[Param, ...]
    write: Callable[[Mapping[str, Value], datetime], str]

    def text(self, arguments: Mapping[str, str], now: datetime) -> str:
        """What the assistant is told. Raises UsageError for an argument that cannot be used."""
        return self.write(check_arguments(self.params, self._typed(arguments)), now) + _MANNERS

    def _typed(self, arguments: Mapping[str, str]) -> dict[str, object]:
        """The protocol gives every argument as text; an empty one was not given."""
        types = {param.name: param.type for param in self.params}
        typed: dict[str, object] = {}
        for name, text in arguments.items():
            is_whole = types.get(name) == "integer" and text.isascii() and text.isdecimal()
            typed[name] = int(text[:9]) if is_whole else text
        return {name: value for name, value in typed.items() if value != ""}


def _review(values: Mapping[str, Value], now: datetime) -> str:
    year = values["year"] or now.year
    return f"""\
Write my year in music for {year}, as a story of about a page rather than a list.
1. Call year_review with {{"year": {year}}}.
2. Call top_artists and top_tracks with {{"year": {year}, "limit": 10}}, and discoveries with
   {{"year": {year}, "limit": 10}}.
3. Call timeline with {{"year": {year}, "step": "month"}} for how the year went.
Tell what defined the year, what was new, when I listened most, and one thing I might not expect."""


def _changed(values: Mapping[str, Value], now: datetime) -> str:
    del now
    days = values["days"]
    return f"""\
What has changed in my listening over the last {days} days?
1. Call compare with {{"days": {days}, "of": "totals"}}, and again with "of": "artists".
2. Call discoveries with {{"days": {days}, "limit": 10}}.
3. Call top_tracks with {{"days": {days}, "limit": 10}}.
Tell what I listen to more, what less, and what is new, in a few short paragraphs."""


def _forgotten(values: Mapping[str, Value], now: datetime) -> str:
    del now
    silent = values["silent_days"]
    return f"""\
Find favourites that I have forgotten.
1. Call forgotten with {{"silent": {silent}, "limit": 30}}, and again with "of": "artists".
2. For the three that stand out call track or artist, to see when they mattered.
Suggest about ten tracks to play again, each with a sentence on what it once was to me. Mix times
and artists."""


def _artist(values: Mapping[str, Value], now: datetime) -> str:
    del now
    name = " ".join(str(values["artist"]).split())
    return f"""\
Tell the story of me and the artist whose name is this JSON string: {quoted(name)}
1. Call artist with that name; where it is not found, call search with it first.
2. Call timeline with {{"step": "year"}} to set it against everything I played.
Tell how it began, when it was at its height, which songs stayed, and how it stands now."""


def _habits(values: Mapping[str, Value], now: datetime) -> str:
    days = values["days"]
    del now
    return f"""\
When and how do I listen?
1. Call heatmap with {{"days": {days}}}, and taste_summary with {{"days": {days}}}.
2. Call timeline with {{"days": {days}, "step": "week"}}.
Tell my usual hours and days, how steady they are, and anything that breaks the pattern."""


PROMPTS = (
    Prompt(
        "artist_story",
        "Me and an artist",
        "How an artist came into my life, and what became of it.",
        (Param("artist", "text", "The artist's name.", is_required=True),),
        _artist,
    ),
    Prompt(
        "find_forgotten_favourites",
        "Find forgotten favourites",
        "What I loved once and have not played for long.",
        (
            Param(
                "silent_days",
                "integer",
                "Days without a play that make it forgotten; 365 by default.",
                default=365,
                minimum=1,
                maximum=36_500,
            ),
        ),
        _forgotten,
    ),
    Prompt(
        "listening_habits",
        "My listening habits",
        "When in the day and week I listen.",
        (
            Param(
                "days",
                "integer",
                "The last N days; 365 by default.",
                default=365,
                minimum=1,
                maximum=36_500,
            ),
        ),
        _habits,
    ),
    Prompt(
        "what_changed",
        "What changed this month",
        "What I listen to more, less and for the first time.",
        (
            Param(
                "days",
                "integer",
                "The last N days; 30 by default.",
                default=30,
                minimum=1,
                maximum=3_650,
            ),
        ),
        _changed,
    ),
    Prompt(
        "year_in_review",
        "Year in review",
        "The story of a year in music.",
        (
            Param(
                "year",
                "integer",
                "The calendar year; this one by default.",
                minimum=2006,
                maximum=2100,
            ),
        ),
        _review,
    ),
)


def find(name: str) -> Prompt:
    """The prompt of this name. Raises UsageError with the names there are."""
    for prompt in PROMPTS:
        if prompt.name == name:
            return prompt
    names = ", ".join(prompt.name for prompt in PROMPTS)
    raise UsageError(f"There is no prompt '{name[:80]}'.", hint=f"Prompts: {names}.")
