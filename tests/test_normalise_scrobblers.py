"""Rows of other programs become records, or are refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_files import (
    HISTORY_ITEM,
    INFO,
    KOITO_LISTEN,
    LISTEN,
    LISTEN_PLAYED,
    MALOJA_ROWS,
    MS,
    NOW,
    T0,
    TRACK,
    URI,
    lastfm_track,
    record,
)

from spotify_hist import normalise
from spotify_hist.model import SCROBBLERS, Record, Rejected, Source

# Any JSON, with the values and keys that these rows have.
_KEYS = st.sampled_from(
    [
        "played_at", "$date", "$numberLong", "id", "track", "full_artists", "full_album", "name",
        "time", "artists", "title", "album", "albumtitle", "duration", "origin", "aliases", "alias",
        "is_primary", "listened_at", "track_metadata", "additional_info", "artist_names",
        "spotify_id", "origin_url", "ms_played", "duration_played", "track_name", "artist_name",
        "release_name", "uts", "date", "artist", "#text", "@attr", "nowplaying",
    ]
)  # fmt: skip
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**399),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["\ud800", str(T0), str(MS), "2023-11-14T22:13:20Z", TRACK, URI, "true"]),
    st.sampled_from([T0, float(T0), MS]),
    st.builds(object),
)
_ROWS = st.recursive(
    _VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=8)),
    max_leaves=20,
)


def listen(listened_at: object = T0, *, info: object = None, **metadata: object) -> object:
    """A listen of ListenBrainz."""
    return {
        "listened_at": listened_at,
        "track_metadata": {"track_name": "T", "artist_name": "A", "additional_info": info}
        | metadata,
    }


def scrobble(**changes: object) -> dict[str, object]:
    """A scrobble of Maloja's."""
    return MALOJA_ROWS[1] | changes


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ({"$date": "2023-11-14T22:13:20Z"}, MS),
        ({"$date": "2023-11-14T22:13:20.5Z"}, MS + 500),
        ({"$date": "2023-11-14T22:13:20.123+00:00"}, MS + 123),
        ({"$date": {"$numberLong": str(MS + 7)}}, MS + 7),
        ({"$date": MS + 8}, MS + 8),
        ("2023-11-14T22:13:20.123Z", MS + 123),
    ],
)
def test_every_spelling_of_mongodbs_dates_is_read(date: object, expected: int) -> None:
    """Extended JSON 1 and 2, relaxed and canonical, and the plain JSON of the API."""
    made = normalise.row("your_spotify", INFO | {"played_at": date})
    assert made == record("your_spotify", expected, uri=URI)


def test_names_of_your_spotify_are_taken_where_they_are_told() -> None:
    """Its history answers them; the length of the track is not what was listened to."""
    assert normalise.row("your_spotify", HISTORY_ITEM) == record(
        "your_spotify",
        MS + 123,
        uri=URI,
        title="Never Gonna Give You Up",
        artist="Rick Astley",
        album="Whenever You Need Somebody",
    )


def test_a_play_of_a_hidden_artist_was_a_play() -> None:
    """Hiding an artist changes statistics, not what was heard."""
    hidden = INFO | {"blacklistedBy": ["artist"]}
    assert normalise.row("your_spotify", hidden) == normalise.row("your_spotify", INFO)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, 'no "id"'),
        ({"id": "local"}, '"id" is not a Spotify id'),
        ({"id": 5}, '"id" is not a Spotify id'),
        ({"played_at": None}, 'no "played_at"'),
        ({"played_at": {}}, 'no "played_at"'),
        ({"played_at": {"$date": True}}, '"played_at" is not a time'),
        ({"played_at": {"$date": 10**399}}, "time out of range: 1" + "0" * 39),
        ({"played_at": "yesterday"}, '"played_at" is not a time in UTC: yesterday'),
        ({"played_at": "2023-11-14T22:13:20+01:00"}, None),
    ],
)
def test_a_spoiled_row_of_your_spotify_is_refused(
    changes: dict[str, object], reason: str | None
) -> None:
    """Time and track are what it cannot do without."""
    made = normalise.row("your_spotify", INFO | changes)
    assert isinstance(made, Rejected)
    assert reason is None or made.reason == reason


