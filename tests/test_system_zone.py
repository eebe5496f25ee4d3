"""The system's time zone is found by name, content or rule; else a stand-in is named."""

from __future__ import annotations

import json
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_kit import process
from hypothesis import given
from hypothesis import strategies as st
from server_kit import clean_environment, serving

from spotify_hist import system_zone, zone_matching
from spotify_hist.system_zone import Zone

if TYPE_CHECKING:
    from collections.abc import Callable

EXPORT = Path(__file__).parent.parent / "examples" / "extended" / "my_spotify_data.zip"
PACKAGED = Path(str(resources.files("tzdata") / "zoneinfo"))
SYSTEMS = next((Path(each) for each in zoneinfo.TZPATH if Path(each, "Europe").is_dir()), PACKAGED)
FORMS = pytest.mark.parametrize("forms", [PACKAGED, SYSTEMS], ids=["packaged", "system"])


@pytest.fixture
def etc(tmp_path: Path) -> Callable[..., Path]:
    """An /etc with these files, or a link to a path for localtime."""

    def make(localtime: bytes | Path | None = None, timezone: str | None = None) -> Path:
        folder = tmp_path / "etc"
        folder.mkdir()
        if isinstance(localtime, bytes):
            (folder / "localtime").write_bytes(localtime)
        elif localtime is not None:
            (folder / "localtime").symlink_to(localtime)
        if timezone is not None:
            (folder / "timezone").write_text(timezone + "\n")
        return folder

    return make


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        (":america/st_johns", "America/St_Johns"),
        ("utc", "UTC"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
        # Three hours west of Greenwich, whatever it looks like: POSIX counts so.
        ("UTC+3", "Etc/GMT+3"),
        ("<+03>-3", "Etc/GMT-3"),
        ("<-03>3", "Etc/GMT+3"),
        ("EST5", "Etc/GMT+5"),
        ("UTC0", "Etc/UTC"),
        ("GMT-0:00", "Etc/UTC"),
        ("IST-5:30", "Asia/Kolkata"),
        ("<+0545>-5:45", "Asia/Kathmandu"),
        # A rule that names no place is that of the zone which claims none.
        ("CET-1CEST,M3.5.0,M10.5.0/3", "CET"),
        ("CET-1CEST-2,M3.5.0/2,M10.5.0/3:00", "CET"),
        ("EST5EDT,M3.2.0,M11.1.0", "EST5EDT"),
        ("EET-2EEST,M3.5.0/3,M10.5.0/4", "EET"),
        ("GMT0BST,M3.5.0/1,M10.5.0", "Europe/London"),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "Europe/Dublin"),
        ("IST-2IDT,M3.4.4/26,M10.5.0", "Asia/Jerusalem"),
        ("NST3:30NDT,M3.2.0,M11.1.0", "America/St_Johns"),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", "Australia/Sydney"),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", "Pacific/Auckland"),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "America/Nuuk"),
    ],
)
def test_tz_means_the_zone_that_its_clocks_show(value: str, expected: str) -> None:
    """By name in any capitals, by folder, or by a rule of POSIX."""
    assert system_zone.find({"TZ": value}) == Zone(expected)


@pytest.mark.parametrize(
    "value",
    ["PST", "CET-1CEST", "Mars/Olympus", "CST6CDT,M4.1.0,M10.5.0", "UTC+99", "UTC-20",
     "/etc/passwd", "/nowhere", "posixrules", "Factory", "Europe",
     "../etc/passwd", "é", "\udcff", "A" * 5000],
)  # fmt: skip
def test_a_tz_that_nobody_understands_is_named_with_the_zone_taken(
    value: str, etc: Callable[..., Path]
) -> None:
    """That is the machine's, as far as it has one; the words are plain and short."""
    found = system_zone.find({"TZ": value}, etc(PACKAGED / "Asia/Tokyo"))
    assert found.name == "Asia/Tokyo"
    assert found.note is not None
    assert found.note.startswith(f"Times are in Asia/Tokyo: TZ is {value[:40]!a}, which names")
    assert "SPOTIFY_HIST_TIMEZONE" in found.note
    assert len(found.note) < 300


