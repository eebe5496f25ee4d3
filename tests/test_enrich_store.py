"""What is wanted of a history, what a search may link, and the accounts of requests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from plays import NOW, MemoryDatabase, account, add, api, extended
from plays import rows as ask

from spotify_hist.model import ApiTrack, local_id
from spotify_hist.store import enrich, journal, records
from spotify_hist.store.enrich import ENTITIES, Answers, Entity, Settled, Song, Want

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONE, TWO, THREE = "1" * 22, "2" * 22, "3" * 22


@pytest.fixture(scope="module")
def shared() -> MemoryDatabase:
    """One schema for all tests here."""
    return MemoryDatabase()


@pytest.fixture
def memory(shared: MemoryDatabase) -> Iterator[MemoryDatabase]:
    """An empty history."""
    with shared.emptied_afterwards() as database:
        yield database


def wanted(
    memory: MemoryDatabase, *, most: int = 50, askable: Sequence[Entity] = ENTITIES
) -> list[Want]:
    """What may be asked now."""
    return enrich.wants(memory.connection, NOW, askable, most)


def brief(wants: Sequence[Want]) -> list[tuple[str, str, int]]:
    """Entity, id and plays."""
    return [(want.entity, want.id, want.plays) for want in wants]


def song(
    title: str = "Song",
    artist: str = "Artist",
    album: str = "Album",
    *,
    track_id: str = ONE,
    isrc: str | None = "ISRC1",
    album_artist: str | None = None,
) -> Song:
    """A track as a search or a look-up tells it."""
    track = ApiTrack(
        track_id, 200_000, isrc, f"album-{track_id[0]}", "1999", "https://i.example/1",
        ((f"artist-{artist}", artist),),
    )  # fmt: skip
    return Song(track, title, album, album_artist or artist)


def searched(memory: MemoryDatabase, *found: Song, local: str) -> str | None:
    """The track that a local id leads to after its search told these."""
    answers = Answers(found={local: list(found)})
    linked = enrich.keep(memory.connection, answers, NOW)
    links: list[tuple[str]] = memory.connection.execute(
        "select spotify_id from track_links where entity = 'track' and local_id = ?", [local]
    ).fetchall()
    assert len(links) == linked
    return links[0][0] if links else None


def state(memory: MemoryDatabase, local: str) -> list[tuple[str, bool]]:
    """The queue's row of a link: its state, and whether it is to be tried again."""
    return memory.connection.execute(
        "select state, next_try_at is not null from enrich_queue where entity = 'link' and id = ?",
        [local],
    ).fetchall()


def test_plays_of_all_listeners_decide_the_order(memory: MemoryDatabase) -> None:
    """Most played first; ties go by the kind of thing and then by its id."""
    add(memory, [extended("2025-01-01T00:00", "A", uri=f"spotify:track:{ONE}")])
    add(memory, [extended("2025-01-01T00:00", "B", uri=f"spotify:track:{TWO}")], "two")
    add(memory, [extended("2025-01-02T00:00", "C", uri=f"spotify:track:{THREE}")])
    add(memory, [extended("2025-01-03T00:00", "B", uri=f"spotify:track:{TWO}")])
    add(memory, [account("2025-02-01T00:00", "Elsewhere", "Nobody")])

    assert brief(wanted(memory)) == [
        ("track", TWO, 2),
        ("track", ONE, 1),
        ("track", THREE, 1),
        ("link", local_id("Nobody", "Elsewhere", None), 1),
    ]
    assert brief(wanted(memory, most=1)) == [
        ("track", TWO, 2),
        ("link", local_id("Nobody", "Elsewhere", None), 1),
    ]
    wanted(memory)
    assert enrich.remaining(memory.connection) == {"track": 3, "link": 1}


def test_new_plays_make_new_wants(memory: MemoryDatabase) -> None:
    """Nothing has to be put into a queue."""
    assert wanted(memory) == []
    add(memory, [extended("2025-01-01T00:00", uri=f"spotify:track:{ONE}")])
    assert brief(wanted(memory)) == [("track", ONE, 1)]


def test_podcasts_books_and_the_nameless_are_no_music(memory: MemoryDatabase) -> None:
    """Only tracks are asked about."""
    add(
        memory,
        [
            extended("2025-01-01T00:00", uri=f"spotify:episode:{ONE}", kind="episode"),
            extended("2025-01-02T00:00", kind="audiobook_chapter"),
            extended("2025-01-03T00:00", None, None, album=None, kind="unknown"),
            extended("2025-01-04T00:00", "No Artist", None, album=None),
        ],
    )
    assert wanted(memory) == []


