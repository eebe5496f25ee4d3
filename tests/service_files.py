"""Histories of other programs, byte for byte as their own exporters write them, and what they say.

Each file is built the way its project builds it; the comment above each says where that is.
"""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from typing import TYPE_CHECKING

from spotify_hist.model import Record

if TYPE_CHECKING:
    from pathlib import Path

    from spotify_hist.model import Source

TRACK = "4uLU6hMCjMI75M1A2tKUQC"
URI = f"spotify:track:{TRACK}"
T0 = 1_700_000_000  # 2023-11-14T22:13:20Z
MS = T0 * 1000
MINUTE_MS = MS - 20_000  # 22:13


def record(
    source: Source,
    played_at_ms: int,
    *,
    ms_played: int | None = None,
    uri: str | None = None,
    title: str | None = None,
    artist: str | None = None,
    album: str | None = None,
) -> Record:
    """A record of a track, with what else is told."""
    return Record(source, played_at_ms, "track", ms_played, uri, title, artist, album)


# Yooooomi/your_spotify, apps/server/src/database/schemas/info.ts, as `mongoexport` writes it.
INFO = {
    "_id": {"$oid": "65f0c0ffee65f0c0ffee0001"},
    "owner": {"$oid": "65f0c0ffee65f0c0ffee0aaa"},
    "id": TRACK,
    "albumId": "6XzZ5pg7buZSFJ9vxIJ8tG",
    "primaryArtistId": "0gxyHStUsqpMadRV0Di1Qt",
    "artistIds": ["0gxyHStUsqpMadRV0Di1Qt"],
    "durationMs": 213_573,
    "played_at": {"$date": "2023-11-14T22:13:20.123Z"},
    "__v": 0,
}
# database/queries/user.ts, `getSongs`: what GET /spotify/gethistory answers.
HISTORY_ITEM = {
    "_id": "65f0c0ffee65f0c0ffee0001",
    "owner": "65f0c0ffee65f0c0ffee0aaa",
    "id": TRACK,
    "albumId": "6XzZ5pg7buZSFJ9vxIJ8tG",
    "primaryArtistId": "0gxyHStUsqpMadRV0Di1Qt",
    "artistIds": ["0gxyHStUsqpMadRV0Di1Qt"],
    "durationMs": 213_573,
    "played_at": "2023-11-14T22:13:20.123Z",
    "track": {
        "id": TRACK,
        "name": "Never Gonna Give You Up",
        "artists": ["0gxyHStUsqpMadRV0Di1Qt"],
        "album": "6XzZ5pg7buZSFJ9vxIJ8tG",
        "duration_ms": 213_573,
        "full_album": [{"id": "6XzZ5pg7buZSFJ9vxIJ8tG", "name": "Whenever You Need Somebody"}],
        "full_artists": [{"id": "0gxyHStUsqpMadRV0Di1Qt", "name": "Rick Astley"}],
    },
}
YOUR_SPOTIFY = b"".join(
    json.dumps(each, separators=(",", ":")).encode() + b"\n"
    for each in (INFO, INFO | {"played_at": {"$date": "2023-11-14T23:00:00Z"}})
)
YOUR_SPOTIFY_RECORDS = [
    record("your_spotify", MS + 123, uri=URI),
    record("your_spotify", 1_700_002_800_000, uri=URI),
]

# krateng/maloja, maloja/proccontrol/tasks/export.py: json.dump(data, outfd, indent=3).
MALOJA_ROWS = [
    {
        "time": T0,
        "track": {
            "artists": ["feature", "Main"],
            "title": "Café",
            "album": {"artists": ["Main"], "albumtitle": "Record"},
            "length": 240,
        },
        "duration": 200,
        "origin": "client:web",
    },
    {
        "time": T0 + 300,
        "track": {"artists": ["Solo"], "title": "Two", "album": None, "length": None},
        "duration": None,
        "origin": "client:default",
    },
]
MALOJA = json.dumps({"maloja": {"export_time": T0}, "scrobbles": MALOJA_ROWS}, indent=3).encode()
MALOJA_RECORDS = [
    record("maloja", MS + 200_000, ms_played=200_000, title="Café", artist="Main", album="Record"),
    record("maloja", MS + 300_000, title="Two", artist="Solo"),
]

# maloja/upgrade.py: how the TSV of the times before 2022 is read.
MALOJA_TSV = (f"{T0}\tfeature␟Main\tCafé\tRecord\t200\n{T0 + 300}\tSolo\tTwo\t-\t-\n").encode()