@FORMS
@pytest.mark.parametrize(
    "name",
    ["Europe/Berlin", "Asia/Kolkata", "America/New_York", "Africa/Casablanca", "Asia/Tokyo",
     "America/St_Johns", "Pacific/Apia", "Etc/UTC", "Etc/GMT-3"],
)  # fmt: skip
def test_a_copied_localtime_is_the_zone_it_was_copied_from(
    name: str, forms: Path, etc: Callable[..., Path]
) -> None:
    """As a container mounts it: a file with no link, in the long or the short form."""
    assert system_zone.find({}, etc((forms / name).read_bytes())) == Zone(name)


def test_a_copy_of_what_has_many_names_has_the_name_of_the_zone_itself(
    etc: Callable[..., Path],
) -> None:
    """Asia/Calcutta is a link to Asia/Kolkata, and Zulu one to UTC."""
    assert zone_matching.by_file(PACKAGED / "Asia/Calcutta", None) == "Asia/Kolkata"
    assert zone_matching.by_file(PACKAGED / "Zulu", None) == "Etc/UTC"
    data = (PACKAGED / "Asia/Calcutta").read_bytes()
    assert system_zone.find({}, etc(data, "Asia/Calcutta")) == Zone("Asia/Calcutta")


def test_a_file_of_another_release_is_known_by_what_its_clocks_show(
    etc: Callable[..., Path],
) -> None:
    """Its bytes are nobody's."""
    data = (PACKAGED / "Europe/Berlin").read_bytes()
    assert data.count(b"LMT") == 1
    found = system_zone.find({}, etc(data.replace(b"LMT", b"XMT")))
    assert found.doubt is None
    assert shows(found.name) == shows("Europe/Berlin")


def shows(name: str) -> list[timedelta | None]:
    """What its clocks showed through all the years of Spotify."""
    zone, first = zoneinfo.ZoneInfo(name), datetime(2006, 1, 1, tzinfo=UTC)
    hours = (first + timedelta(hours=hour) for hour in range(0, 24 * 366 * 24, 12))
    return [at.astimezone(zone).utcoffset() for at in hours]


