"""Owns the words of the program: records, plays' sources and kinds, rejections, listeners.

Never does I/O and knows no database, no network and no clock.

Glossary
--------
play        one thing listened to once.
record      what one source said about a play; a play has one or more records.
source      `api` (recently-played), `extended` (extended streaming history), `account`
            (account-data export), or a scrobbler.
scrobbler   another service that noted the same listening: `your_spotify`, `maloja`, `koito`,
            `listenbrainz`, `lastfm`.
played_at   the instant a play ENDED, UTC (FACTS 3.3, 5.4). Never the start, but where only a
            scrobbler that tells no listened time saw the play: then what it noted.
kind        `track`, `episode`, `audiobook_chapter`, or `unknown` (no metadata at all).
counted     a play that passes the counting rule of a question: kind track by default, and at
            least 30 s, or listened time unknown because no source that saw it tells it.
track id    the Spotify id, or `local:<sha1(artist|track|album)>` where no URI is known.
listener    a Spotify account or a purely local one that only has imports.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

Source = Literal[
    "api", "extended", "account", "your_spotify", "maloja", "koito", "listenbrainz", "lastfm"
]
Kind = Literal["track", "episode", "audiobook_chapter", "unknown"]

# In the order in which their notes are matched: your_spotify keeps what the API told it.
SCROBBLERS: tuple[Source, ...] = ("your_spotify", "maloja", "koito", "listenbrainz", "lastfm")
SOURCES: tuple[Source, ...] = ("api", "extended", "account", *SCROBBLERS)
KINDS: tuple[Kind, ...] = ("track", "episode", "audiobook_chapter", "unknown")

LOCAL_LISTENER = "me"
COUNTED_MIN_MS = 30_000


class Record(NamedTuple):
    """What one source said about one play. Grain: one row or item of a source.

    A named tuple and not a dataclass because imports make hundreds of thousands of them.

    For an episode `title` is its title and `artist` and `album` the show; for an audiobook
    chapter `title` is the chapter, `artist` the author (where told) and `album` the book.
    """

    source: Source
    # Epoch milliseconds UTC of the END; for `account` the minute of the end; for a scrobbler that
    # tells no listened time the instant it noted, which may be the start.
    played_at_ms: int
    kind: Kind
    ms_played: int | None = None
    uri: str | None = None  # spotify:track:… or spotify:episode:…
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_uri: str | None = None  # the audiobook's show URI; the API's album URI
    artist_uri: str | None = None  # api only
    album_artist: str | None = None  # api only: exports name the album artist (FACTS 5.3)
    platform: str | None = None
    country: str | None = None
    reason_start: str | None = None
    reason_end: str | None = None
    shuffle: bool | None = None
    skipped: bool | None = None
    offline: bool | None = None
    offline_timestamp: int | None = None  # as exported; mixed units, never a key (FACTS 5.5)
    incognito: bool | None = None
    context_uri: str | None = None  # api only
    private: str | None = None  # JSON of the private fields, only with --keep-private


class Rejected(NamedTuple):
    """A row that cannot be a record, and why, in words a listener understands."""

    reason: str


class ApiTrack(NamedTuple):
    """What the API tells of a track beyond the play. Grain: one track id.

    `artists` are (id, name) in billing order; `images_url` is the widest artwork.
    """

    track_id: str
    duration_ms: int | None
    isrc: str | None  # upper case (FACTS 7.1)
    album_id: str | None
    release_date: str | None
    image_url: str | None
    artists: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A Spotify account as `/v1/me` tells it; `account_id` is immutable (FACTS 1.4).

    Where Spotify told no `account_id`, the `spotify_id` stands in its place.
    """

    account_id: str
    spotify_id: str | None
    display_name: str | None

    @property
    def is_by_spotify_id(self) -> bool:
        """Whether its `account_id` is not known."""
        return self.account_id == self.spotify_id

    def is_same_as(self, other: Account) -> bool:
        """Whether both are one account, by whichever of the two ids is known of both.

        Two different `account_id` are two accounts, whatever else is equal.
        """
        if self.account_id == other.account_id:
            return True
        is_equal = self.spotify_id is not None and self.spotify_id == other.spotify_id
        return is_equal and (self.is_by_spotify_id or other.is_by_spotify_id)

    def with_ids_of(self, other: Account) -> Account:
        """The same account, with the ids that another answer told of it where this one lacks them.

        An `account_id` that is known is never given up for the `spotify_id` in its place.
        """
        is_better = self.is_by_spotify_id and not other.is_by_spotify_id
        return Account(
            other.account_id if is_better else self.account_id,
            self.spotify_id or other.spotify_id,
            self.display_name or other.display_name,
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """A row of `users`. `account_id` is None for a purely local listener."""

    user_id: int
    name: str
    account_id: str | None
    display_name: str | None
    timezone: str | None
    spotify_id: str | None = None

    @property
    def account(self) -> Account | None:
        """Their Spotify account."""
        if self.account_id is None:
            return None
        return Account(self.account_id, self.spotify_id, self.display_name)


def local_id(*parts: str | None) -> str:
    """`local:<sha1(a|b|c)>`: the id of something whose Spotify URI is unknown (DESIGN 1)."""
    text = "|".join(part or "" for part in parts)
    return "local:" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def is_unicode(text: str) -> bool:
    """Whether text can be kept and sent: no lone surrogate is in it, as JSON's `\\ud800` gives or a
    byte of the command line that is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def well_formed(text: str) -> str:
    """`text` without NUL, and with U+FFFD for lone surrogates, which no UTF-8 and so no file and no
    database can hold: JSON may have them, as from half an emoji."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "")


def iso(moment: datetime) -> str:
    """An instant as every JSON answer shows it: ISO 8601, UTC, milliseconds, `Z` (DESIGN 7)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