# maloja/database/sqldb.py, DBTABLES.
MALOJA_TABLES = """
create table _maloja (key varchar primary key, value varchar);
create table artists (id integer primary key, name varchar, name_normalized varchar);
create table albums (id integer primary key, albtitle varchar, albtitle_normalized varchar);
create table tracks (id integer primary key, title varchar, title_normalized varchar,
    length integer, album_id integer);
create table scrobbles (timestamp integer primary key, rawscrobble varchar, origin varchar,
    duration integer, track_id integer, extra varchar);
create table trackartists (id integer primary key, artist_id integer, track_id integer);
create table albumartists (id integer primary key, artist_id integer, album_id integer);
insert into artists values (1, 'feature', 'feature'), (2, 'Main', 'main'), (3, 'Solo', 'solo');
insert into albums values (1, 'Record', 'record');
insert into tracks values (1, 'Café', 'cafe', 240, 1), (2, 'Two', 'two', null, null);
insert into trackartists values (1, 1, 1), (2, 2, 1), (3, 3, 2);
insert into albumartists values (1, 2, 1);
"""


def maloja_database(folder: Path, extra: str = "") -> bytes:
    """malojadb.sqlite with the two scrobbles of MALOJA."""
    path = folder / "building.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        MALOJA_TABLES
        + f"insert into scrobbles values ({T0}, '{{}}', 'client:web', 200, 1, null), "
        + f"({T0 + 300}, '{{}}', 'client:default', null, 2, null);"
        + extra
    )
    connection.close()
    data = path.read_bytes()
    path.unlink()
    return data


def tar_gz(path: Path, files: dict[str, bytes]) -> Path:
    """A gzipped tar, as maloja/proccontrol/tasks/backup.py makes one."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


# gabehf/Koito, internal/export/export.go: pages of listens, indented by two spaces.
KOITO_LISTEN = {
    "listened_at": "2023-11-14T22:13:20Z",
    "client": "client",
    "track": {
        "mbid": None,
        "duration": 354,
        "aliases": [
            {"alias": "girigiri", "source": "Import", "is_primary": False},
            {"alias": "GIRI GIRI", "source": "Canonical", "is_primary": True},
        ],
    },
    "album": {
        "image_url": "https://coverartarchive.org/release/x/front",
        "mbid": None,
        "aliases": [{"alias": "GIRI GIRI - EP", "source": "Canonical", "is_primary": True}],
        "various_artists": False,
    },
    "artists": [
        {
            "image_url": "",
            "mbid": None,
            "is_primary": False,
            "aliases": [{"alias": "すぅ", "source": "Canonical", "is_primary": True}],
        },
        {
            "image_url": "",
            "mbid": None,
            "is_primary": True,
            "aliases": [
                {"alias": "Masayuki Suzuki", "source": "MusicBrainz", "is_primary": False},
                {"alias": "鈴木雅之", "source": "Canonical", "is_primary": True},
            ],
        },
    ],
}
KOITO = (
    '{\n  "version": "1",\n  "exported_at": "2025-06-18T12:56:53Z",\n  "user": "koito",\n'
    '  "listens": [\n    ' + json.dumps(KOITO_LISTEN, indent=2, ensure_ascii=False) + "\n  ]\n}\n"
).encode()
KOITO_RECORDS = [record("koito", MS, title="GIRI GIRI", artist="鈴木雅之", album="GIRI GIRI - EP")]

# metabrainz/listenbrainz-server, listenbrainz/background/export.py: jsonb_build_object(…)::text.
LISTEN = {
    "listened_at": float(T0),
    "inserted_at": 1_700_000_500.123456,
    "track_metadata": {
        "track_name": "Duet",
        "artist_name": "Ann, Bob",
        "release_name": "Together",
        "recording_msid": "3ad5b1d0-f09d-420b-b9fa-28aa3f454401",
        "mbid_mapping": None,
        "additional_info": {
            "artist_names": ["Ann", "Bob"],
            "duration_ms": 240_000,
            "spotify_id": f"https://open.spotify.com/track/{TRACK}",
            "listening_from": "spotify",
        },
    },
}
LISTEN_PLAYED = {
    "listened_at": T0 + 300,
    "track_metadata": {
        "track_name": "Solo",
        "artist_name": "Cid",
        "additional_info": {"duration": 240, "duration_played": 180, "spotify_id": None},
    },
}
LISTENBRAINZ = b"".join(json.dumps(each).encode() + b"\n" for each in (LISTEN, LISTEN_PLAYED))
LISTENBRAINZ_RECORDS = [
    record("listenbrainz", MS, uri=URI, title="Duet", artist="Ann", album="Together"),
    record("listenbrainz", MS + 480_000, ms_played=180_000, title="Solo", artist="Cid"),
]


def listenbrainz_zip() -> dict[str, bytes]:
    """The members of ListenBrainz' export."""
    first, second = LISTENBRAINZ.splitlines(keepends=True)
    return {
        "user.json": b'{"user_id":1,"username":"ann"}\n',
        "listens/2023/11.jsonl": first,
        "listens/2023/12.jsonl": second,
        "feedback.jsonl": b'{"score": 1, "created": 1700000000, "recording_msid": "x"}\n',
        "pinned_recording.jsonl": b'{"blurb_content": null, "created": 1700000000}\n',
    }