def test_a_linked_localtime_tells_its_zone_by_the_link(
    etc: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No content is looked at: a process starts in milliseconds."""
    monkeypatch.delattr(zone_matching, "by_file")
    assert system_zone.find({}, etc(PACKAGED / "Europe/Oslo")) == Zone("Europe/Oslo")


def test_a_localtime_that_a_container_mounted_goes_before_the_image_s_timezone(
    etc: Callable[..., Path],
) -> None:
    """The C library reads the one, and nobody keeps the other true."""
    data = (PACKAGED / "Asia/Tokyo").read_bytes()
    assert system_zone.find({}, etc(data, "Etc/UTC")) == Zone("Asia/Tokyo")


def test_etc_timezone_is_the_zone_where_nothing_else_tells(etc: Callable[..., Path]) -> None:
    """As on Alpine."""
    assert system_zone.find({}, etc(None, "Asia/Tokyo")) == Zone("Asia/Tokyo")


@pytest.mark.parametrize("localtime", [None, b"", b"no zone", b"TZif2" + bytes(39), b"x" * 100_000])
def test_a_system_that_tells_no_zone_is_named_with_utc(
    localtime: bytes | None, etc: Callable[..., Path]
) -> None:
    """UTC in silence would be taken for the listener's own time."""
    found = system_zone.find({}, etc(localtime))
    assert found.name == "UTC"
    assert found.note is not None
    assert found.note.startswith("Times are in UTC: ")


def test_a_circle_of_links_is_no_zone(etc: Callable[..., Path]) -> None:
    """Nor a traceback."""
    folder = etc(Path("other"))
    (folder / "other").symlink_to("localtime")
    assert system_zone.find({}, folder).name == "UTC"
    assert system_zone.find({"TZ": str(folder / "other")}, folder).doubt is not None


@given(st.text(max_size=30))
def test_any_tz_gives_a_zone(value: str) -> None:
    """Nothing in the environment is a bug, and what is found is a zone."""
    assert system_zone.is_zone(system_zone.find({"TZ": value}).name)


@given(
    st.sampled_from(["AAA", "<+01>"]),
    st.integers(-14, 12),
    st.sampled_from(["", ":00", ":30", ":45"]),
)
def test_a_fixed_offset_is_shown_as_it_is_told(word: str, hours: int, rest: str) -> None:
    """Where a zone is found, its clocks show what the rule says."""
    found = system_zone.find({"TZ": f"{word}{hours}{rest}"})
    if found.doubt is not None:
        assert rest not in {"", ":00"}
        return
    minutes = abs(hours) * 60 + int(rest[1:] or 0)
    west = -minutes if hours < 0 else minutes
    now = datetime(2026, 1, 1, tzinfo=UTC).astimezone(zoneinfo.ZoneInfo(found.name))
    assert now.utcoffset() == timedelta(minutes=-west)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the example export."""
    path = tmp_path_factory.mktemp("zones") / "home"
    assert process("--home", str(path), "import", str(EXPORT)).code == 0
    return path


def notes(home: Path, *arguments: str, **variables: str | None) -> list[str]:
    """What an answer says of the zone."""
    done = process("--home", str(home), "query", *arguments, "--format", "json", **variables)
    assert done.code == 0, done.err
    said: list[str] = [each for each in done.json()["notes"] if each.startswith("Times are in ")]
    return said


@pytest.mark.parametrize("question", [("top-artists",), ("clock",), ("sql", "select 1")])
def test_an_answer_says_once_that_the_zone_is_a_stand_in(
    history: Path, question: tuple[str, ...]
) -> None:
    """And says nothing where it was named: by the system, a setting, the listener or an option."""
    (said,) = notes(history, *question, TZ="PST")
    assert "TZ is 'PST'" in said
    table = process("--home", str(history), "query", *question, TZ="PST")
    assert table.err.splitlines().count(f"Note: {said}") == 1
    assert notes(history, *question, TZ="europe/berlin") == []
    assert notes(history, *question, TZ="PST", SPOTIFY_HIST_TIMEZONE="Asia/Tokyo") == []


def test_a_zone_that_is_asked_for_or_the_listener_s_own_leaves_no_doubt(history: Path) -> None:
    """The system's is not used then."""
    assert notes(history, "clock", "--timezone", "Asia/Tokyo", TZ="PST") == []
    at_home = ("--home", str(history), "users", "timezone", "me")
    assert process(*at_home, "Asia/Tokyo").code == 0
    try:
        assert notes(history, "clock", TZ="PST") == []
        assert notes(history, "sql", "select 1", TZ="PST") == []
    finally:
        assert process(*at_home, "--unset").code == 0


def test_hours_are_those_of_a_copied_localtime(history: Path, tmp_path: Path) -> None:
    """As a real process tells them: in New York's hours, from a file that has no name."""
    copied = tmp_path / "localtime"
    copied.write_bytes((SYSTEMS / "America/New_York").read_bytes())
    told = process("--home", str(history), "query", "clock", "--format", "json", TZ=f":{copied}")
    named = process(
        "--home", str(history), "query", "clock", "--format", "json", TZ="America/New_York"
    )
    assert told.json()["params"]["timezone"] == "America/New_York"
    assert told.json()["rows"] == named.json()["rows"]


def test_assistants_are_told_of_a_stand_in_too(history: Path) -> None:
    """They would take its hours for the listener's."""
    import httpx

    with serving(history, TZ="PST") as served:
        answer = httpx.post(f"{served.url}/tools/clock", json={}).json()
    said = json.dumps(answer)
    assert "Times are in" in said
    assert clean_environment()["TZ"] == "America/St_Johns"
