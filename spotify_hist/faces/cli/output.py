"""Owns stdout and stderr: data on the one, everything else on the other, in the format asked for.

The only module that writes to them; never decides what is said.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spotify_hist.analytics.run import Answer
    from spotify_hist.errors import SpotifyHistError

Format = Literal["table", "json", "ndjson", "csv", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "json", "ndjson", "csv", "markdown")


class Output:
    """Where a command says things. `quiet` keeps notes back, never errors."""

    def __init__(self, *, verbose: int = 0, quiet: bool = False, log_json: bool = False) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self._log_json = log_json

    def line(self, text: str = "") -> None:
        """One line of data on stdout, at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def json(self, value: object) -> None:
        """One JSON document on stdout."""
        self.line(json.dumps(value, ensure_ascii=False, default=str))

    def note(self, text: str) -> None:
        """Something worth knowing, on stderr."""
        if not self.quiet:
            self._say("info", text)

    def detail(self, text: str) -> None:
        """Something only -v asks for, on stderr."""
        if self.verbose and not self.quiet:
            self._say("debug", text)

    def error(self, error: SpotifyHistError, *, as_json: bool = False) -> None:
        """A failure and its next step, on stderr."""
        if as_json or self._log_json:
            sys.stderr.write(json.dumps({"error": error.as_dict()}, ensure_ascii=False) + "\n")
        else:
            hint = f" {error.hint}" if error.hint else ""
            sys.stderr.write(f"Error: {printable(error.message)}{printable(hint)}\n")

    def answer(self, answer: Answer, form: Format, timezone: str) -> None:
        """An answer of the catalogue in the form asked for; its notes go to stderr as well."""
        if form == "json":
            _write_json(answer, sys.stdout)
        elif form == "table":
            from spotify_hist.faces.cli.tables import draw

            sys.stdout.write(draw(answer, timezone, is_terminal=sys.stdout.isatty()))
        else:
            names = [column.name for column in answer.columns]
            self.rows(names, answer.rows, form)
        sys.stdout.flush()
        if form != "json":
            for note in answer.notes:
                self.note(f"Note: {note}")
            if answer.truncated:
                self.note("Note: there are more rows; ask for them with --limit or --offset.")

    def rows(self, names: Sequence[str], rows: Iterable[Sequence[object]], form: Format) -> None:
        """Plain rows as ndjson, csv or markdown."""
        if form == "ndjson":
            for row in rows:
                text = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
                sys.stdout.write(text + "\n")
        elif form == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([_flat(value) for value in row] for row in rows)
        else:
            sys.stdout.write("| " + " | ".join(names) + " |\n")
            sys.stdout.write("|" + " --- |" * len(names) + "\n")
            for row in rows:
                cells = (printable(_flat(value)).replace("|", "\\|") for value in row)
                sys.stdout.write("| " + " | ".join(cells) + " |\n")

    def mapping(self, values: Mapping[str, object]) -> None:
        """Names and values, one a line, aligned."""
        width = max((len(name) for name in values), default=0)
        for name, value in values.items():
            self.line(f"{name:<{width}}  {printable(_flat(value))}".rstrip())

    def _say(self, level: str, text: str) -> None:
        if self._log_json:
            text = json.dumps({"level": level, "message": text}, ensure_ascii=False)
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def printable(text: str) -> str:
    """`text` without control characters: a track's name must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def silence_broken_pipe() -> None:
    """Let Python close stdout quietly after the reader of a pipe has gone."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _flat(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(str, value))
    return str(value)


def _write_json(answer: Answer, stream: TextIO) -> None:
    """The JSON of `Answer.as_dict`, row by row: a million rows need no second copy."""
    names = [column.name for column in answer.columns]
    columns = [{"name": each.name, "type": each.type} for each in answer.columns]

    def encoded(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    stream.write(
        f'{{"query": {encoded(answer.query)}, "params": {encoded(dict(answer.params))}, '
        f'"columns": {encoded(columns)}, "rows": ['
    )
    separator = "\n"
    for row in answer.rows:
        stream.write(separator + encoded(dict(zip(names, row, strict=True))))
        separator = ",\n"
    stream.write(
        f'], "truncated": {encoded(answer.truncated)}, "notes": {encoded(list(answer.notes))}}}\n'
    )
