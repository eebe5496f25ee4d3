"""Owns how the outcome of collecting is told: results, failures, warnings, the exit code.

Never collects; `collect` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist.errors import ExitCode
from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spotify_hist.collect.backfill import UserBackfill
    from spotify_hist.collect.poll import UserPoll
    from spotify_hist.errors import SpotifyHistError
    from spotify_hist.faces.cli.context import App

_STOPS = {
    "end": "Spotify has nothing older",
    "no_progress": "Spotify tells the same plays again",
    "max_days": "that is as far back as it was to go",
    "max_requests": "it used up its requests; the next run goes on from there",
    "rate_limit": "Spotify wants fewer requests; the next run goes on from there",
    "error": "it was cut short; the next run goes on from there",
}


def exit_code(errors: Sequence[SpotifyHistError], *, done: int) -> int:
    """0 without errors; the failure's own code where nothing else was done, else 6.

    `done` is how many listeners or archives were served without one.
    """
    if not errors:
        return int(ExitCode.OK)
    if done or len({error.exit_code for error in errors}) > 1:
        return int(ExitCode.PARTIAL)
    return int(errors[0].exit_code)


def tell_recoveries(app: App, texts: Iterable[str | None]) -> None:
    """Say that trouble which a person was told of is over, to whoever asks for errors only too."""
    for text in filter(None, texts):
        app.out.note(text, even_if_quiet=True)


def tell_errors(
    app: App,
    errors: Iterable[SpotifyHistError],
    form: str,
    results: Sequence[UserPoll | UserBackfill],
) -> None:
    """Each failure on a line of its own, on stderr; one that struck several steps once.

    Where a run was for several listeners, with `results`, it says whom it struck.
    """
    struck: dict[str, list[str]] = {}
    if len({each.user for each in results}) > 1:
        for each in results:
            names = struck.setdefault(each.error.message, []) if each.error else []
            if each.user not in names:
                names.append(each.user)
    for error in {each.message: each for each in errors}.values():
        names = [name for name in struck.get(error.message, ()) if name not in error.message]
        app.out.error(error, as_json=form == "json", about=", ".join(names))


def warn(app: App, job: str, warnings: Iterable[str | None], form: str) -> None:
    """Say that logins end soon: always, but under --quiet once a day, and JSON has it already."""
    texts = list(dict.fromkeys(text for text in warnings if text))
    if not texts:
        return
    from spotify_hist.collect import reminders

    new = reminders.remember(app.database, app.now(), job, texts)
    for text in texts if form != "json" else ():
        app.out.warning(text, even_if_quiet=text in new)


def poll_as_json(result: UserPoll) -> dict[str, object]:
    """The JSON of one listener's poll (DESIGN 7)."""
    gap = result.gap
    return {
        "user": result.user,
        "fetched": result.fetched,
        "new": result.new,
        "late": result.late,
        "gap": gap and {"after": iso(gap.after), "before": iso(gap.before)},
        "error": result.error and result.error.as_dict(),
        "rejected": result.rejected,
        "paused": result.is_paused,
        "warning": result.warning,
        "recovered": result.recovered,
    }


def poll_in_words(result: UserPoll) -> str:
    """One line about one listener's poll."""
    if result.is_paused:
        return f"{result.user}: paused; 'spotify-hist users resume {result.user}' goes on."
    text = f"{result.user}: {_plays(result.new, 'new ')} of {result.fetched} fetched"
    if result.late:
        text += f", {result.late} of them late"
    if result.rejected:
        text += f", {result.rejected} that could not be read"
    if result.gap:
        text += (
            f". Plays between {iso(result.gap.after)} and {iso(result.gap.before)} are missing:"
            " poll more often; an extended export fills the gap"
        )
    return text + "."


def backfill_as_json(result: UserBackfill) -> dict[str, object]:
    """The JSON of one listener's backfill; instants ISO 8601 UTC."""
    return {
        "user": result.user,
        "requests": result.requests,
        "fetched": result.fetched,
        "new": result.new,
        "gaps_closed": result.gaps_closed,
        "reached": result.reached and iso(result.reached),
        "finished": result.is_finished,
        "stopped_by": result.stopped_by,
        "error": result.error and result.error.as_dict(),
        "warning": result.warning,
    }


def backfill_in_words(result: UserBackfill) -> str:
    """One line about one listener's backfill: what came in and how far Spotify let it go."""
    pages = "1 page" if result.requests == 1 else f"{result.requests} pages"
    text = f"{result.user}: {_plays(result.new, 'new ')} of {result.fetched} fetched in {pages}"
    if result.reached:
        text += f", back to {iso(result.reached)}"
    if result.gaps_closed:
        text += f", {result.gaps_closed} gap{'s' if result.gaps_closed > 1 else ''} closed"
    if result.stopped_by:
        text += f": {_STOPS[result.stopped_by]}"
    return text + "."


def _plays(count: int, adjective: str = "") -> str:
    return f"{count} {adjective}{'play' if count == 1 else 'plays'}"