def test_what_was_asked_is_not_wanted_again_before_its_time(memory: MemoryDatabase) -> None:
    """Done for good, not found for ninety days, waiting until then."""
    tracks = {ONE: "done", TWO: "not_found", THREE: "waiting"}
    add(
        memory,
        [
            extended(f"2025-01-0{at}T00:00", f"S{at}", uri=f"spotify:track:{each}")
            for at, each in enumerate(tracks, 1)
        ],
    )
    later = NOW + timedelta(minutes=1)
    enrich.keep(
        memory.connection,
        Answers(
            settled=[
                Settled("track", ONE, "done"),
                Settled("track", TWO, "not_found", 0, later),
                Settled("track", THREE, "waiting", 2, later),
            ]
        ),
        NOW,
    )

    assert wanted(memory) == []
    assert enrich.remaining(memory.connection) == {"track": 1}
    then = enrich.wants(memory.connection, later, ENTITIES, 50)
    assert [(want.id, want.tries) for want in then] == [(TWO, 0), (THREE, 2)]


def test_a_closed_ability_takes_its_wants_away(memory: MemoryDatabase) -> None:
    """They are no part of what is still to come."""
    add(memory, [account("2025-01-01T00:00", "Song", "Artist")])
    assert wanted(memory, askable=["track", "artist"]) == []
    assert enrich.remaining(memory.connection) == {}


def test_a_polled_track_leads_to_its_artist_and_album(memory: MemoryDatabase) -> None:
    """Whatever of them the API did not tell with the play."""
    add(
        memory,
        [
            api(
                "2025-01-01T00:00", "Song", "Artist",
                uri=f"spotify:track:{ONE}", artist_uri=f"spotify:artist:{TWO}",
            )._replace(album_uri=f"spotify:album:{THREE}"),
        ],
    )  # fmt: skip
    track = ApiTrack(ONE, 5, "I", THREE, None, None, ((TWO, "Artist"),))
    records.add_track_details(memory.connection, [track])

    assert brief(wanted(memory)) == [("artist", TWO, 1), ("album", THREE, 1), ("features", ONE, 1)]


def test_the_one_track_of_that_artist_and_title_is_linked(memory: MemoryDatabase) -> None:
    """Case, spaces and Unicode form do not matter, everything else does."""
    local = local_id("Björk", "The  Song", None)
    add(memory, [account("2025-01-01T00:00", "The  Song", "Björk")])

    found = searched(
        memory,
        song("The Song - Live", "Björk", track_id=THREE),
        song("the song", "Bjo\u0308rk", track_id=TWO),
        song("The Song", "Björk Tribute Band", track_id=ONE),
        local=local,
    )

    assert found == TWO
    assert state(memory, local) == [("done", False)]
    assert ask(memory, "recent")[0][-2] == f"spotify:track:{TWO}"


def test_exports_name_the_artist_of_the_album(memory: MemoryDatabase) -> None:
    """FACTS 5.3: on a compilation that is another one than the track's."""
    local = local_id("Various", "Song", None)
    add(memory, [account("2025-01-01T00:00", "Song", "Various")])
    assert searched(memory, song(album_artist="Various"), local=local) == ONE


def test_one_recording_under_several_ids_is_one_answer(memory: MemoryDatabase) -> None:
    """The single and the album track share their ISRC (FACTS 7.1): the least id stands for it."""
    local = local_id("Artist", "Song", None)
    add(memory, [account("2025-01-01T00:00")])
    both = (song(track_id=TWO), song(track_id=ONE, album="Song"))
    assert searched(memory, *both, local=local) == ONE


@pytest.mark.parametrize("isrcs", [("ISRC1", "ISRC2"), ("ISRC1", None), (None, None)])
def test_two_recordings_are_no_answer(
    memory: MemoryDatabase, isrcs: tuple[str | None, str | None]
) -> None:
    """Which of them was heard cannot be told."""
    local = local_id("Artist", "Song", None)
    add(memory, [account("2025-01-01T00:00")])
    both = (song(track_id=ONE, isrc=isrcs[0]), song(track_id=TWO, isrc=isrcs[1], album="Live"))
    assert searched(memory, *both, local=local) is None
    assert state(memory, local) == [("not_found", True)]
    assert memory.connection.execute("select count(*) from tracks where isrc is not null") \
        .fetchall() == [(0,)]  # fmt: skip


