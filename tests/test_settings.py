"""Settings: what is in force, where it came from, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_hist import warn
from spotify_hist.errors import ExitCode, SettingsError
from spotify_hist.settings import OPTIONS, Option, Settings, load
from spotify_hist.system_zone import find

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRETS = [option for option in OPTIONS if option.secret]


def written(tmp_path: Path, text: str) -> Path:
    """A home with this config.toml."""
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return tmp_path


def refusal(home: Path, variables: Mapping[str, str] | None = None) -> SettingsError:
    """The error of loading, which must name its next step and be a usage error."""
    with pytest.raises(SettingsError) as caught:
        load(home, variables or {})
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def test_without_anything_set_every_option_has_its_default(tmp_path: Path) -> None:
    """And says so; nothing is created by asking."""
    settings = load(tmp_path / "home", {})
    for option in OPTIONS:
        assert settings.get(option.key) == option.default
        assert settings.origins[option.key] == "default"
    assert not (tmp_path / "home").exists()


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """And each value knows where it came from."""
    home = written(tmp_path, 'client_id = "file"\n[http]\nretries = 5\ntimeout_s = 7\n')
    settings = load(home, {"SPOTIFY_HIST_CLIENT_ID": "env", "SPOTIFY_HIST_HTTP_TIMEOUT_S": "2.5"})
    assert settings.text("client_id") == "env"
    assert settings.number("http.timeout_s") == 2.5
    assert settings.get("http.retries") == 5
    assert settings.get("http.max_wait_s") == 60.0
    assert settings.origins["client_id"] == "SPOTIFY_HIST_CLIENT_ID"
    assert settings.origins["http.timeout_s"] == "SPOTIFY_HIST_HTTP_TIMEOUT_S"
    assert settings.origins["http.retries"] == str(home / "config.toml")
    assert settings.origins["http.max_wait_s"] == "default"


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    """Container files set variables to nothing where there is nothing to say."""
    home = written(tmp_path, 'client_id = "file"\n')
    settings = load(home, {"SPOTIFY_HIST_CLIENT_ID": "", "SPOTIFY_HIST_HTTP_RETRIES": ""})
    assert settings.text("client_id") == "file"
    assert settings.get("http.retries") == 3


def test_every_option_can_be_set_by_its_variable(tmp_path: Path) -> None:
    """The names follow from the keys, and no two are the same."""
    given = {
        option.key: max(120, int(option.minimum or 0)) for option in OPTIONS if not option.is_zone
    }
    variables = {
        option.variable: str(given[option.key]) for option in OPTIONS if not option.is_zone
    }
    assert len({option.variable for option in OPTIONS}) == len(OPTIONS)
    settings = load(tmp_path, variables | {"SPOTIFY_HIST_TIMEZONE": "UTC"})
    for option in OPTIONS:
        value = settings.get(option.key)
        assert settings.origins[option.key] == option.variable
        assert type(value) is option.type
        wanted = given.get(option.key)
        assert value in ({wanted, str(wanted)} if not option.is_zone else {"UTC"})


@pytest.mark.parametrize("option", SECRETS, ids=lambda option: option.key)
def test_every_secret_can_lie_in_a_file(option: Option, tmp_path: Path) -> None:
    """Its end of line is no part of it; the plain variable goes first."""
    path = tmp_path / "secret"
    path.write_text("hush-hush\n", encoding="utf-8")
    variables = {option.variable + "_FILE": str(path)}
    settings = load(tmp_path, variables)
    assert settings.text(option.key) == "hush-hush"
    assert settings.origins[option.key] == option.variable + "_FILE"
    assert load(tmp_path, variables | {option.variable: "plain"}).text(option.key) == "plain"


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Missing, a directory, empty, not text: an empty token must never be one."""
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, empty, binary):
        error = refusal(tmp_path, {"SPOTIFY_HIST_TOOLS_TOKEN_FILE": str(path)})
        assert "SPOTIFY_HIST_TOOLS_TOKEN_FILE" in error.message


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    """A variable that means nothing does nothing."""
    path = tmp_path / "id"
    path.write_text("abc", encoding="utf-8")
    assert load(tmp_path, {"SPOTIFY_HIST_CLIENT_ID_FILE": str(path)}).text("client_id") is None