def test_what_maloja_calls_duration_is_listened_time_and_is_added() -> None:
    """What it calls length is the track's."""
    made = normalise.row("maloja", MALOJA_ROWS[0])
    assert made == record(
        "maloja", MS + 200_000, ms_played=200_000, title="Café", artist="Main", album="Record"
    )


@pytest.mark.parametrize("duration", [None, 0, -1, True, "x", 1.0e300, 10**399, float("nan"), []])
def test_a_duration_that_makes_no_sense_counts_as_not_told(duration: object) -> None:
    """It costs the row nothing; the instant stays as it was noted."""
    made = normalise.row("maloja", scrobble(duration=duration))
    assert made == record("maloja", MS + 300_000, title="Two", artist="Solo")


def test_what_maloja_took_from_spotify_is_an_end_already() -> None:
    """Nothing is added to the time of an import of Spotify's export."""
    made = normalise.row("maloja", scrobble(duration=100, origin="import:spotify"))
    assert made == record("maloja", MS + 300_000, ms_played=100_000, title="Two", artist="Solo")


def test_the_albums_artist_is_the_main_one_where_he_plays() -> None:
    """Maloja keeps no order; an album by somebody else says nothing."""
    track = {"artists": ["B", "A"], "title": "T", "album": {"artists": ["A", "B"]}}
    other = track | {"album": {"artists": ["Various"], "name": "Sampler"}}
    assert normalise.row("maloja", scrobble(track=track)) == record(
        "maloja", MS + 300_000, title="T", artist="A"
    )
    assert normalise.row("maloja", scrobble(track=other)) == record(
        "maloja", MS + 300_000, title="T", artist="B", album="Sampler"
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (scrobble(time=None), 'no "time"'),
        (scrobble(time="soon"), '"time" is not a time'),
        (scrobble(time=0), "time out of range: 0"),
        (scrobble(time=float("inf")), "time out of range: inf"),
        (scrobble(track=None), "no title"),
        (scrobble(track={"title": "T", "artists": []}), "no artist"),
        (scrobble(track={"title": "T", "artists": "Solo"}), "no artist"),
        ([], "not an object"),
        (None, "not an object"),
    ],
)
def test_a_spoiled_row_of_malojas_is_refused(row: object, reason: str) -> None:
    """Time, title and artist are what it cannot do without."""
    assert normalise.row("maloja", row) == Rejected(reason)


def test_koitos_names_are_the_primary_ones() -> None:
    """Of artist and alias alike; the track's length is no listened time."""
    assert normalise.row("koito", KOITO_LISTEN) == record(
        "koito", MS, title="GIRI GIRI", artist="鈴木雅之", album="GIRI GIRI - EP"
    )


def test_without_a_primary_name_the_first_is_taken() -> None:
    """Exports before that mark have none."""
    row = {
        "listened_at": "2023-11-14T22:13:20.5Z",
        "track": {"aliases": [{"alias": "T"}, {"alias": "U"}]},
        "artists": [{"aliases": [{"alias": "A"}]}, {"aliases": [{"alias": "B"}]}],
    }
    assert normalise.row("koito", row) == record("koito", MS + 500, title="T", artist="A")
    assert normalise.row("koito", row | {"artists": []}) == Rejected("no artist")
    assert normalise.row("koito", row | {"track": None}) == Rejected("no title")
    assert normalise.row("koito", row | {"listened_at": T0}) == Rejected(
        '"listened_at" is not a time'
    )


