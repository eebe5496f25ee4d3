"""Everything about one artist, track or album, and the taste summary, on small histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plays import MemoryDatabase, account, add, add_gap, ask, extended, rows

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record

A1, A2, B1, C1 = (f"spotify:track:{name}" for name in ("a1", "a2", "b1", "c1"))


@pytest.fixture(scope="module")
def database() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    made = MemoryDatabase()
    yield made
    made.connection.close()


def played(at: str, title: str, artist: str, album: str, uri: str, *reasons: str) -> Record:
    """Two minutes of a track, with the reasons of its start and end where they are given."""
    start, end = reasons or (None, None)
    record = extended(at, title, artist, 120_000, album=album, uri=uri)
    return record._replace(reason_start=start, reason_end=end)


# In 2023 Ann and Bob are equal but for the name; in 2024 Bob is first. Cy is played long after.
GIVEN = [
    played("2023-12-30T10:00", "Alpha", "Ann", "One", A1, "clickrow", "trackdone"),
    played("2023-12-30T10:29", "Gamma", "Bob", "Two", B1),
    played("2024-02-01T10:00", "Alpha", "Ann", "Best of", A2, "trackdone", "fwdbtn"),
    played("2024-02-01T10:30", "Gamma", "Bob", "Two", B1),
    played("2024-02-01T10:31", "Gamma", "Bob", "Two", B1),
    played("2024-02-02T11:00", "Alpha", "Ann", "Best of", A2, "trackdone", "trackdone"),
    played("2024-02-02T11:40", "Gamma", "Bob", "Two", B1),
    played("2024-02-02T12:10", "Beta", "Ann", "Best of", C1, "trackdone", "endplay"),
    played("2024-02-02T12:50", "Delta", "Cy", "Four", "spotify:track:d1"),
]
YEAR_ENDS = "2023-12-30T10:00:00.000Z", "2024-02-02T12:10:00.000Z"


def test_the_page_of_an_artist_tells_totals_years_favourites_neighbours_and_habits(
    database: MemoryDatabase,
) -> None:
    """Bob at 10:31 is 31 minutes after Alpha, at 11:40 30 minutes before Beta."""
    first, last = YEAR_ENDS
    with database.emptied_afterwards():
        add(database, GIVEN)
        answer = ask(database, "artist", artist="ann")
        assert answer.params["artist"] == "Ann"
        assert answer.rows == [
            ("totals", 1, "plays", 4.0, "plays", None),
            ("totals", 2, "listened time", 0.13, "hours", None),
            ("totals", 3, "different tracks", 2.0, "tracks", None),
            ("totals", 4, "different albums", 2.0, "albums", None),
            ("totals", 5, "days with a play", 3.0, "days", None),
            ("totals", 6, "share of all plays", 0.4444, "share", None),
            ("totals", 7, "rank among artists", 1.0, "place", None),
            ("first and last", 1, "first play: Alpha", None, None, first),
            ("first and last", 2, "last play: Beta", None, None, last),
            ("by year", 1, "2023", 1.0, "plays", None),
            ("by year", 2, "2024", 3.0, "plays", None),
            ("rank by year", 1, "2023", 1.0, "place", None),
            ("rank by year", 2, "2024", 1.0, "place", None),
            ("by month", 1, "2023-12", 1.0, "plays", None),
            ("by month", 2, "2024-02", 3.0, "plays", None),
            ("top tracks", 1, "Alpha", 3.0, "plays", None),
            ("top tracks", 2, "Beta", 1.0, "plays", None),
            ("top albums", 1, "Best of", 3.0, "plays", None),
            ("top albums", 2, "One", 1.0, "plays", None),
            ("neighbours", 1, "Bob", 3.0, "plays", None),
            ("habits", 1, "ended with the next-track button", 0.25, "share", None),
            ("habits", 2, "chosen by hand", 0.25, "share", None),
            ("habits", 3, "favourite hour: 10:00", 2.0, "plays", None),
            ("habits", 4, "favourite weekday: Friday", 2.0, "plays", None),
        ]


def test_the_page_of_an_artist_keeps_to_the_period_and_its_local_days(
    database: MemoryDatabase,
) -> None:
    """Rank and share are those of the period; without a play in it the totals are zero."""
    with database.emptied_afterwards():
        add(database, GIVEN)
        found = {
            (section, name): value
            for section, _, name, value, *_ in rows(
                database, "artist", artist="Bob", year=2024, timezone="Asia/Tokyo"
            )
        }
        assert found["totals", "plays"] == found["by month", "2024-02"] == 3
        assert found["totals", "share of all plays"] == 0.4286
        assert found["rank by year", "2024"] == found["totals", "rank among artists"] == 2
        assert found["habits", "favourite hour: 19:00"] == 2
        assert not any(name == "chosen by hand" for _, name in found)
        assert [row[3] for row in rows(database, "artist", artist="Cy", year=2020)] == [0.0] * 5


def test_the_page_of_a_track_tells_of_all_its_versions(database: MemoryDatabase) -> None:
    """The plays of both ids; how far it was heard where its length is known."""
    with database.emptied_afterwards():
        add(database, GIVEN)
        database.connection.execute("update tracks set duration_ms = 160000 where track_id = 'a2'")
        assert rows(database, "track", track="Alpha - Ann") == [
            ("totals", 1, "plays", 3.0, "plays", None),
            ("totals", 2, "listened time", 0.1, "hours", None),
            ("totals", 3, "days with a play", 3.0, "days", None),
            ("totals", 4, "share of all plays", 0.3333, "share", None),
            ("totals", 5, "rank among tracks", 2.0, "place", None),
            ("first and last", 1, "first play", None, None, YEAR_ENDS[0]),
            ("first and last", 2, "last play", None, None, "2024-02-02T11:00:00.000Z"),
            ("by year", 1, "2023", 1.0, "plays", None),
            ("by year", 2, "2024", 2.0, "plays", None),
            ("rank by year", 1, "2023", 1.0, "place", None),
            ("rank by year", 2, "2024", 2.0, "place", None),
            ("by month", 1, "2023-12", 1.0, "plays", None),
            ("by month", 2, "2024-02", 2.0, "plays", None),
            ("versions", 1, f"Alpha - Best of ({A2})", 2.0, "plays", None),
            ("versions", 2, f"Alpha - One ({A1})", 1.0, "plays", None),
            ("completion", 1, "heard of its length on average", 0.75, "share", None),
            ("completion", 2, "played to the end", 0.6667, "share", None),
            ("completion", 3, "ended with the next-track button", 0.3333, "share", None),
            ("neighbours", 1, "Gamma - Bob", 2.0, "plays", None),
        ]
        apart = rows(database, "track", track=A2, raw=True)
        assert apart[0] == ("totals", 1, "plays", 2.0, "plays", None)


def test_a_track_of_which_only_names_are_known_has_a_page_too(database: MemoryDatabase) -> None:
    """Neither an id nor an album, nor a reason why it ended."""
    with database.emptied_afterwards():
        add(database, [account("2024-01-01T10:00", "Alpha", "Ann", 60_000)])
        found = rows(database, "track", track="alpha")
        assert [row[2] for row in found if row[0] in {"versions", "completion"}] == ["Alpha"]
        with pytest.raises(UsageError, match="No track called 'Omega'"):
            ask(database, "track", track="Omega")


def test_the_page_of_an_album_tells_its_tracks_and_their_shares(database: MemoryDatabase) -> None:
    """Of the song on two albums only the plays from this one."""
    first, last = "2024-02-01T10:00:00.000Z", YEAR_ENDS[1]
    with database.emptied_afterwards():
        add(database, GIVEN)
        assert rows(database, "album", album="best of") == [
            ("totals", 1, "plays", 3.0, "plays", None),
            ("totals", 2, "listened time", 0.1, "hours", None),
            ("totals", 3, "different tracks", 2.0, "tracks", None),
            ("totals", 4, "days with a play", 2.0, "days", None),
            ("totals", 5, "share of all plays", 0.3333, "share", None),
            ("totals", 6, "rank among albums", 2.0, "place", None),
            ("tracks", 1, "Alpha", 2.0, "plays", None),
            ("tracks", 2, "Beta", 1.0, "plays", None),
            ("shares of tracks", 1, "Alpha", 0.6667, "share", None),
            ("shares of tracks", 2, "Beta", 0.3333, "share", None),
            ("first and last", 1, "first play: Alpha", None, None, first),
            ("first and last", 2, "last play: Beta", None, None, last),
            ("by year", 1, "2024", 3.0, "plays", None),
            ("by month", 1, "2024-02", 3.0, "plays", None),
        ]
        assert [row[3] for row in rows(database, "album", album="One", year=2020)] == [0.0] * 4


def test_ranks_on_the_pages_are_those_of_the_rankings(database: MemoryDatabase) -> None:
    """Ties included: a person who looks at both sees one order."""
    with database.emptied_afterwards():
        add(database, GIVEN)
        for question, param in (
            ("top-artists", "artist"),
            ("top-tracks", "track"),
            ("top-albums", "album"),
        ):
            for year in (2023, 2024):
                for rank, name, *_ in rows(database, question, year=year):
                    page = rows(database, param, **{param: name}, year=year)
                    (place,) = [row[3] for row in page if row[2] == f"rank among {param}s"]
                    assert place == rank


def test_the_taste_summary_tells_of_gaps_and_of_audio_features_where_they_are_known(
    database: MemoryDatabase,
) -> None:
    """Means go by plays; another version's features will do for a song."""
    with database.emptied_afterwards():
        add(database, GIVEN)
        add_gap(database, "2024-01-01T10:00", "2024-01-02T10:00")
        database.connection.execute(
            "insert into audio_features (track_id, danceability, energy, tempo, valence) "
            "values ('a2', 0.5, 0.2, 100.0, null), ('b1', 0.9, 0.9, 121.0, 0.3)"
        )
        facts = rows(database, "taste-summary")
        assert [row for row in facts if row[0] in {"coverage", "audio profile"}] == [
            ("coverage", 1, "known gaps", 1.0, "gaps"),
            ("audio profile", 1, "plays whose features are known", 7.0, "plays"),
            ("audio profile", 2, "tempo", 112.0, "beats per minute"),
            ("audio profile", 3, "energy", 0.6, "0 to 1"),
            ("audio profile", 4, "valence", 0.3, "0 to 1"),
            ("audio profile", 5, "danceability", 0.7286, "0 to 1"),
        ]
        in_2023 = rows(database, "taste-summary", year=2023)
        assert ("coverage", 1, "known gaps", 0.0, "gaps") in in_2023
        assert ("concentration", 4, "plays of a track already played", 0.0, "share") in in_2023
