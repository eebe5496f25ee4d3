"""How plays begin and end, on what and where they were heard, and how varied they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plays import MemoryDatabase, account, add, api, ask, cells, extended, rows, unnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.model import Record


@pytest.fixture(scope="module")
def empty() -> Iterator[MemoryDatabase]:
    """A database that each test gives its own history."""
    database = MemoryDatabase()
    yield database
    database.connection.close()


def song(at: str, title: str = "Alpha", artist: str = "Ann", ms: int = 200_000) -> Record:
    """A play of a track whose id is its name."""
    return extended(at, title, artist, ms, uri=f"spotify:track:{title.lower()}")


def ended(reason: str | None, at: str, title: str, artist: str, ms: int) -> Record:
    return song(at, title, artist, ms)._replace(reason_end=reason)


SKIPPED = [
    ended("fwdbtn", "2024-01-01T10:00", "Alpha", "Ann", 1_000),
    ended("fwdbtn", "2024-01-01T10:10", "Alpha", "Ann", 40_000),
    ended("trackdone", "2024-01-01T11:00", "Alpha", "Ann", 200_000),
    ended("backbtn", "2024-01-01T11:10", "Beta", "Ann", 2_000),
    ended("endplay", "2024-01-01T11:20", "Beta", "Ann", 2_000),
    ended(None, "2024-01-01T11:30", "Beta", "Ann", 2_000)._replace(skipped=True),
    ended("fwdbtn", "2024-01-01T12:00", "Gamma", "Bob", 0),
]


def test_skips_go_by_the_reason_a_play_ended_for_and_not_by_spotify_s_own_mark(
    empty: MemoryDatabase,
) -> None:
    """FACTS 5.5; the back button, a click elsewhere and an unknown end are no skips."""
    with empty.emptied_afterwards():
        add(empty, [*SKIPPED, account("2024-01-02T10:00", "Alpha", "Ann", 5_000)])
        assert rows(empty, "skips") == []  # ten plays at least
        assert rows(empty, "skips", min_plays=1) == [
            ("Bob", "Bob", 1, 1, 1.0, 0),
            ("Ann", "Ann", 5, 2, 0.4, 20_500),
        ]
        assert rows(empty, "skips", of="tracks", min_plays=2) == [
            ("Alpha", "Ann", 3, 2, 0.6667, 20_500),
            ("Beta", "Ann", 2, 0, 0.0, None),
        ]
        assert rows(empty, "skips", of="hours", min_plays=1, timezone="Asia/Kolkata") == [
            ("15:00", None, 2, 2, 1.0, 20_500),
            ("17:00", None, 1, 1, 1.0, 0),
            ("16:00", None, 3, 0, 0.0, None),
        ]
        counted = ask(empty, "skips", min_plays=1, min_ms=30_000)
        assert cells(counted, "name", "plays_started", "skips") == [("Ann", 2, 1)]


def test_completion_measures_against_the_told_length_or_the_longest_play(
    empty: MemoryDatabase,
) -> None:
    """More than the length is all of it; plays of unknown listened time are left out."""
    told = [
        song("2024-01-01T10:00", "Alpha", "Ann", 0),
        song("2024-01-01T10:10", "Alpha", "Ann", 24_999),
        song("2024-01-01T10:20", "Alpha", "Ann", 25_000),
        song("2024-01-01T10:30", "Alpha", "Ann", 150_000),
        song("2024-01-02T10:00", "Beta", "Bob", 100_000),
        song("2024-01-02T10:10", "Beta", "Bob", 60_000),
        song("2023-01-02T10:10", "Beta", "Bob", 120_000),
        song("2024-01-03T10:10", "Gamma", "Cy", 0),  # nothing to measure against
        api("2024-01-04T10:00", "Delta", "Dee", uri="spotify:track:delta"),
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        empty.connection.execute("update tracks set duration_ms = 100000 where track_id = 'alpha'")
        assert rows(empty, "completion", year=2024) == [
            ("0-25 %", 2, 0.3333, 0.125, 0),
            ("25-50 %", 1, 0.1667, 0.25, 0),
            ("50-75 %", 1, 0.1667, 0.5, 1),
            ("75-100 %", 2, 0.3333, 0.9167, 1),
        ]
        assert rows(empty, "completion", of="artists") == [
            ("Ann", 4, 0.5714, 0.375, 0),
            ("Bob", 3, 0.4286, 0.7778, 3),
        ]


def test_a_play_began_by_hand_by_itself_or_otherwise(empty: MemoryDatabase) -> None:
    """Every play is in one row, whatever its length; what no source tells is unknown."""
    began = [
        ("clickrow", False),
        ("playbtn", False),
        ("clickside", True),
        ("trackdone", True),
        ("fwdbtn", True),
        ("backbtn", True),
        ("appload", None),
        ("remote", False),
        ("trackerror", False),
        ("switched-to-video", False),
    ]
    told = [
        ended("fwdbtn" if at == 1 else "trackdone", f"2024-01-01T10:{at:02}", "Alpha", "Ann", 1_000)
        ._replace(reason_start=reason, shuffle=shuffle)
        for at, (reason, shuffle) in enumerate(began)
    ]  # fmt: skip
    with empty.emptied_afterwards():
        add(empty, [*told, api("2024-01-02T10:00", "Alpha", "Ann", uri="spotify:track:alpha")])
        assert rows(empty, "shuffle-vs-chosen") == [
            ("chosen by hand", False, 2, 0.1818, 2_000, 0.5),
            ("after a skip", True, 1, 0.0909, 1_000, 0.0),
            ("after an error", False, 1, 0.0909, 1_000, 0.0),
            ("app start", None, 1, 0.0909, 1_000, 0.0),
            ("chosen by hand", True, 1, 0.0909, 1_000, 0.0),
            ("other", False, 1, 0.0909, 1_000, 0.0),
            ("remote control", False, 1, 0.0909, 1_000, 0.0),
            ("unknown", None, 1, 0.0909, 0, None),
            ("went back", True, 1, 0.0909, 1_000, 0.0),
            ("went on by itself", True, 1, 0.0909, 1_000, 0.0),
        ]


PLATFORMS = {
    "android": "Android",
    "Android OS 13 API 33 (samsung, SM-G998B)": "Android",
    "Android OS 5.1.1 API 22 (Amazon, KFAUWI)": "Android",
    "Android-tablet OS 8.1.0 API 27 (HUAWEI, AGS2-L09)": "Android",
    "Android [arm 0]": "Android",
    "iOS 16.5 (iPhone13,2)": "iOS",
    "iOS 9.3.3 (iPad5,3)": "iOS",
    "ios": "iOS",
    "Partner ios": "iOS",
    "Windows 10 (10.0.19045; x64; AppX)": "Windows",
    "windows": "Windows",
    "OS X 13.4.0 [arm 2]": "macOS",
    "OS X 10.5.8 [ppc 2]": "macOS",
    "osx": "macOS",
    "macOS": "macOS",
    "Linux [x86-64 0]": "Linux",
    "linux": "Linux",
    "web_player": "web player",
    "web_player linux undefined;chrome 118.0.0.0;desktop": "web player",
    "web_player osx 10.15;safari 17;desktop": "web player",
    "WebPlayer (websocket RFC6455)": "web player",
    "Partner spotify web_player": "web player",
    "Partner android_tv Amazon;AFTSSS;hash;;tpapi": "TV",
    "Partner android_tv Sky;IP100;;": "TV",
    "Partner tizen_tv samsung;qa65q7fam": "TV",
    "Partner webos_tv LGE;OLED55;;": "TV",
    "Partner roku_tv roku;3810rw;hash;;tpapi": "TV",
    "Android OS 9 API 28 (Sony, BRAVIA 4K GB)": "TV",
    "tvOS 14.0 (AppleTV6,2)": "TV",
    "Partner google cast_tv;Chromecast;;tpapi": "speaker or cast",
    "Partner google cast_voice;Google_Nest_Mini;;4.5.0": "speaker or cast",
    "Partner amazon_salmon Amazon;Echo_Dot;;": "speaker or cast",
    "Partner sonos_imx6 Sonos;Play1;;": "speaker or cast",
    "sonos_ppc": "speaker or cast",
    "Partner SCEI sony_tv;ps4;hash;;tpapi": "game console",
    "Partner playstation4 Sony;PS4;": "game console",
    "Partner microsoft;xbox_one;;": "game console",
    "Car Thing": "car",
    "Android Automotive OS 10 (Volvo, XC40)": "car",
    "not_applicable": "other",
}


def test_each_platform_has_a_family(empty: MemoryDatabase) -> None:
    """As exports of many listeners name them."""
    told = [
        song(f"2024-01-01T{at // 60:02}:{at % 60:02}")._replace(platform=platform)
        for at, platform in enumerate(PLATFORMS)
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        answer = ask(empty, "platforms", detail=True, limit=1000)
        families = cells(answer, "platform", "family")
        assert sorted(families, key=str) == sorted(PLATFORMS.items(), key=str)


def test_platforms_are_counted_by_family_unless_detail_is_asked_for(empty: MemoryDatabase) -> None:
    """Polls tell no platform."""
    told = [
        song("2024-01-01T10:00")._replace(platform="ios"),
        song("2024-01-02T10:00")._replace(platform="iOS 16.5 (iPhone13,2)"),
        song("2024-01-03T10:00")._replace(platform="android"),
        api("2024-01-04T10:00", "Alpha", "Ann", uri="spotify:track:alpha"),
    ]
    first, second, third, fourth = (f"2024-01-0{day}T10:00:00.000Z" for day in (1, 2, 3, 4))
    with empty.emptied_afterwards():
        add(empty, told)
        assert rows(empty, "platforms") == [
            ("iOS", None, 2, 400_000, 0.5, first, second),
            ("Android", None, 1, 200_000, 0.25, third, third),
            ("unknown", None, 1, 0, 0.25, fourth, fourth),
        ]
        assert rows(empty, "platforms", detail=True, until="2024-01-04") == [
            ("Android", "android", 1, 200_000, 0.3333, third, third),
            ("iOS", "iOS 16.5 (iPhone13,2)", 1, 200_000, 0.3333, second, second),
            ("iOS", "ios", 1, 200_000, 0.3333, first, first),
        ]


def test_countries_are_counted_with_their_days(empty: MemoryDatabase) -> None:
    """What Spotify calls ZZ and what nobody tells is one row."""
    told = [
        song("2024-01-01T10:00")._replace(country="DE"),
        song("2024-01-01T22:00")._replace(country="DE"),
        song("2024-01-01T23:30")._replace(country="DE"),
        song("2024-01-05T10:00")._replace(country="PT"),
        song("2024-01-06T10:00")._replace(country="ZZ"),
        song("2024-01-06T11:00"),
    ]
    days = [f"2024-01-0{at}:00.000Z" for at in ("1T10:00", "1T23:30", "6T10:00", "6T11:00")]
    portugal = "2024-01-05T10:00:00.000Z"
    with empty.emptied_afterwards():
        add(empty, told)
        assert rows(empty, "countries", timezone="Europe/Berlin") == [
            ("DE", 3, 600_000, 2, days[0], days[1]),
            ("ZZ", 2, 400_000, 1, days[2], days[3]),
            ("PT", 1, 200_000, 1, portugal, portugal),
        ]


def test_a_private_session_is_one_whether_on_or_offline(empty: MemoryDatabase) -> None:
    """The modes leave no play out and count none twice."""
    modes = [(True, True), (False, True), (None, True), (True, False), (False, None), (None, None)]
    told = [
        song(f"2024-01-0{at}T10:00")._replace(offline=offline, incognito=incognito)
        for at, (offline, incognito) in enumerate(modes, 1)
    ]
    with empty.emptied_afterwards():
        add(empty, told)
        assert rows(empty, "offline-and-private") == [
            ("private session", 3, 600_000, 0.5),
            ("offline", 1, 200_000, 0.1667),
            ("online", 1, 200_000, 0.1667),
            ("unknown", 1, 200_000, 0.1667),
        ]


VARIED = [
    song("2023-12-31T23:30", "Alpha", "Ann"),
    song("2024-01-01T10:00", "Alpha", "Ann"),
    song("2024-01-01T11:00", "Beta", "Bob"),
    song("2024-01-31T10:00", "Beta", "Bob"),
    song("2024-02-01T10:00", "Beta", "Bob"),
    song("2024-02-01T10:05", "Beta", "Bob"),
    song("2024-02-01T10:10", "Gamma", "Cy"),
    song("2024-02-01T10:15", "Alpha", "Ann"),
    song("2024-02-01T10:20", "Beta", "Bob", 29_999),
]


def test_obsessions_are_local_days_with_one_track_on_repeat(empty: MemoryDatabase) -> None:
    """Most plays first; a play too short to count is none."""
    with empty.emptied_afterwards():
        add(empty, VARIED)
        assert rows(empty, "obsessions") == []
        assert rows(empty, "obsessions", times=2) == [("2024-02-01", "Beta", "Bob", 2, 0.5)]
        assert rows(empty, "obsessions", times=2, timezone="Europe/Berlin") == [
            ("2024-02-01", "Beta", "Bob", 2, 0.5),
            ("2024-01-01", "Alpha", "Ann", 2, 0.6667),
        ]


def test_the_repeat_rate_is_by_month_year_or_all(empty: MemoryDatabase) -> None:
    """The play just before may lie in the month before, but not before the period."""
    with empty.emptied_afterwards():
        add(empty, [*VARIED, unnamed("2024-03-01T10:00", 40_000)])
        assert rows(empty, "repeat-rate") == [
            ("2023-12", 1, 1, 0.0, 0.0),
            ("2024-01", 3, 2, 0.3333, 0.6667),
            ("2024-02", 4, 3, 0.25, 0.5),
        ]
        assert rows(empty, "repeat-rate", step="year", year=2024) == [
            ("2024", 7, 3, 0.5714, 0.4286)
        ]
        assert rows(empty, "repeat-rate", step="all") == [("all", 8, 3, 0.625, 0.5)]
        assert rows(empty, "repeat-rate", kind="unknown") == [("2024-03", 1, 0, 0.0, 0.0)]
        assert rows(empty, "repeat-rate", step="all", year=2022) == []


def test_diversity_is_told_in_bits_and_in_artists(empty: MemoryDatabase) -> None:
    """Two artists played 1 : 3 are 0.8113 bits; a new artist's first play is in the row."""
    with empty.emptied_afterwards():
        add(empty, VARIED)
        assert rows(empty, "diversity") == [
            ("2023-12", 1, 1, 1, 0.0, 1.0, 1.0, 1.0),
            ("2024-01", 3, 2, 2, 0.9183, 1.89, 0.6667, 0.5),
            ("2024-02", 4, 3, 3, 1.5, 2.83, 0.5, 0.3333),
        ]
        quarter = ask(empty, "diversity", step="quarter", since="2024-01-02")
        assert quarter.rows == [("2024-Q1", 5, 3, 3, 1.371, 2.59, 0.6, 0.3333)]
        year = ask(empty, "diversity", step="year", timezone="Europe/Berlin")
        assert cells(year, "period", "plays", "new_artist_share") == [("2024", 8, 1.0)]


def test_diversity_knows_nothing_of_what_has_no_artist(empty: MemoryDatabase) -> None:
    """A row without a name is a play, and nobody's."""
    with empty.emptied_afterwards():
        add(empty, [unnamed("2024-03-01T10:00", 40_000)])
        assert rows(empty, "diversity", kind="all") == [("2024-03", 1, 0, 0, 0.0, 0.0, 0.0, 0.0)]


def test_loyalty_follows_the_favourites_of_the_period_through_its_years(
    empty: MemoryDatabase,
) -> None:
    """Ranks count all artists of a year; a year without the artist has no row."""
    with empty.emptied_afterwards():
        add(empty, [*VARIED, song("2025-01-01T10:00", "Gamma", "Cy")])
        assert rows(empty, "loyalty", artists=2) == [
            (2023, "Ann", 1, 1.0, 1),
            (2024, "Bob", 4, 0.5714, 1),
            (2024, "Ann", 2, 0.2857, 2),
        ]
        assert rows(empty, "loyalty", artists=1, year=2025) == [(2025, "Cy", 1, 1.0, 1)]
        assert len(rows(empty, "loyalty")) == 5