def test_listened_time_of_a_listen_is_added_to_its_start() -> None:
    """`duration_played` is counted from `listened_at`; `duration` is the track's length."""
    assert normalise.row("listenbrainz", LISTEN_PLAYED) == record(
        "listenbrainz", MS + 480_000, ms_played=180_000, title="Solo", artist="Cid"
    )


def test_a_listen_without_listened_time_stays_where_it_was_noted() -> None:
    """The first credited artist is the main one, and the address at Spotify the URI."""
    assert normalise.row("listenbrainz", LISTEN) == record(
        "listenbrainz", MS, uri=URI, title="Duet", artist="Ann", album="Together"
    )


def test_listenbrainz_own_import_of_spotifys_export_notes_the_end() -> None:
    """Its listened time is in `ms_played`, and nothing is added."""
    row = listen(info={"ms_played": 61_500, "duration_played": 5})
    assert normalise.row("listenbrainz", row) == record(
        "listenbrainz", MS, ms_played=61_500, title="T", artist="A"
    )


@pytest.mark.parametrize(
    ("info", "kind", "uri"),
    [
        ({"origin_url": f"https://open.spotify.com/track/{TRACK}?si=x"}, "track", URI),
        ({"origin_url": f"http://open.spotify.com/intl-de/track/{TRACK}"}, "track", URI),
        ({"spotify_id": URI}, "track", URI),
        ({"spotify_id": TRACK}, "track", None),
        ({"origin_url": "https://www.youtube.com/watch?v=x"}, "track", None),
        ({"origin_url": f"https://open.spotify.com/album/{TRACK}"}, "track", None),
        ({"spotify_id": 5, "origin_url": URI}, "track", URI),
        (None, "track", None),
        ([], "track", None),
    ],
)
def test_an_address_at_spotify_becomes_the_uri(info: object, kind: str, uri: str | None) -> None:
    """In all its spellings; other addresses are none."""
    made = normalise.row("listenbrainz", listen(info=info))
    assert isinstance(made, Record)
    assert (made.kind, made.uri) == (kind, uri)


def test_an_episode_stays_an_episode() -> None:
    """Where the address says so; the show is its artist and its album."""
    row = listen(info={"origin_url": f"https://open.spotify.com/episode/{TRACK}"})
    assert normalise.row("listenbrainz", row) == Record(
        "listenbrainz",
        MS,
        "episode",
        uri=f"spotify:episode:{TRACK}",
        title="T",
        artist="A",
        album="A",
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (listen(None), 'no "listened_at": what was playing at that moment, not a play'),
        (listen("x"), '"listened_at" is not a time'),
        (listen(-5), "time out of range: -5"),
        (listen(track_name=""), "no title"),
        (listen(artist_name=None), "no artist"),
        ({"listened_at": T0}, "no title"),
    ],
)
def test_a_spoiled_listen_is_refused(row: object, reason: str) -> None:
    """What was playing at that moment has no time, and is no play."""
    assert normalise.row("listenbrainz", row) == Rejected(reason)


def lastfm(**row: object) -> object:
    """What becomes of a scrobble by "A" called "T"."""
    return normalise.row("lastfm", {"artist": "A", "track": "T"} | row)


@pytest.mark.parametrize(
    ("row", "offset"),
    [
        ({"uts": str(T0), "utc_time": "1 Jan 1999, 00:00"}, 0),
        ({"uts": T0}, 0),
        ({"date": {"uts": str(T0)}}, 0),
        ({"date": {"#text": "14 Nov 2023, 22:13"}}, -20_000),
        ({"date": MS + 5}, 5),
        ({"date": str(MS + 5)}, 5),
        ({"date": "14 Nov 2023 22:13"}, -20_000),
        ({"date": " 14 nov 2023, 22:13:20 "}, 0),
        ({"date": "1 Dec 2023 00:00"}, 1_701_388_800_000 - MS),
    ],
)
def test_every_spelling_of_a_scrobbles_time_is_utc(row: dict[str, object], offset: int) -> None:
    """Seconds under `uts`, else milliseconds, else the words of Last.fm, whatever the zone here."""
    assert lastfm(**row) == record("lastfm", MS + offset, title="T", artist="A")


