"""Owns configuration: the only reader of the environment and of config.toml.

Never validates by silently replacing: a value that cannot be used is an error naming its origin.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotify_hist import config_file as config_file_module
from spotify_hist import system_zone, warn
from spotify_hist.disk import unusable_name
from spotify_hist.errors import SettingsError
from spotify_hist.model import is_unicode
from spotify_hist.system_zone import Zone, is_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PREFIX = "SPOTIFY_HIST_"
Value = str | int | float | bool
_ZONE_HINT = "Use an IANA name such as Europe/Berlin, Asia/Kolkata or UTC."


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: `key` as in config.toml (`section.name` or a bare name), default, meaning."""

    key: str
    default: Value | None
    help: str
    secret: bool = False
    minimum: float | None = None
    is_zone: bool = False
    is_path: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that overrides the key."""
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def type(self) -> type:
        """The Python type of a value; text where the default is unset."""
        return str if self.default is None else type(self.default)


OPTIONS: tuple[Option, ...] = (
    Option("client_id", None, "Client id of your Spotify app."),
    Option("client_secret", None, "Client secret; not needed with PKCE.", secret=True),
    Option(
        "token_key",
        None,
        "Fernet key of the token vault; several, newest first, while it is changed.",
        secret=True,
    ),
    Option("tools_token", None, "Bearer token for the tools of serve-tools.", secret=True),
    Option("admin_token", None, "Bearer token for the admin API of serve-tools.", secret=True),
    Option("api_url", "https://api.spotify.com", "Where the Spotify Web API is."),
    Option("accounts_url", "https://accounts.spotify.com", "Where Spotify's login is."),
    Option(
        "timezone", None, "IANA time zone of listeners who have none of their own.", is_zone=True
    ),
    Option("default_user", None, "Listener meant where --user is not given."),
    Option("http.timeout_s", 20.0, "Seconds until a request to Spotify is given up.", minimum=0.1),
    Option("http.max_wait_s", 60.0, "Longest wait that Spotify may ask of one run.", minimum=0.0),
    Option("http.retries", 3, "How often a failed request is tried again.", minimum=0),
    Option(
        "database.wait_s",
        30.0,
        "Longest wait for another process to release the file.",
        minimum=0.0,
    ),
    Option("backfill.max_days", 30, "How many days back a backfill goes.", minimum=1),
    Option("backfill.max_requests", 200, "Most pages one backfill asks for.", minimum=1),
    Option(
        "backfill.max_rate_limits",
        3,
        "How often Spotify may ask a backfill to slow down before it stops for this time.",
        minimum=1,
    ),
    Option("backfill.concurrency", 2, "How many listeners are filled back at once.", minimum=1),
    Option(
        "collect.alarm_after_h",
        24.0,
        "Hours for which collecting may fail before a run ends with exit code 7.",
        minimum=0.0,
    ),
    Option("enrich.daily_budget", 300, "Most requests for details in 24 hours.", minimum=0),
    Option("enrich.slice", 10, "Most requests for details in one sync.", minimum=0),
    Option(
        "sync.watch_dir",
        None,
        "Folder whose ZIPs sync imports; by default uploads/.",
        is_path=True,
    ),
    Option("logs.retention_days", 90, "Days that logs and finished jobs are kept.", minimum=1),
    Option("import.max_zip_mb", 500, "Largest ZIP accepted, in megabytes.", minimum=1),
    Option(
        "import.max_unpacked_gb",
        20.0,
        "Most data one ZIP may unpack to, in gigabytes.",
        minimum=0.001,
    ),
    Option(
        "import.max_ratio", 200, "Highest compression ratio of a member (zip bombs).", minimum=1
    ),
    Option("import.max_members", 10_000, "Most members a ZIP may have.", minimum=1),
    Option("import.max_rows", 5_000_000, "Most rows one import may have.", minimum=1),
    Option(
        "import.memory_mb",
        510,  # DuckDB reads JSON with one thread only where it has less than 500
        "Memory DuckDB takes for an import before it turns to the disk, in megabytes.",
        minimum=100,
    ),
    Option("query.sql_timeout_s", 20.0, "Deadline of one 'query sql'.", minimum=0.1),
    Option(
        "query.sql_memory_mb",
        2048,
        "Most memory one 'query sql' may take, in megabytes.",
        minimum=1024,
    ),
    Option(
        "server.query_timeout_s",
        20.0,
        "Deadline of one question asked through serve-tools.",
        minimum=0.1,
    ),
    Option(
        "server.tools",
        "core",
        "Which tools assistants are shown: core, the ones most asked for, or all.",
    ),
    Option("server.max_body_kb", 1024, "Largest request body, in kilobytes.", minimum=1),
    Option(
        "server.rate_per_minute", 600, "Requests a minute from one address or token.", minimum=1
    ),
    Option(
        "server.queries_at_once",
        4,
        "Questions worked on at the same time; further ones wait their turn.",
        minimum=1,
    ),
    Option(
        "server.allowed_hosts",
        None,
        "Names that a reverse proxy serves the tools under, separated by commas.",
    ),
    Option(
        "server.cors_origins",
        None,
        "Web origins whose pages may call the tools, separated by commas.",
    ),
    Option(
        "server.trusted_proxies",
        None,
        "Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas.",
    ),
)
_BY_KEY = {option.key: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force and where each came from.

    `home` holds config.toml, history.duckdb, vault/, spool/, uploads/ and backups/ when set by
    SPOTIFY_HIST_HOME or --home; otherwise platformdirs decides the two directories.
    """

    config_dir: Path
    data_dir: Path
    values: Mapping[str, Value | None] = field(repr=False)
    origins: Mapping[str, str] = field(repr=False)

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def database(self) -> Path:
        return self.data_dir / "history.duckdb"

    @property
    def vault(self) -> Path:
        return self.data_dir / "vault"

    @property
    def tokens(self) -> Path:
        """Where the hashes of the tokens of serve-tools are kept."""
        return self.data_dir / "tokens"

    @property
    def spool(self) -> Path:
        return self.data_dir / "spool"

    @property
    def scratch(self) -> Path:
        return self.data_dir / "uploads"

    @property
    def watched(self) -> Path:
        """The folder whose ZIPs `sync` imports."""
        chosen = self.text("sync.watch_dir")
        return Path(chosen).expanduser().absolute() if chosen else self.scratch

    @property
    def limits(self) -> Path:
        """Where it is kept until when Spotify wants no calls."""
        return self.data_dir / "limits"

    @property
    def outages(self) -> Path:
        """Where it is kept since when collecting fails."""
        return self.data_dir / "outages"

    @property
    def backups(self) -> Path:
        return self.data_dir / "backups"

    def get(self, key: str) -> Value | None:
        """The value in force; a key outside OPTIONS is our bug and raises KeyError."""
        return self.values[key]

    def text(self, key: str) -> str | None:
        value = self.values[key]
        return None if value is None else str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """The parts of a value that lists several, separated by commas."""
        parts = (part.strip() for part in (self.text(key) or "").split(","))
        return tuple(part for part in parts if part)

    def zone(self, own: str | None) -> Zone:
        """The time zone of a listener who has this one of their `own`, or none (DESIGN 1)."""
        chosen = own or self.text("timezone")
        return Zone(chosen) if chosen else system_zone.find()

    def number(self, key: str) -> float:
        value = self.values[key]
        if value is None:
            raise KeyError(key)
        return float(value)


