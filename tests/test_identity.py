"""Which ids are one thing: songs on several albums, artists under several names, and by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plays import NOW, MemoryDatabase, account, add, api, ask, cells, extended, rows

from spotify_hist.analytics import scope
from spotify_hist.analytics.lookup import meant
from spotify_hist.analytics.scope import Scope
from spotify_hist.errors import UsageError
from spotify_hist.store import identity, ignoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spotify_hist.store.database import Connection

SINGLE = {"title": "Song", "artist": "Artist", "album": "Single", "uri": "spotify:track:s1"}
ALBUM = {"title": "Song", "artist": "Artist", "album": "Album", "uri": "spotify:track:a1"}
OTHER = {"title": "Another", "artist": "Artist", "album": "Album", "uri": "spotify:track:o1"}


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryDatabase]:
    """One connection for all tests."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


@pytest.fixture
def history(memory: MemoryDatabase) -> Iterator[MemoryDatabase]:
    """An empty history, empty again afterwards."""
    with memory.emptied_afterwards():
        yield memory


def play(hour: int, what: dict[str, str], **changes: str) -> object:
    """An extended row in that hour of a day."""
    return extended(f"2024-05-01T{hour:02}:00", **{**what, **changes})  # type: ignore[arg-type]


def bring(database: MemoryDatabase, *plays: object) -> None:
    """Commit some rows."""
    add(database, plays)  # type: ignore[arg-type]  # what `play` gives


def counts(database: MemoryDatabase, question: str = "top-tracks", **arguments: object) -> object:
    """{name: plays} of a ranking."""
    name = "artist" if question == "top-artists" else "track"
    found = cells(ask(database, question, **arguments), name, "plays")
    return {row[0]: row[1] for row in found}


def set_isrc(connection: Connection, track_id: str, isrc: str) -> None:
    """What enrichment tells of a track."""
    connection.execute("update tracks set isrc = ? where track_id = ?", [isrc, track_id])