def test_a_systemd_credential_is_a_secret_file(tmp_path: Path) -> None:
    """After the variables, before config.toml; other credentials are left alone."""
    home = written(tmp_path, 'token_key = "file"\n')
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "spotify-hist-token-key").write_text("sealed\n", encoding="utf-8")
    settings = load(home, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert settings.text("token_key") == "sealed"
    assert "spotify-hist-token-key" in settings.origins["token_key"]
    assert settings.text("admin_token") is None


BAD_VALUES = [
    ("http.retries", "three", "a whole number of at least 0"),
    ("http.retries", "2.5", "a whole number"),
    ("http.retries", "-1", "at least 0"),
    ("http.timeout_s", "0", "a number of at least 0.1"),
    ("http.timeout_s", "nan", "a number"),
    ("http.timeout_s", "inf", "a number"),
    ("http.timeout_s", "1e999", "a number"),
    ("timezone", "Mars/Olympus", "the name of a time zone"),
    ("timezone", "posix/Europe/Berlin", "the name of a time zone"),
]


@pytest.mark.parametrize(("key", "text", "says"), BAD_VALUES)
def test_a_bad_variable_is_refused_by_its_name(
    key: str, text: str, says: str, tmp_path: Path
) -> None:
    """The message tells the setting, where it was set and what it takes."""
    variable = "SPOTIFY_HIST_" + key.replace(".", "_").upper()
    message = refusal(tmp_path, {variable: text}).message
    assert message.startswith(f"{key} (from {variable}) must be ")
    assert says in message


@pytest.mark.parametrize(
    "line",
    [
        "http.retries = true",
        "http.retries = 2.5",
        "http.retries = inf",
        "http.retries = nan",
        "http.retries = [1]",
        'http.retries = "x"',
        "http.retries = 2024-01-01",
        "http.timeout_s = -inf",
        f"http.timeout_s = {'9' * 400}",
        "client_id = 5",
        "client_id = true",
        'client_id = ""',
        'tools_token = ""',
        "timezone = 2024-01-01T10:00:00Z",
    ],
)
def test_a_bad_value_in_the_file_is_refused_by_file_and_key(line: str, tmp_path: Path) -> None:
    """TOML has types of its own; none of them is bent into ours."""
    message = refusal(written(tmp_path, line)).message
    assert message.startswith(f"{line.partition(' ')[0]} (from {tmp_path / 'config.toml'})")


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("clientid = 'x'", "clientid"),
        ("[http]\nretry = 3", "http.retry"),
        ("[https]\nretries = 3", "https.retries"),
        ("http = 3", "http"),
        ("[http.retries]\nvalue = 3", "http.retries"),
        ("[client_id]\nvalue = 'x'", "client_id.value"),
        ("[[http]]\nretries = 3", "http"),
    ],
)
def test_a_setting_nobody_knows_is_refused(text: str, unknown: str, tmp_path: Path) -> None:
    """A typing error must not leave the default in force unnoticed."""
    assert unknown in refusal(written(tmp_path, text)).message


