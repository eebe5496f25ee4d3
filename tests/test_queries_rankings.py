"""Rankings and the search on small histories: what is given, what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plays import MemoryDatabase, account, add, api, ask, cells, extended, rows

from spotify_hist.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record

A1, A2, B1 = "spotify:track:a1", "spotify:track:a2", "spotify:track:b1"
LIST, OLD_LIST = "spotify:playlist:mix", "spotify:user:me:playlist:old"
BOTH = ("plays", "time")


@pytest.fixture(scope="module")
def database() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    made = MemoryDatabase()
    yield made
    made.connection.close()


def day(number: int, hour: int = 10) -> str:
    return f"2024-01-{number:02}T{hour:02}:00"


def test_a_ranking_goes_by_plays_or_by_listened_time(database: MemoryDatabase) -> None:
    """Many short plays against one long one."""
    with database.emptied_afterwards():
        add(
            database,
            [
                *(extended(day(at), "Short", "Ann", 40_000, album="S") for at in (1, 2, 3)),
                extended(day(4), "Long", "Bob", 500_000, album="L"),
            ],
        )
        for question, names in (
            ("top-artists", ["Ann", "Bob"]),
            ("top-tracks", ["Short", "Long"]),
            ("top-albums", ["S", "L"]),
        ):
            found = [[row[1] for row in rows(database, question, by=by)] for by in BOTH]
            assert found == [names, names[::-1]]


def test_two_ids_of_one_song_count_as_one_and_show_the_album_played_most(
    database: MemoryDatabase,
) -> None:
    """The URI is that of the song; with raw each id stands alone, with its own album."""
    with database.emptied_afterwards():
        add(
            database,
            [
                extended(day(1), "Alpha", "Ann", album="One", uri=A1),
                extended(day(2), "Alpha", "Ann", album="Best of", uri=A2),
                extended(day(3), "Alpha", "Ann", album="Best of", uri=A2),
                extended(day(4), "Beta", "Ann", album="One", uri=B1),
            ],
        )
        shown = ("track", "album", "plays", "uri")
        assert cells(ask(database, "top-tracks"), *shown) == [
            ("Alpha", "Best of", 3, A1),
            ("Beta", "One", 1, B1),
        ]
        assert cells(ask(database, "top-tracks", raw=True), *shown) == [
            ("Alpha", "Best of", 2, A2),
            ("Alpha", "One", 1, A1),
            ("Beta", "One", 1, B1),
        ]
        assert cells(ask(database, "top-artists"), "plays", "tracks") == [(4, 2)]
        assert cells(ask(database, "top-artists", raw=True), "plays", "tracks") == [(4, 3)]
        assert cells(ask(database, "top-albums"), "album", "artist", "plays", "tracks") == [
            ("Best of", "Ann", 2, 1),
            ("One", "Ann", 2, 2),
        ]


def test_an_album_of_several_artists_is_of_the_one_played_most(database: MemoryDatabase) -> None:
    """As on a soundtrack that the API names with its id; then it has a URI."""

    def told(at: str, title: str, artist: str) -> Record:
        record = api(at, title, artist, uri=f"spotify:track:{title}", album="Film")
        return record._replace(
            album_uri="spotify:album:film", artist_uri=f"spotify:artist:{artist}"
        )

    with database.emptied_afterwards():
        add(
            database, [told(day(1), "X", "Zed"), told(day(2), "Y", "Amy"), told(day(3), "X", "Zed")]
        )
        assert rows(database, "top-albums") == [
            (1, "Film", "Zed", 3, 0, 2, "2024-01-03T10:00:00.000Z", "spotify:album:film")
        ]


def test_genres_count_an_artist_for_each_and_need_enrichment(database: MemoryDatabase) -> None:
    """Shares are of the plays whose artist's genres are known."""
    with database.emptied_afterwards():
        add(
            database,
            [
                *(extended(day(at), "X", "Ann", 60_000) for at in (1, 2)),
                extended(day(3), "Y", "Bob", 100_000),
                extended(day(4), "Z", "Cy", 100_000),
            ],
        )
        assert rows(database, "top-genres") == []
        for artist, genres in (("Ann", ["pop", "rock"]), ("Bob", ["rock"]), ("Cy", [])):
            database.connection.execute(
                "update artists set genres = $genres where name = $name",
                {"genres": genres, "name": artist},
            )
        assert rows(database, "top-genres") == [
            (1, "rock", 3, 1.0, 220_000, 2, 2, "Ann", "2024-01-03T10:00:00.000Z"),
            (2, "pop", 2, 0.6667, 120_000, 1, 1, "Ann", "2024-01-02T10:00:00.000Z"),
        ]