def test_a_track_of_the_api_is_read_in_both_its_shapes() -> None:
    """The extended answer calls the artist's name otherwise; being loved changes nothing."""
    plain = normalise.row("lastfm", lastfm_track("America", T0))
    artist = {"url": "", "mbid": "", "image": [], "name": "Simon & Garfunkel"}
    extended = lastfm_track("America", T0, artist=artist, loved="1")
    assert (
        plain
        == normalise.row("lastfm", extended)
        == record("lastfm", MS, title="America", artist="Simon & Garfunkel", album="Bookends")
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (lastfm_track("Now", None), NOW),
        (lastfm_track("Now", T0, **{"@attr": {"nowplaying": "true"}}), NOW),
        ({"artist": "A", "name": "T", "date": ""}, f"no date: {NOW}"),
        ({"artist": "A", "name": "T"}, f"no date: {NOW}"),
        ({"artist": "A", "name": "T", "date": "14 Foo 2023 22:13"}, None),
        ({"artist": "A", "name": "T", "date": "31 Feb 2023 22:13"}, None),
        ({"artist": "A", "name": "T", "date": "01 Jan 1970 00:00"}, None),
        ({"artist": "A", "name": "T", "date": T0}, f"time out of range: {T0}"),
        ({"artist": "A", "name": "T", "date": "٣"}, '"date" is not a time'),
        ({"artist": "A", "name": "T", "uts": ""}, 'no "uts"'),
        ({"artist": "", "name": "T", "uts": T0}, "no artist"),
        ({"artist": "A", "name": {}, "uts": T0}, "no title"),
    ],
)
def test_a_spoiled_scrobble_is_refused(row: object, reason: str | None) -> None:
    """So is what was playing during the export, and a time in another unit than the tool's."""
    made = normalise.row("lastfm", row)
    assert isinstance(made, Rejected)
    assert reason is None or made.reason == reason


def test_a_row_that_the_reader_refused_stays_refused() -> None:
    """With its reason, whatever the source."""
    spoiled = Rejected("not valid JSON")
    for source in ("extended", "account", "api", *SCROBBLERS):
        assert normalise.row(source, spoiled) is spoiled


def test_spotifys_own_rows_go_their_own_ways() -> None:
    """One door for every source; the private fields are kept on demand."""
    row = {"ts": "2023-11-14T22:13:20Z", "ms_played": 5, "username": "ann"}
    assert normalise.row("extended", row) == normalise.extended_row(row)
    kept = normalise.row("extended", row, keep_private=True)
    assert kept == normalise.extended_row(row, keep_private=True) != normalise.extended_row(row)
    account = {"endTime": "2023-11-14 22:13", "msPlayed": 5, "trackName": "T"}
    assert normalise.row("account", account) == normalise.account_row(account)
    item = {"played_at": "2023-11-14T22:13:20Z", "track": {"name": "T"}}
    assert normalise.row("api", item) == normalise.api_item(item)


@given(st.sampled_from(SCROBBLERS), _ROWS)
def test_any_row_becomes_a_record_or_a_refusal(source: Source, row: object) -> None:
    """And a record has only what the database can hold."""
    made = normalise.row(source, row)
    if isinstance(made, Rejected):
        assert made.reason
        assert made.reason.isprintable()
        return
    assert made.source == source
    assert 1_136_073_600_000 <= made.played_at_ms < 4_102_444_800_000 + 7 * 86_400_000
    assert made.ms_played is None or 0 < made.ms_played <= 7 * 86_400_000
    assert made.uri or (made.title and made.artist)
    for text in (made.title, made.artist, made.album, made.uri):
        if text is not None:
            text.encode()
            assert text
            assert "\0" not in text