def load(home: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and config.toml; SettingsError names what cannot be used and where."""
    env = os.environ if environ is None else environ
    config_dir, data_dir = _directories(home, env)
    config_file = config_dir / "config.toml"
    from_file = _known(config_file, config_file_module.read(config_file))
    _warn_of_unknown(env)
    values: dict[str, Value | None] = {}
    origins: dict[str, str] = {}
    for option in OPTIONS:
        values[option.key], origins[option.key] = _resolve(option, env, from_file, config_file)
    return Settings(config_dir, data_dir, values, origins)


def _directories(home: str | Path | None, env: Mapping[str, str]) -> tuple[Path, Path]:
    chosen = home or env.get(PREFIX + "HOME")
    if chosen:
        try:
            path = Path(chosen).expanduser().absolute()
        except RuntimeError:
            raise SettingsError(
                f"There is no user whose home {chosen} could be.", hint="Give the whole path."
            ) from None
        return _usable(path), path
    import platformdirs

    return (
        Path(platformdirs.user_config_dir("spotify-hist")),
        _usable(Path(platformdirs.user_data_dir("spotify-hist"))),
    )


def _usable(directory: Path) -> Path:
    """The same directory. Raises SettingsError for a name that DuckDB cannot make files under."""
    why = unusable_name(directory)
    if why is not None:
        raise SettingsError(
            f"The history cannot be kept in {directory}: {why}.",
            hint="Set SPOTIFY_HIST_HOME to a directory of another name.",
        )
    return directory


def _known(path: Path, from_file: Mapping[str, Any]) -> Mapping[str, Any]:
    """What config.toml says. Raises SettingsError for a key that is no setting."""
    unknown = sorted(set(from_file) - set(_BY_KEY))
    if unknown:
        raise SettingsError(
            f"{path} has an unknown setting: {unknown[0]}",
            hint=_nearest(unknown[0], _BY_KEY) or "Known settings: " + ", ".join(_BY_KEY) + ".",
        )
    return from_file


def _warn_of_unknown(env: Mapping[str, str]) -> None:
    """Name variables with our prefix that nothing reads: they were meant to do something."""
    known = {"HOME", *(option.variable.removeprefix(PREFIX) for option in OPTIONS)}
    known |= {f"{option.key.upper()}_FILE" for option in OPTIONS if option.secret}
    for variable in sorted(env):
        name = variable.removeprefix(PREFIX)
        if name != variable and name not in known:
            hint = _nearest(name, sorted(known), PREFIX) or "The README lists the settings."
            warn.once(f"The variable {variable} is no setting. {hint}")


def _nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {prefix}{close[0]}?" if close else ""


def _resolve(
    option: Option, env: Mapping[str, str], from_file: Mapping[str, Any], config_file: Path
) -> tuple[Value | None, str]:
    """The value of one option and its origin: environment, secret file, config file, default."""
    if env.get(option.variable):
        return _convert(option, env[option.variable], option.variable), option.variable
    for path, origin in _secret_files(option, env):
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{origin} names a file that cannot be read: {_why(error)}.",
                hint="Give the path of a readable file that holds only the secret.",
            ) from None
        return _convert(option, text, origin), origin
    if option.key in from_file:
        return _convert(option, from_file[option.key], str(config_file)), str(config_file)
    return option.default, "default"


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not text"


def _secret_files(option: Option, env: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Where a secret may lie as a file, with the name of its origin: its `_FILE` variable, then
    a systemd credential called like `spotify-hist-token-key`."""
    if not option.secret:
        return
    variable = option.variable + "_FILE"
    if env.get(variable):
        yield Path(env[variable]), variable
    directory = env.get("CREDENTIALS_DIRECTORY")
    if directory:
        name = "spotify-hist-" + option.key.replace("_", "-")
        path = Path(directory, name)
        if path.exists():
            yield path, f"credential {name}"


def _convert(option: Option, raw: object, origin: str) -> Value:
    """`raw` as the option's type, or SettingsError naming the origin but never the value."""
    wanted = option.type
    names = {str: "text that is not empty", int: "a whole number", float: "a number"}
    takes = "the name of a time zone" if option.is_zone else names[wanted]
    problem = SettingsError(
        f"{option.key} (from {origin}) must be {takes}"
        + (f" of at least {option.minimum:g}." if option.minimum is not None else "."),
        hint=_ZONE_HINT if option.is_zone else option.help,
    )
    if isinstance(raw, str) and not option.is_path and not is_unicode(raw):
        raise SettingsError(f"{option.key} (from {origin}) is not valid UTF-8.", hint=option.help)
    if wanted is str:
        if not isinstance(raw, str) or not raw or (option.is_zone and not is_zone(raw)):
            raise problem
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise problem
    try:
        value: int | float = int(raw) if wanted is int else float(raw)
    except (ValueError, OverflowError):
        raise problem from None
    if isinstance(raw, float) and value != raw:
        raise problem
    if not math.isfinite(value) or (option.minimum is not None and value < option.minimum):
        raise problem
    return value