def test_a_song_on_two_albums_is_one_and_raw_shows_both(history: MemoryDatabase) -> None:
    """By artist and title; each play keeps the album it was played from (FACTS 7.2)."""
    bring(history, play(1, SINGLE), play(2, ALBUM), play(3, ALBUM), play(4, OTHER))
    assert counts(history) == {"Song": 3, "Another": 1}
    raw = cells(ask(history, "top-tracks", raw=True), "track", "album", "plays")
    assert raw == [("Song", "Album", 2), ("Another", "Album", 1), ("Song", "Single", 1)]
    albums = cells(ask(history, "recent"), "track", "album")
    assert albums == [
        ("Another", "Album"), ("Song", "Album"), ("Song", "Album"), ("Song", "Single"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "title",
    [
        "song",
        "Song  ",
        "Song - Remastered 2011",
        "Song - 2009 Remaster",
        "Song (Remastered)",
        "Song (2015 Remastered Version)",
        "Song (feat. Someone)",
        "Song [ft. Someone & Else]",
    ],
)
def test_re_releases_of_a_recording_are_one_song(history: MemoryDatabase, title: str) -> None:
    """Remasters, and titles that name the guests."""
    bring(history, play(1, SINGLE), play(2, ALBUM, title=title))
    assert counts(history) == {"Song": 2}


@pytest.mark.parametrize("title", ["Song (Live)", "Song - Live at Home", "Song II", "Songs", "So"])
def test_other_recordings_stay_apart(history: MemoryDatabase, title: str) -> None:
    """A live version is another one, and so is a longer title."""
    bring(history, play(1, SINGLE), play(2, ALBUM, title=title))
    assert counts(history) == {"Song": 1, title: 1}


def test_an_isrc_joins_what_the_names_keep_apart(history: MemoryDatabase) -> None:
    """In any case of its letters (FACTS 7.1)."""
    renamed = {**ALBUM, "title": "Das Lied", "artist": "Künstler"}
    bring(history, play(1, SINGLE), play(2, renamed))
    set_isrc(history.connection, "s1", "GBAYE0601498")
    set_isrc(history.connection, "a1", "gbaye0601498")
    assert counts(history) == {"Song": 2}
    assert counts(history, raw=True) == {"Song": 1, "Das Lied": 1}


def test_names_that_differ_in_case_and_spaces_are_one_artist(history: MemoryDatabase) -> None:
    """Exports name artists without an id."""
    bring(history, play(1, SINGLE, artist="Beyoncé"), play(2, OTHER, artist="BEYONCÉ "))
    assert sum(counts(history, "top-artists").values()) == 2  # type: ignore[attr-defined]
    assert len(rows(history, "top-artists")) == 1
    assert len(rows(history, "top-artists", raw=True)) == 2


def test_two_artists_of_one_name_stay_apart_where_spotify_says_so(history: MemoryDatabase) -> None:
    """Their ids differ."""
    for number, artist in enumerate(("spotify:artist:x", "spotify:artist:y")):
        told = api(
            f"2024-05-01T0{number}:00", f"Title {number}", "Nirvana",
            uri=f"spotify:track:{number}", artist_uri=artist,
        )  # fmt: skip
        add(history, [told])
    assert len(rows(history, "top-artists")) == 2


def test_a_merge_holds_for_plays_that_come_later(history: MemoryDatabase) -> None:
    """Of either id, of an id nobody knew yet, and of what has no id at all (Koito#217)."""
    bring(history, play(1, SINGLE), play(2, OTHER))
    identity.join(history.connection, "track", "s1", ["o1"], NOW)
    assert counts(history) == {"Song": 2}
    bring(history, play(3, OTHER), play(4, OTHER, uri="spotify:track:new", album="Best of"))
    add(history, [account("2024-05-01T05:00", "Another", "Artist")])
    assert counts(history) == {"Song": 5}
    assert len(rows(history, "top-tracks", raw=True)) == 3


def test_a_chain_of_merges_is_one_song_and_shown_by_the_last_target(
    history: MemoryDatabase,
) -> None:
    """A into B and B into C."""
    third = {**OTHER, "title": "Third", "uri": "spotify:track:t1"}
    bring(history, play(1, SINGLE), play(2, OTHER), play(3, third))
    identity.join(history.connection, "track", "o1", ["s1"], NOW)
    assert counts(history) == {"Another": 2, "Third": 1}
    identity.join(history.connection, "track", "t1", ["o1"], NOW)
    assert counts(history) == {"Third": 3}
    identity.join(history.connection, "track", "t1", ["s1"], NOW)
    assert counts(history) == {"Third": 3}


def test_split_parts_what_is_joined_by_itself_and_reset_joins_it_again(
    history: MemoryDatabase,
) -> None:
    """One id leaves its song, and comes back."""
    bring(history, play(1, SINGLE), play(2, ALBUM), play(3, ALBUM))
    before = rows(history, "top-tracks")
    identity.part(history.connection, "track", "a1", NOW)
    assert cells(ask(history, "top-tracks"), "track", "plays") == [("Song", 2), ("Song", 1)]
    set_isrc(history.connection, "s1", "X")
    set_isrc(history.connection, "a1", "X")
    assert len(rows(history, "top-tracks")) == 2, "an ISRC does not overrule the listener"
    assert identity.reset(history.connection, "track", "a1")
    assert rows(history, "top-tracks") == before
    assert not identity.reset(history.connection, "track", "a1")


def test_merging_what_was_split_joins_it_again(history: MemoryDatabase) -> None:
    """The later word counts."""
    bring(history, play(1, SINGLE), play(2, ALBUM))
    identity.part(history.connection, "track", "s1", NOW)
    identity.join(history.connection, "track", "s1", ["a1"], NOW)
    assert counts(history) == {"Song": 2}


def test_an_alias_makes_one_artist_and_one_song_of_both_names(history: MemoryDatabase) -> None:
    """What an artist was called before."""
    bring(history, play(1, SINGLE), play(2, ALBUM, artist="Formerly Artist"))
    assert len(rows(history, "top-artists")) == 2
    everything = Scope.everything(1, NOW)
    scope.make(history.connection, everything, wants_estimates=False)
    new, _ = meant(history.connection, "artist", "Artist")
    old, _ = meant(history.connection, "artist", "formerly ARTIST")
    identity.join(history.connection, "artist", new, [old], NOW)
    assert counts(history, "top-artists") == {"Artist": 2}
    assert counts(history) == {"Song": 2}
    identity.reset(history.connection, "artist", old)
    assert len(rows(history, "top-artists")) == 2


def test_what_is_kept_in_the_file_is_used_only_while_it_is_true(history: MemoryDatabase) -> None:
    """A poll does not keep identities anew; questions are right all the same."""
    bring(history, play(1, SINGLE))
    assert identity.refresh(history.connection)
    assert not identity.refresh(history.connection), "nothing has changed"
    bring(history, play(2, OTHER))
    assert counts(history) == {"Song": 1, "Another": 1}
    set_isrc(history.connection, "s1", "X")
    set_isrc(history.connection, "o1", "X")
    assert len(rows(history, "top-tracks")) == 1
    assert identity.refresh(history.connection)
    kept = history.connection.execute("select count(*) from identities").fetchall()
    assert kept == [(2,)]
    assert len(rows(history, "top-tracks")) == 1


def test_a_rule_hides_from_questions_and_deletes_nothing(history: MemoryDatabase) -> None:
    """Artist, track, album, context and kind; `raw` and the end of the rule show it again."""
    bring(history, play(1, SINGLE), play(2, ALBUM), play(3, OTHER, artist="Else"))
    add(
        history,
        [extended("2024-05-01T09:00", "Part", "Show", kind="episode", uri="spotify:episode:e")],
    )
    before = rows(history, "recent")
    scope.make(history.connection, Scope.everything(1, NOW), wants_estimates=False)
    ids = {
        "artist": meant(history.connection, "artist", "Else")[0],
        "track": "s1",
        "album": meant(history.connection, "album", "Single")[0],
        "kind": "episode",
    }
    expected = {
        "artist": ["Part", "Song", "Song"],
        "track": ["Part", "Another"],
        "album": ["Part", "Another", "Song"],
        "kind": ["Another", "Song", "Song"],
    }
    for entity, id_ in ids.items():
        assert ignoring.add(history.connection, None, entity, id_, entity, NOW)
        assert not ignoring.add(history.connection, None, entity, id_, entity, NOW)
        assert [row[0] for row in cells(ask(history, "recent"), "track")] == expected[entity]
        assert rows(history, "recent", raw=True) == before
        (rule,) = ignoring.rules(history.connection)
        assert ignoring.remove(history.connection, rule.rule_id)
        assert rows(history, "recent") == before


def test_a_rule_of_one_listener_hides_nothing_from_another(history: MemoryDatabase) -> None:
    """Everybody's rule does."""
    for name in ("ada", "bob"):
        add(history, [extended("2024-05-01T09:00", **SINGLE)], name)  # type: ignore[arg-type]
    ignoring.add(history.connection, 1, "track", "s1", "Song", NOW)
    assert rows(history, "recent", user="ada") == []
    assert len(rows(history, "recent", user="bob")) == 1
    ignoring.add(history.connection, None, "track", "s1", "Song", NOW)
    assert rows(history, "recent", user="bob") == []


def test_a_name_with_quotes_in_a_rule_is_only_a_name(history: MemoryDatabase) -> None:
    """Rules become conditions of SQL."""
    hostile = "x') or true --"
    bring(history, play(1, SINGLE))
    ignoring.add(history.connection, None, "context", hostile, hostile, NOW)
    assert len(rows(history, "recent")) == 1


@pytest.mark.parametrize(
    "text", ["Song", " song ", "SONG - artist", "s1", "spotify:track:s1", "https://open.spotify.com/track/s1?si=abc"]
)  # fmt: skip
def test_a_track_is_found_by_name_id_uri_and_link(history: MemoryDatabase, text: str) -> None:
    """Whatever a person has at hand."""
    bring(history, play(1, SINGLE), play(2, OTHER))
    scope.make(history.connection, Scope.everything(1, NOW), wants_estimates=False)
    assert meant(history.connection, "track", text) == ("s1", "Song - Artist")


def test_what_was_never_played_is_refused_with_what_is_near(history: MemoryDatabase) -> None:
    """A slip of the finger, and a name that is like nothing."""
    bring(history, play(1, SINGLE), play(2, OTHER))
    scope.make(history.connection, Scope.everything(1, NOW), wants_estimates=False)
    with pytest.raises(UsageError) as slip:
        meant(history.connection, "track", "Anothr")
    assert "'Another - Artist'" in slip.value.hint
    with pytest.raises(UsageError) as nothing:
        meant(history.connection, "artist", "zzzzzz")
    assert "search" in nothing.value.hint


# A few titles, ISRCs and artists, so that tracks share them in every way.
tracks = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from([None, "1", "2", "3"])
    ),
    min_size=1,
    max_size=8,
)
pairs = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=2)


