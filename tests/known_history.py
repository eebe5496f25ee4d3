"""One history, made by hand, that the given/expect cases of the questions are about."""

from __future__ import annotations

from plays import MemoryDatabase, account, add, api, extended, unnamed

ALPHA, BETA, GAMMA = "spotify:track:alpha", "spotify:track:beta", "spotify:track:gamma"
EPISODE, CHAPTER = "spotify:episode:pod1", "spotify:episode:chap1"
BOB = "spotify:artist:bob"

# All kinds and sources; on 31 March 2024 Berlin's clocks went from 2:00 to 3:00 (01:00 UTC).
MINE = [
    extended("2024-03-31T00:59:00", "Alpha", "Ann", 200_000, album="One", uri=ALPHA),
    extended("2024-03-31T01:01:00", "Alpha", "Ann", 100_000, album="One", uri=ALPHA),
    extended("2024-03-31T12:00:00", "Beta", "Ann", 29_999, album="One", uri=BETA),
    account("2024-04-01T10:00", "Alpha", "Ann", 60_000),
    api("2024-04-02T10:00:00.500", "Gamma", "Bob", uri=GAMMA, album="Two", artist_uri=BOB),
    extended("2024-04-02T12:00:00", "Gamma", "Bob", 30_000, album="Two", uri=GAMMA),
    extended(
        "2024-04-03T06:00", "Ep 1", "Pod", 1_800_000, album="Pod", uri=EPISODE, kind="episode"
    ),
    extended(
        "2024-04-03T07:00",
        "Chapter 1",
        "Writer",
        600_000,
        album="Book",
        uri=CHAPTER,
        kind="audiobook_chapter",
    ),
    unnamed("2024-04-03T08:00", 45_000),
    account("2024-04-04T08:00", "Delta", "Dee", 45_000),
    account("2024-04-04T09:00", "Delta", "Cy", 45_000),
    extended("2024-04-05T09:00:00", "Alpha", "Ann", 200_000, album="One", uri=ALPHA),
    api("2024-04-05T09:00:00.700", "Alpha", "Ann", uri=ALPHA, album="One"),
    extended("2024-12-31T23:30:00", "Beta", "Ann", 50_000, album="One", uri=BETA),
]
THEIRS = [
    extended(f"2024-05-01T{hour:02}:00", "Alpha", "Ann", 240_000, album="One", uri=ALPHA)
    for hour in range(24)
]


def two_listeners() -> MemoryDatabase:
    """`me` has played everything of `MINE`, `other` everything of `THEIRS`."""
    database = MemoryDatabase()
    add(database, MINE)
    add(database, THEIRS, "other")
    return database