# last.fm/api/show/user.getRecentTracks, format=json.
def lastfm_track(name: str, uts: int | None, **changes: object) -> dict[str, object]:
    """A track of an answer; the one being played has no date."""
    track: dict[str, object] = {
        "artist": {"mbid": "", "#text": "Simon & Garfunkel"},
        "streamable": "0",
        "image": [{"size": "small", "#text": "https://lastfm.freetls.fastly.net/i/u/34s/a.png"}],
        "mbid": "",
        "album": {"mbid": "", "#text": "Bookends"},
        "name": name,
        "url": "https://www.last.fm/music/Simon+&+Garfunkel/_/America",
    }
    if uts is None:
        track["@attr"] = {"nowplaying": "true"}
    else:
        track["date"] = {"uts": str(uts), "#text": "14 Nov 2023, 22:13"}
    return track | changes


ATTRIBUTES = {"user": "rj", "page": "1", "perPage": "200", "totalPages": "2", "total": "3"}
NOW = "what was playing during the export, not a play"
PAGES = [
    {"track": [lastfm_track("Now", None), lastfm_track("America", T0)], "@attr": ATTRIBUTES},
    {"track": [lastfm_track("Old Friends", T0 - 300)], "@attr": ATTRIBUTES | {"page": "2"}},
]
LASTFM = json.dumps(PAGES).encode()
LASTFM_RECORDS = [
    record("lastfm", MS, title="America", artist="Simon & Garfunkel", album="Bookends"),
    record(
        "lastfm", MS - 300_000, title="Old Friends", artist="Simon & Garfunkel", album="Bookends"
    ),
]

# benfoxall/lastfm-to-csv, js/lastfm-export.js: values without quotes and commas, no header.
LASTFM_CSV = (
    "Simon & Garfunkel,Bookends,Now,\n"
    "Simon & Garfunkel,Bookends,America,14 Nov 2023 22:13\n"
    "Sigur Rós,,Ára bátur,14 Nov 2023 22:08\n"
).encode()
LASTFM_CSV_RECORDS = [
    record("lastfm", MINUTE_MS, title="America", artist="Simon & Garfunkel", album="Bookends"),
    record("lastfm", MINUTE_MS - 300_000, title="Ára bátur", artist="Sigur Rós"),
]

# felhag/lastfm-stats-web, service/export-service.ts: a mark, every value quoted, no last line end.
LASTFMSTATS_CSV = (
    "\ufeffArtist;Album;AlbumId;Track;Date#rj\n"
    f'"Simon & Garfunkel";"Bookends";"b-1";"America";"{MS}"\n'
    f'"Say ""Hi""; or not";"";"";"Two\nlines";"{MS - 300_000}"'
).encode()
LASTFMSTATS = json.dumps(
    {
        "username": "rj",
        "scrobbles": [
            {
                "track": "America",
                "artist": "Simon & Garfunkel",
                "album": "Bookends",
                "albumId": "b-1",
                "date": MS,
            },
            {
                "track": "Two\nlines",
                "artist": 'Say "Hi"; or not',
                "album": "",
                "date": MS - 300_000,
            },
        ],
    },
    separators=(",", ":"),
).encode()
LASTFMSTATS_RECORDS = [
    record("lastfm", MS, title="America", artist="Simon & Garfunkel", album="Bookends"),
    record("lastfm", MS - 300_000, title="Two\nlines", artist='Say "Hi"; or not'),
]

# lastfm.ghan.nl: what many readers of its files agree on.
GHAN_CSV = (
    "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\r\n"
    f'"{T0}","14 Nov 2023, 22:13","Simon & Garfunkel","5d02","Bookends","","America",""\r\n'
    f'"{T0 - 300}","14 Nov 2023, 22:08","Say ""Hi""","","","","a, b",""\r\n'
).encode()
GHAN_RECORDS = [
    record("lastfm", MS, title="America", artist="Simon & Garfunkel", album="Bookends"),
    record("lastfm", MS - 300_000, title="a, b", artist='Say "Hi"'),
]