@pytest.mark.parametrize("content", [b"client_id = ", b"\xff\xfe", b"= 3", b"\0", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused_by_its_path(content: bytes, tmp_path: Path) -> None:
    """Not UTF-8 included."""
    (tmp_path / "config.toml").write_bytes(content)
    assert str(tmp_path / "config.toml") in refusal(tmp_path).message


def test_a_config_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    """As containers make them where a mount is missing."""
    (tmp_path / "config.toml").mkdir()
    assert str(tmp_path / "config.toml") in refusal(tmp_path).message


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """config.toml cannot lie in it."""
    (tmp_path / "home").write_text("", encoding="utf-8")
    assert "home" in refusal(tmp_path / "home").message


def test_home_puts_everything_under_one_directory(tmp_path: Path) -> None:
    """--home goes before SPOTIFY_HIST_HOME."""
    by_variable = load(None, {"SPOTIFY_HIST_HOME": str(tmp_path / "env")})
    by_option = load(str(tmp_path / "option"), {"SPOTIFY_HIST_HOME": str(tmp_path / "env")})
    for settings, name in ((by_variable, "env"), (by_option, "option")):
        home = tmp_path / name
        assert settings.config_file == home / "config.toml"
        assert settings.database == home / "history.duckdb"
        assert settings.vault == home / "vault"
        assert settings.spool == home / "spool"
        assert settings.scratch == home / "uploads"
        assert settings.backups == home / "backups"


def test_a_home_may_begin_with_a_tilde_and_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer's working directory is not the person's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load("~/music", {}).data_dir == tmp_path / "music"
    assert load("music", {}).data_dir == tmp_path / "music"
    assert "nobody-has-this-name" in refusal(Path("~nobody-has-this-name/x")).message


def test_without_a_home_the_usual_directories_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration and data lie apart, both named after the program."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load(None, {})
    for path in (settings.config_dir, settings.data_dir):
        assert path.name == "spotify-hist"
        assert path.is_relative_to(tmp_path)


def test_no_secret_shows_in_a_repr_or_an_error(tmp_path: Path) -> None:
    """Neither a good one nor one that cannot be used."""
    home = written(tmp_path, "".join(f'{option.key} = "hush-{option.key}"\n' for option in SECRETS))
    assert "hush" not in repr(load(home, {}))
    assert "hush" not in str(load(home, {}))
    error = refusal(written(tmp_path, 'token_key = ["hush"]\n'))
    assert "hush" not in error.message + error.hint + repr(error)
    error = refusal(written(tmp_path, 'token_key = "hush\n'))
    assert "hush" not in error.message


def test_a_key_outside_the_options_is_our_own_mistake(tmp_path: Path) -> None:
    """KeyError, not a silent None; so is a number where nothing is set."""
    settings = load(tmp_path, {})
    with pytest.raises(KeyError):
        settings.get("http.retry")
    with pytest.raises(KeyError):
        settings.number("client_id")
    assert settings.text("http.retries") == "3"


@given(text=st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_any_text_of_a_number_is_a_number_in_bounds_or_refused(text: str) -> None:
    """No text of a variable is a bug."""
    variables = {"SPOTIFY_HIST_HTTP_RETRIES": text, "SPOTIFY_HIST_HTTP_TIMEOUT_S": text}
    try:
        settings: Settings = load("/nowhere", variables)
    except SettingsError:
        return
    assert settings.number("http.retries") >= 0
    assert 0.1 <= settings.number("http.timeout_s") < float("inf")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Kolkata", "Asia/Kolkata"),
        ("/usr/share/zoneinfo/Pacific/Apia", "Pacific/Apia"),
        (":/usr/share/zoneinfo/America/St_Johns", "America/St_Johns"),
        ("UTC", "UTC"),
    ],
)
def test_the_system_s_time_zone_is_that_of_tz(value: str, expected: str) -> None:
    """In each of the forms that POSIX systems allow for a named zone."""
    assert find({"TZ": value}).name == expected


@pytest.mark.parametrize("value", ["", "CET-1CEST", "Mars/Olympus", "/etc/passwd", "localtime"])
def test_a_tz_that_names_no_zone_leaves_the_one_of_the_machine(value: str) -> None:
    """Whatever that is, it is a zone, and the same as without TZ."""
    assert find({"TZ": value}).name == find({}).name
    assert load("/nowhere", {"SPOTIFY_HIST_TIMEZONE": find({}).name})


def test_the_environment_is_that_of_the_process_unless_given(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`load()` and `find()` read the real one."""
    monkeypatch.setenv("SPOTIFY_HIST_CLIENT_ID", "abc")
    assert load().text("client_id") == "abc"
    assert load().data_dir == home
    assert find().name == os.environ["TZ"]


def test_a_misspelt_variable_is_named_with_what_was_meant(tmp_path: Path) -> None:
    """Each once in a run; secrets as files and other programs' variables are nobody's slip."""
    heard: list[str] = []
    warn.forget()
    warn.listen(heard.append)
    variables = {
        "SPOTIFY_HIST_DATABSE_WAIT_S": "3",
        "SPOTIFY_HIST_CLIENT_ID_FILE": "x",
        "SPOTIFY_HIST_BLORP": "1",
        "SPOTIFY_HIST_HOME": str(tmp_path),
        "SPOTIFY_HIST_TIMEZONE": "UTC",
        "SPOTIFY_HIST_TOKEN_KEY_FILE": "",
        "SPOTIFY_HISTORY": "a",
        "_SPOTIFY_HIST_COMPLETE": "bash_source",
    }
    for _ in range(2):
        load(tmp_path, variables)
    assert [text.split()[2] for text in heard] == [
        "SPOTIFY_HIST_BLORP",
        "SPOTIFY_HIST_CLIENT_ID_FILE",
        "SPOTIFY_HIST_DATABSE_WAIT_S",
    ]
    assert heard[0].endswith("is no setting. The README lists the settings.")
    assert heard[1].endswith("Did you mean SPOTIFY_HIST_CLIENT_ID?")
    assert heard[2].endswith("Did you mean SPOTIFY_HIST_DATABASE_WAIT_S?")


def test_an_unknown_key_is_named_with_what_was_meant(tmp_path: Path) -> None:
    """Where nothing is like it, every setting is listed."""
    written(tmp_path, "[database]\nwait = 3\n")
    assert refusal(tmp_path).hint == "Did you mean database.wait_s?"


def test_a_mark_in_front_is_no_part_of_the_file(tmp_path: Path) -> None:
    """Editors on Windows put it there."""
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbftimezone = 'UTC'\n")
    assert load(tmp_path, {}).text("timezone") == "UTC"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_refused_in_words(encoding: str, tmp_path: Path) -> None:
    """Notepad calls it Unicode."""
    (tmp_path / "config.toml").write_bytes("timezone = 'UTC'\n".encode(encoding))
    assert "is not saved as UTF-8" in refusal(tmp_path).message


def test_a_file_nested_beyond_measure_is_refused_in_words(tmp_path: Path) -> None:
    """tomllib gives up with an error of Python's own."""
    written(tmp_path, f"x = {'[' * 5_000}{']' * 5_000}\n")
    assert "nested too deep" in refusal(tmp_path).message


def test_a_pipe_in_the_place_of_the_file_is_not_waited_at(tmp_path: Path) -> None:
    """Nobody might ever write to it."""
    os.mkfifo(tmp_path / "config.toml")
    assert "it is no file" in refusal(tmp_path).message


def test_text_that_is_no_utf_8_is_refused_but_for_a_path(tmp_path: Path) -> None:
    """It could be sent nowhere, and kept nowhere; a folder may be called so."""
    with pytest.raises(SettingsError, match=r"client_id .* is not valid UTF-8") as caught:
        load(tmp_path, {"SPOTIFY_HIST_CLIENT_ID": "a\udce9"})
    caught.value.message.encode()
    loaded = load(tmp_path, {"SPOTIFY_HIST_SYNC_WATCH_DIR": "/a\udce9"})
    assert loaded.watched == Path("/a\udce9")


def test_what_is_no_time_zone_is_told_with_some_that_are(tmp_path: Path) -> None:
    """What the setting is for says nothing of how to write it."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {"SPOTIFY_HIST_TIMEZONE": "PST"})
    assert "Europe/Berlin" in caught.value.hint