def test_the_album_decides_between_recordings(memory: MemoryDatabase) -> None:
    """The exports of 2020 name it (FACTS 5.3)."""
    local = local_id("Artist", "Song", "Live")
    add(memory, [extended("2025-01-01T00:00", album="Live")])
    both = (song(track_id=ONE, isrc="A"), song(track_id=TWO, isrc="B", album="live"))
    assert searched(memory, *both, local=local) == TWO


def test_another_album_is_no_obstacle_where_only_one_recording_is_told(
    memory: MemoryDatabase,
) -> None:
    """Albums are renamed and issued again."""
    local = local_id("Artist", "Song", "Old Name")
    add(memory, [extended("2025-01-01T00:00", album="Old Name")])
    assert searched(memory, song(album="New Name"), local=local) == ONE


def test_a_found_track_is_named_by_whatever_record_comes_later(memory: MemoryDatabase) -> None:
    """What a search told is the least of all; its details stay."""
    local = local_id("Artist", "Song", None)
    add(memory, [account("2025-01-01T00:00")])
    searched(memory, song("SONG"), local=local)
    add(memory, [extended("2025-03-01T00:00", "Song", uri=f"spotify:track:{ONE}")])
    assert memory.connection.execute(
        "select title, duration_ms, isrc from tracks where track_id = ?", [ONE]
    ).fetchall() == [("Song", 200_000, "ISRC1")]


def test_an_export_with_ids_links_tracks_albums_and_artists_without_a_call(
    memory: MemoryDatabase,
) -> None:
    """Whatever source reveals the id of the same names: nothing is left to be searched."""
    add(memory, [account("2025-01-01T00:00"), extended("2020-01-01T00:00", album="Album")])
    assert {want.entity for want in wanted(memory)} == {"link"}
    add(
        memory,
        [
            api(
                "2025-02-01T00:00", "Song", "Artist",
                uri=f"spotify:track:{ONE}", artist_uri=f"spotify:artist:{TWO}",
            )._replace(album_uri=f"spotify:album:{THREE}"),
        ],
    )  # fmt: skip

    assert "link" not in {want.entity for want in wanted(memory)}
    links = memory.connection.execute(
        "select distinct entity, spotify_id from track_links order by entity"
    ).fetchall()
    assert links == [("album", THREE), ("artist", TWO), ("track", ONE)]
    assert {row[-2] for row in ask(memory, "recent")} == {f"spotify:track:{ONE}"}


def test_what_spotify_tells_of_one_track_links_the_local_ids_of_others(
    memory: MemoryDatabase,
) -> None:
    """The artist whom the API credits is the one the account data names, and needs no search."""
    local = local_id("Guest", "Song", None)
    add(memory, [account("2025-01-01T00:00", "Song", "Guest")])
    add(memory, [extended("2025-02-01T00:00", "Song", "Various", uri=f"spotify:track:{ONE}")])
    told = song("Song", "Guest", album_artist="Various")

    enrich.keep(memory.connection, Answers(songs=[told]), NOW)

    assert memory.connection.execute(
        "select entity, local_id, spotify_id from track_links order by entity"
    ).fetchall() == [
        ("album", local_id("Various", "Album"), "album-1"),
        ("artist", local_id("Guest"), "artist-Guest"),
        ("track", local, ONE),
    ]


def test_requests_count_for_a_day_and_a_killed_run_counts_what_it_reserved(
    memory: MemoryDatabase,
) -> None:
    """Runs of other jobs do not; nor does one that a wrong clock put far ahead."""
    connection = memory.connection
    killed = enrich.begin_run(connection, NOW - timedelta(hours=23), {"requests": 20})
    journal.add_run(connection, "enrich", None, NOW, NOW, "ok", {"requests": 7})
    journal.add_run(connection, "poll", None, NOW, NOW, "ok", {"requests": 100})
    ahead = NOW + timedelta(days=3000)
    journal.add_run(connection, "enrich", None, ahead, ahead, "ok", {"requests": 100})
    before = NOW - timedelta(hours=24)
    journal.add_run(connection, "enrich", None, before, before, "ok", {"requests": 50})

    spent = enrich.spent(connection, NOW)

    assert (spent.requests, spent.frees_at) == (27, NOW + timedelta(hours=1))
    assert enrich.begin_run(connection, NOW, {"requests": 3}) > killed
    assert connection.execute(
        "select status, error from job_runs where run_id = ?", [killed]
    ).fetchall() == [("failed", "The run was cut off.")]
    assert enrich.spent(connection, NOW).requests == 30


def test_without_any_run_nothing_is_spent(memory: MemoryDatabase) -> None:
    """And nothing has to be waited for."""
    assert enrich.spent(memory.connection, NOW) == enrich.Spent(0, None)