def test_shows_episodes_and_books_are_ranked_among_themselves(database: MemoryDatabase) -> None:
    """Each asks for its own kind; music is in none of them."""
    chapter = extended(
        day(5), "Chapter 1", "Writer", 900_000, album="Book", uri="spotify:episode:c1",
        kind="audiobook_chapter",
    )._replace(album_uri="spotify:show:book")  # fmt: skip
    with database.emptied_afterwards():
        add(
            database,
            [
                extended(day(1), "Song", "Ann"),
                *(
                    extended(
                        day(at), f"Ep {at % 2}", "Pod", 600_000 + at, album="Pod",
                        uri=f"spotify:episode:e{at % 2}", kind="episode",
                    )
                    for at in (2, 3, 4)
                ),
                account(day(6), "Talk", "Cast", 3_000_000, kind="episode"),
                extended(day(7), "Ep 1", "Pod", 29_000, album="Pod", uri="spotify:episode:e1",
                         kind="episode"),
                chapter,
                chapter._replace(played_at_ms=chapter.played_at_ms + 86_400_000),
            ],
        )  # fmt: skip
        first, second, third, cast = (f"2024-01-0{at}T10:00:00.000Z" for at in (2, 3, 4, 6))
        assert rows(database, "top-shows") == [
            (1, "Pod", 3, 1_800_009, 2, first, third),
            (2, "Cast", 1, 3_000_000, 1, cast, cast),
        ]
        assert [row[1] for row in rows(database, "top-shows", by="time")] == ["Cast", "Pod"]
        assert rows(database, "top-episodes") == [
            (1, "Ep 0", "Pod", 2, 1_200_006, first, third, "spotify:episode:e0"),
            (2, "Talk", "Cast", 1, 3_000_000, cast, cast, None),
            (3, "Ep 1", "Pod", 1, 600_003, second, second, "spotify:episode:e1"),
        ]
        assert cells(ask(database, "top-episodes", min_ms=0), "episode", "plays")[:2] == [
            ("Ep 0", 2),
            ("Ep 1", 2),
        ]
        assert rows(database, "top-audiobooks") == [
            (1, "Book", "Writer", 2, 1_800_000, 1, "2024-01-05T10:00:00.000Z",
             "2024-01-06T10:00:00.000Z", "spotify:show:book")
        ]  # fmt: skip


def test_contexts_are_those_the_polls_told_with_the_names_that_are_known(
    database: MemoryDatabase,
) -> None:
    """Shares are of plays with a context; the old form of a playlist is one too."""
    places = [
        LIST, LIST, LIST, OLD_LIST, "spotify:album:one", "spotify:artist:ann", "spotify:artist:who",
        "spotify:user:me:collection", "spotify:station:x", None,
    ]  # fmt: skip
    with database.emptied_afterwards():
        add(
            database,
            [
                api(
                    day(at), f"T{at % 2}", "Ann", uri=f"spotify:track:t{at % 2}", album="One"
                )._replace(
                    context_uri=place,
                    album_uri="spotify:album:one",
                    artist_uri="spotify:artist:ann",
                )
                for at, place in enumerate(places, 1)
            ],
        )
        found = ask(database, "top-contexts")
        assert found.rows[0] == (
            1, LIST, "playlist", None, 3, 0.3333, 0, 2, "2024-01-03T10:00:00.000Z",
        )  # fmt: skip
        assert cells(found, "context_uri", "type", "name", "share")[1:] == [
            ("spotify:album:one", "album", "One", 0.1111),
            ("spotify:artist:ann", "artist", "Ann", 0.1111),
            ("spotify:artist:who", "artist", None, 0.1111),
            ("spotify:station:x", "other", None, 0.1111),
            ("spotify:user:me:collection", "collection", None, 0.1111),
            (OLD_LIST, "playlist", None, 0.1111),
        ]


def test_the_search_finds_things_of_every_kind_best_match_first(database: MemoryDatabase) -> None:
    """Exact, beginning, part, artist with name; then plays. Plays too short to count are found."""
    with database.emptied_afterwards():
        add(
            database,
            [
                extended(day(1), "Café", "Ann", 5_000, album="One", uri=A1),
                *(extended(day(at), "Cafeteria", "Bob", album="Two", uri=A2) for at in (2, 3)),
                extended(day(4), "Old Café", "Cafe", album="The Café", uri=B1),
                extended(day(5), "Cafe talk", "The cafe show", kind="episode", album="x"),
                extended(day(6), "1", "Writer", kind="audiobook_chapter", album="CAFÉ NOIR"),
            ],
        )
        found = ask(database, "search", text="cafe")
        assert cells(found, "entity", "name", "artist", "plays") == [
            ("artist", "Cafe", None, 1),
            ("track", "Café", "Ann", 1),
            ("track", "Cafeteria", "Bob", 2),
            ("book", "CAFÉ NOIR", "Writer", 1),
            ("episode", "Cafe talk", "The cafe show", 1),
            ("album", "The Café", "Cafe", 1),
            ("show", "The cafe show", None, 1),
            ("track", "Old Café", "Cafe", 1),
        ]
        at = "2024-01-01T10:00:00.000Z"
        assert rows(database, "search", text="ANN CAFÉ") == [
            ("track", "Café", "Ann", 1, at, at, A1)
        ]
        assert rows(database, "search", text="cafe ann") == rows(
            database, "search", text="ann cafe"
        )
        assert rows(database, "search", text="cafe", min_ms=30_000, until="2024-01-02") == []
        assert rows(database, "search", text="%") == rows(database, "search", text="   ") == []


def test_the_search_finds_a_song_by_the_title_of_any_of_its_versions(
    database: MemoryDatabase,
) -> None:
    """It is shown under the plainest one; another listener's music is never found."""
    with database.emptied_afterwards():
        add(
            database,
            [
                extended(day(1), "Alpha", "Ann", uri=A1),
                extended(day(2), "Alpha - 2011 Remaster", "Ann", uri=A2),
            ],
        )
        add(database, [extended(day(1), "Alpine", "Bob")], "other")
        found = ask(database, "search", text="2011 remaster", user="me")
        assert cells(found, "entity", "name", "plays") == [("track", "Alpha", 2)]
        assert rows(database, "search", text="alpine", user="me") == []
        apart = ask(database, "search", text="alp", user="me", raw=True)
        assert cells(apart, "name") == [("Alpha",), ("Alpha - 2011 Remaster",)]


def test_a_search_for_nothing_is_refused(database: MemoryDatabase) -> None:
    """The text is what the question is about."""
    with database.emptied_afterwards():
        add(database, [])
        with pytest.raises(UsageError, match="text is missing"):
            ask(database, "search")
        with pytest.raises(UsageError, match="not empty"):
            ask(database, "search", text="")
