"""Owns stdout and stderr: data on the one, everything else on the other, in the format asked for.

The only module that writes to them; never decides what is said.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import textwrap
from itertools import chain
from typing import TYPE_CHECKING, Literal, TextIO

from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spotify_hist.analytics.answers import Answer, Column
    from spotify_hist.errors import SpotifyHistError
    from spotify_hist.faces.cli.tables import Drawing

Format = Literal["table", "json", "ndjson", "csv", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "json", "ndjson", "csv", "markdown")
_MARKDOWN = re.compile(r"([\\`*_|<\[])")


class Output:
    """Where a command says things. `quiet` keeps notes back, never errors."""

    def __init__(self, *, verbose: int = 0, quiet: bool = False, log_json: bool = False) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self._log_json = log_json

    def line(self, text: str = "") -> None:
        """One line of data on stdout, at once; a paragraph where `text` has line breaks."""
        sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
        sys.stdout.flush()

    def json(self, value: object) -> None:
        """One JSON document on stdout."""
        self.line(_encoded(value, sys.stdout))

    def note(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Something worth knowing, on stderr."""
        if even_if_quiet or not self.quiet:
            self._say("info", text)

    def warning(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Something the person has to do soon, on stderr."""
        if even_if_quiet or not self.quiet:
            self._say("warning", f"Warning: {text}")

    def ask(self, question: str) -> str:
        """A question on stderr, and the line that is typed; '' where nobody answers."""
        sys.stderr.write(printable(question))
        sys.stderr.flush()
        return sys.stdin.readline()

    def detail(self, text: str) -> None:
        """Something only -v asks for, on stderr."""
        if self.verbose and not self.quiet:
            self._say("debug", text)

    @property
    def tells_events(self) -> bool:
        """Whether `event` says anything: with -v, and in a log that a program reads."""
        return (self.verbose > 0 or self._log_json) and not self.quiet

    def event(self, text: str, fields: Mapping[str, object]) -> None:
        """One thing of many that happened, on stderr: a line, or its fields in a JSON log."""
        if not self.tells_events:
            return
        if self._log_json:
            sys.stderr.write(_encoded({"level": "info", **fields}, sys.stderr) + "\n")
            sys.stderr.flush()
        else:
            self._say("info", text)

    def error(self, error: SpotifyHistError, *, as_json: bool = False) -> None:
        """A failure and its next step, on stderr."""
        if as_json or self._log_json:
            sys.stderr.write(_encoded({"error": error.as_dict()}, sys.stderr) + "\n")
        else:
            _write_wrapped(f"Error: {error.message} {error.hint}".rstrip(), sys.stderr)
        sys.stderr.flush()

    def trace(self, text: str) -> None:
        """Where the program broke, on stderr, for a report."""
        if self._log_json:
            self._say("error", text)
        else:
            sys.stderr.write(text)

    def answer(self, answer: Answer, form: Format, timezone: str) -> None:
        """An answer of the catalogue in the form asked for; its notes go to stderr as well."""
        if form == "json":
            _write_json(answer, sys.stdout)
        elif form == "table":
            from spotify_hist.faces.cli.tables import draw

            self._draw(draw(answer, timezone, is_terminal=sys.stdout.isatty()))
        else:
            names = [column.name for column in answer.columns]
            self.rows(names, answer.rows, form)
        sys.stdout.flush()
        if form != "json":
            for note in answer.notes:
                self.note(f"Note: {note}")
            if answer.truncated:
                self.note("Note: there are more rows; ask for them with --limit or --offset.")

    def table(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[object]],
        timezone: str,
        spare: Sequence[str] = (),
    ) -> None:
        """Rows that are no answer of the catalogue, as a table (see `tables.draw_listing`)."""
        from spotify_hist.faces.cli.tables import draw_listing

        is_terminal = sys.stdout.isatty()
        self._draw(draw_listing(columns, rows, timezone, is_terminal=is_terminal, spare=spare))

    def rows(self, names: Sequence[str], rows: Iterable[Sequence[object]], form: Format) -> None:
        """Plain rows as ndjson, csv or markdown."""
        if form == "ndjson":
            for row in rows:
                text = _encoded(dict(zip(names, row, strict=True)), sys.stdout)
                sys.stdout.write(text + "\n")
        elif form == "csv":
            # A file keeps every character; a terminal must not be steered by one.
            shown = printable if sys.stdout.isatty() else str
            for row in chain([names], rows):
                sys.stdout.write(",".join(_csv_cell(shown(_flat(value))) for value in row) + "\n")
        else:
            sys.stdout.write("| " + " | ".join(names) + " |\n")
            sys.stdout.write("|" + " --- |" * len(names) + "\n")
            for row in rows:
                cells = (_MARKDOWN.sub(r"\\\1", printable(_flat(value))) for value in row)
                sys.stdout.write("| " + " | ".join(cells) + " |\n")

    def mapping(self, values: Mapping[str, object]) -> None:
        """Names and values, one a line, aligned; on a terminal long values are wrapped."""
        width = max((len(name) for name in values), default=0)
        for name, value in values.items():
            _write_wrapped(f"{name:<{width}}  {_flat(value)}", sys.stdout, " " * (width + 2))
        sys.stdout.flush()

    def _draw(self, drawing: Drawing) -> None:
        sys.stdout.write(drawing.text)
        sys.stdout.flush()
        if drawing.left_out:
            left_out = ", ".join(drawing.left_out)
            self.note(f"Note: too narrow for {left_out}; other formats show every column.")

    def _say(self, level: str, text: str) -> None:
        if self._log_json:
            record = _encoded({"level": level, "message": text}, sys.stderr)
            sys.stderr.write(record + "\n")
        else:
            _write_wrapped(text, sys.stderr)
        sys.stderr.flush()


def _write_wrapped(text: str, stream: TextIO, indent: str = "") -> None:
    """A paragraph: one line in a file, lines as wide as the terminal there."""
    text = printable(text).rstrip()
    if stream.isatty():
        width = max(shutil.get_terminal_size().columns, len(indent) + 20)
        wrapper = textwrap.TextWrapper(
            width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        text = wrapper.fill(text)
    stream.write(text + "\n")


def _encoded(value: object, stream: TextIO) -> str:
    """`value` as one line of JSON; what the stream or a terminal cannot take is escaped."""
    is_unicode = (stream.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(value, ensure_ascii=not is_unicode, default=str)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def silence_broken_pipe() -> None:
    """Let Python close stdout quietly after the reader of a pipe has gone."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def write_any_text() -> None:
    """Let a name that stdout or stderr has no letters for be written escaped, not be an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flat(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(_flat, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _csv_cell(text: str) -> str:
    """RFC 4180; the csv module of Python 3.11 leaves a lone carriage return bare."""
    if any(char in text for char in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_json(answer: Answer, stream: TextIO) -> None:
    """The JSON of `Answer.as_dict`, row by row: a million rows need no second copy."""
    names = [column.name for column in answer.columns]
    columns = [{"name": each.name, "type": each.type} for each in answer.columns]

    def encoded(value: object) -> str:
        return _encoded(value, stream)

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