def groups(
    told: Sequence[tuple[str, str, str | None]],
    merged: Sequence[tuple[int, int]],
    apart: frozenset[int],
) -> set[frozenset[int]]:
    """Which tracks are one song, found by joining pairs until nothing changes."""
    song = list(range(len(told)))
    joined = [
        (one, other)
        for one in range(len(told))
        for other in range(one)
        if not {one, other} & apart
        and (told[one][:2] == told[other][:2] or (told[one][2] and told[one][2] == told[other][2]))
    ]
    joined += merged
    for _ in told:
        for one, other in joined:
            song = [
                min(song[one], song[other]) if each in {song[one], song[other]} else each
                for each in song
            ]
    found: defaultdict[int, set[int]] = defaultdict(set)
    for number, each in enumerate(song):
        found[each].add(number)
    return set(map(frozenset, found.values()))


@settings(
    max_examples=settings().max_examples // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=tracks, merged=pairs, apart=st.frozensets(st.integers(0, 7), max_size=2))
def test_songs_are_what_joining_pair_by_pair_gives(
    memory: MemoryDatabase,
    told: list[tuple[str, str, str | None]],
    merged: list[tuple[int, int]],
    apart: frozenset[int],
) -> None:
    """By names, by ISRC, by hand and through chains of all three."""
    size = len(told)
    # What is put apart by hand takes no part in merges here: the later word would count.
    apart = frozenset(each for each in apart if each < size)
    merged = [
        (one, other) for one, other in merged
        if max(one, other) < size and one != other and not {one, other} & apart
    ][:1]  # fmt: skip
    with memory.emptied_afterwards():
        for number, (title, artist, isrc) in enumerate(told):
            at = NOW - timedelta(hours=number)
            add(
                memory,
                [extended(at, title, artist, album=f"{number}", uri=f"spotify:track:t{number}")],
            )
            if isrc:
                set_isrc(memory.connection, f"t{number}", isrc)
        for each in apart:
            identity.part(memory.connection, "track", f"t{each}", NOW)
        for one, other in merged:
            identity.join(memory.connection, "track", f"t{one}", [f"t{other}"], NOW)
        identity.use(memory.connection)
        found = memory.connection.execute(
            "select list(own_track_id) from identity group by track_id"
        ).fetchall()
        assert {frozenset(int(each[1:]) for each in ids) for (ids,) in found} == groups(
            told, merged, apart
        )
