"""Owns the parameters of questions: the shared vocabulary, their types, and checking of values.

Never silently replaces a value: what cannot be used is refused with the allowed ones named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from spotify_hist.errors import UsageError
from spotify_hist.model import KINDS, is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# An artist, track or album is given by name, id or URI, and bound as the id it counts under; a day
# is one of every year (06-01) or of one (2024-06-01).
ParamType = Literal["integer", "text", "boolean", "day", "artist", "track", "album"]
Value = int | str | bool | None

_DAY = re.compile(r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}", re.ASCII)
_LENGTH_OF_DATE = len("2024-06-01")
_LEAP_YEAR = 2024


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a question; `name` is its SQL and JSON name, hyphenated on the terminal."""

    name: str
    type: ParamType
    help: str
    default: Value = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    is_required: bool = False

    @property
    def option(self) -> str:
        """The name on the command line, without the dashes."""
        return self.name.replace("_", "-")

    def json_schema(self) -> dict[str, object]:
        """JSON Schema of a value, as MCP and OpenAPI show it."""
        names = {"integer": "integer", "boolean": "boolean"}
        schema: dict[str, object] = {
            "type": names.get(self.type, "string"),
            "description": self.help,
        }
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.maximum is not None:
            schema["maximum"] = self.maximum
        if self.default is not None:
            schema["default"] = self.default
        return schema

    def check(self, value: object) -> Value:
        """`value` as this parameter's type; UsageError names the parameter and what it takes."""
        if value is None and self.is_required:
            raise UsageError(f"{self.name} is missing.", hint=f"{self.name}: {self.help}")
        if value is None:
            return self.default
        if self.type == "integer":
            return self._check_integer(value)
        if self.type == "boolean":
            if isinstance(value, bool):
                return value
            raise self._refusal(value)
        if not isinstance(value, str) or not value or (self.choices and value not in self.choices):
            raise self._refusal(value)
        if self.type == "day" and not _is_day(value):
            raise self._refusal(value)
        if not is_unicode(value):
            raise UsageError(
                f"{self.name} is not valid Unicode text.", hint="Write it as valid UTF-8."
            )
        return value

    def _check_integer(self, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._refusal(value)
        too_low = self.minimum is not None and value < self.minimum
        if too_low or (self.maximum is not None and value > self.maximum):
            raise self._refusal(value)
        return value

    def _refusal(self, value: object) -> UsageError:
        if self.choices:
            takes = "one of " + ", ".join(self.choices)
        elif self.minimum is not None and self.maximum is not None:
            takes = f"a whole number from {self.minimum} to {self.maximum}"
        elif self.type == "integer":
            takes = "a whole number"
        elif self.type == "day":
            takes = "a day such as 06-01 or 2024-06-01"
        else:
            takes = "true or false" if self.type == "boolean" else "text that is not empty"
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return UsageError(
            f"{self.name} must be {takes}, not {shown}.", hint=f"{self.name}: {self.help}"
        )


def _is_day(text: str) -> bool:
    """Whether it is a date, or the month and day of one; 02-29 is the day of some years."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text if len(text) == _LENGTH_OF_DATE else f"{_LEAP_YEAR}-{text}")
    except ValueError:
        return False
    return True


SHARED: Mapping[str, Param] = {
    param.name: param
    for param in (
        Param(
            "since",
            "text",
            "From when on: 2024-06-01, 2024-06, 2024, 90d, today, yesterday, last-month or "
            "last-year.",
        ),
        Param("until", "text", "Until when, not included; in the same forms."),
        Param("days", "integer", "The last N days, up to now.", minimum=1, maximum=36_500),
        Param("year", "integer", "One calendar year.", minimum=2006, maximum=2100),
        Param("timezone", "text", "IANA time zone, such as Europe/Berlin."),
        Param(
            "kind",
            "text",
            "What was played.",
            default="track",
            choices=(*KINDS, "all"),
        ),
        Param(
            "min_ms",
            "integer",
            "Shortest listened time that counts, in milliseconds; where it is unknown, it counts.",
            default=30_000,
            minimum=0,
            maximum=86_400_000,
        ),
        Param("user", "text", "The listener, where several share this history."),
        Param(
            "gap",
            "integer",
            "The longest pause within one sitting, in minutes.",
            default=30,
            minimum=0,
            maximum=1440,
        ),
        Param(
            "with",
            "text",
            "What the period is compared with: the one of the same length before it (for whole "
            "months as many months), or the same days a year before.",
            default="previous",
            choices=("previous", "year-before"),
        ),
        Param(
            "by",
            "text",
            "What a ranking goes by: counted plays, or listened time.",
            default="plays",
            choices=("plays", "time"),
        ),
        Param(
            "raw",
            "boolean",
            "Every id for itself, and nothing hidden by ignore rules.",
            default=False,
        ),
        Param(
            "travel",
            "boolean",
            "Go by the clocks of the country a play was heard in, where it has just one zone.",
            default=False,
        ),
        Param("limit", "integer", "Most rows to return.", default=20, minimum=1, maximum=1000),
        Param(
            "offset",
            "integer",
            "Rows to leave out at the start.",
            default=0,
            minimum=0,
            maximum=10_000_000,
        ),
    )
}
# Names under which a question's header takes several of them.
BUNDLES: Mapping[str, tuple[str, ...]] = {
    "period": ("since", "until", "days", "year"),
    "plays": (
        "since", "until", "days", "year", "timezone", "travel", "kind", "min_ms", "raw", "user",
    ),
}  # fmt: skip


def check_arguments(params: Sequence[Param], arguments: Mapping[str, object]) -> dict[str, Value]:
    """Every parameter's value, defaults filled in; UsageError for unknown names and bad values."""
    known = {param.name for param in params}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise UsageError(
            f"There is no parameter called '{unknown[0]}'.",
            hint="Parameters: " + ", ".join(param.name for param in params) + ".",
        )
    return {param.name: param.check(arguments.get(param.name)) for param in params}
