"""Owns turning a scrobble of Last.fm, as any of the export tools writes it, into a Record.

Never guesses a time zone: Last.fm speaks UTC, and so do the tools that repeat its words.

Last.fm has no export of its own; all tools ask `user.getRecentTracks`. Its documentation says that
times are "in the UTC time zone" (last.fm/api/show/user.getRecentTracks), and that a scrobble's
timestamp is "the time the track started playing" (last.fm/api/show/track.scrobble): the START, in
whole seconds. No tool tells listened time or a Spotify id, so `ms_played` and `uri` are None. What
is being played during the export has `@attr.nowplaying`, or no date, and is no play. `loved` of the
extended answers says nothing about the play.

- The API's own JSON: `artist.#text` (extended: `artist.name`), `album.#text`, `name`, `date.uts`
  (last.fm/api/show/user.getRecentTracks; the types in gabehf/Koito internal/importer/lastfm.go).
- lastfm.ghan.nl and mainstream.ghan.nl, CSV: `uts` (seconds), `utc_time`, `artist`, `album`,
  `track` and three MusicBrainz ids. The site's source is not public: the header is as many readers
  of its files give it, and its JSON is a list of the API's pages.
- lastfmstats.com (felhag/lastfm-stats-web, projects/shared/src/lib/dataset and
  service/export-service.ts): CSV with `Artist;Album;AlbumId;Track;Date#user` and JSON with `track`,
  `artist`, `album`, `date`; `Date` is `date.uts` * 1000, milliseconds.
- benjaminbenben.com/lastfm-to-csv (benfoxall/lastfm-to-csv, index.html and sw.js): artist, album,
  name and date without commas and quotes; the date is the API's text, "31 Dec 2020, 12:34" without
  the comma, so UTC to the minute. krateng/maloja (import_scrobbles.py, `parse_lastfm`) reads it as
  UTC too. Forks that quote properly keep the comma.
"""

from __future__ import annotations

import re
from typing import Final

from spotify_hist.model import Record
from spotify_hist.normalise.values import (
    MisfitError,
    Object,
    as_object,
    clean_text,
    epoch_ms,
    shown,
    stamp_ms,
)

_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_DATE: Final = re.compile(
    r"([0-9]{1,2}) ([A-Za-z]{3}) ([0-9]{4}),? ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
)


def record(raw: Object) -> Record:
    """The record of one scrobble; MisfitError with the reason where it is none."""
    if str(as_object(raw.get("@attr")).get("nowplaying")).lower() == "true":
        raise MisfitError("what was playing during the export, not a play")
    noted_ms = _noted_ms(raw)
    title = _text(raw.get("name")) or _text(raw.get("track"))
    artist = _text(raw.get("artist"))
    if title is None or artist is None:
        raise MisfitError("no title" if title is None else "no artist")
    return Record(
        "lastfm", noted_ms, "track", title=title, artist=artist, album=_text(raw.get("album"))
    )


def _noted_ms(raw: Object) -> int:
    if "uts" in raw:
        return stamp_ms(raw["uts"], "uts")
    date = raw.get("date")
    if isinstance(date, dict):
        if date.get("uts") is not None:
            return stamp_ms(date["uts"], "uts")
        date = date.get("#text")
    if date is None or date == "":
        raise MisfitError("no date: what was playing during the export, not a play")
    if not isinstance(date, str) or date.isdecimal():
        return stamp_ms(date, "date", per_second=1000)
    match = _DATE.fullmatch(date.strip())
    if match is None or match[2].lower() not in _MONTHS:
        raise MisfitError(f'"date" is not a time: {shown(date)}')
    day, month, year, time = match.groups()
    return epoch_ms(f"{year}-{_MONTHS.index(month.lower()) + 1:02}-{int(day):02} {time}", "date")


def _text(value: object) -> str | None:
    """A name, written as text or as an object with `#text` or `name`."""
    if isinstance(value, dict):
        value = value.get("#text") or value.get("name")
    return clean_text(value)
