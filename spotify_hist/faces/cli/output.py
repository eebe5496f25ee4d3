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
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Literal, TextIO

from spotify_hist.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from spotify_hist.analytics.answers import Answer, Column
    from spotify_hist.errors import Interrupted, SpotifyHistError
    from spotify_hist.faces.cli.tables import Drawing

Format = Literal["table", "json", "ndjson", "csv", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "json", "ndjson", "csv", "markdown")
_MARKDOWN = re.compile(r"([\\`*_|<\[])")


class _Stdout:
    """stdout as long as it takes anything: what it does not take is lost, and why is kept.

    `is_report` tells whether work is done that only has to be reported: it then goes on to its end.
    Otherwise the output is the work, and losing it raises the error.
    """

    def __init__(self, is_report: Callable[[], bool]) -> None:
        self._is_report = is_report

    @property
    def encoding(self) -> str:
        return sys.stdout.encoding or "ascii"

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
        except OSError as error:
            self._lose(error)

    def flush(self) -> None:
        try:
            sys.stdout.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        lost.append(error)
        silence_stdout()
        if not self._is_report():
            raise error


# Why stdout took no more in this process. There is one stdout.
lost: list[OSError] = []


class Output:
    """Where a command says things. `quiet` keeps notes back, never errors.

    What stderr does not take is nobody's to know: there is no other place to say it, and the work
    goes on.
    """

    def __init__(
        self,
        *,
        verbose: int = 0,
        quiet: bool = False,
        log_json: bool = False,
        is_report: Callable[[], bool] = lambda: False,
    ) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self._log_json = log_json
        self._stdout = _Stdout(is_report)

    def line(self, text: str = "") -> None:
        """One line of data on stdout, at once; a paragraph where `text` has line breaks."""
        self._stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
        self._stdout.flush()

    def json(self, value: object) -> None:
        """One JSON document on stdout."""
        self.line(_encoded(value, self._stdout.encoding))

    def note(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Something worth knowing, on stderr."""
        if even_if_quiet or not self.quiet:
            self._say("info", text)

    def warning(self, text: str, *, even_if_quiet: bool = False) -> None:
        """Something the person has to do soon, on stderr."""
        if even_if_quiet or not self.quiet:
            self._say("warning", f"Warning: {text}")

    def passing(self, beginning: str, end: str = "") -> bool:
        """A line on a terminal that the next one takes the place of, '' to take it away; whether
        there is a terminal to show it on. What is too much between its beginning and the last of
        its end is left out."""
        if self._log_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return False
        if not self.quiet:
            beginning, end = printable(beginning), printable(end)
            width = shutil.get_terminal_size().columns - 1
            if len(beginning) + len(end) > width:
                end = "…" + end[len(beginning) + len(end) - width + 1 :]
            _say("\r\x1b[K" + (beginning + end)[:width])
        return True

    def ask(self, question: str) -> str:
        """A question on stderr, and the line that is typed; '' where nobody answers."""
        _say(printable(question))
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
            _say(_encoded({"level": "info", **fields}, sys.stderr.encoding) + "\n")
        else:
            self._say("info", text)

    def error(self, error: SpotifyHistError, *, as_json: bool = False, about: str = "") -> None:
        """A failure and its next step, on stderr; `about` names whom it struck."""
        message = f"{about}: {error.message}" if about else error.message
        if as_json or self._log_json:
            # Half a character, of a name that is no UTF-8, is no JSON to strict readers.
            told = {
                key: printable(value) if isinstance(value, str) else value
                for key, value in (error.as_dict() | {"message": message}).items()
            }
            _say(_encoded({"error": told}, sys.stderr.encoding) + "\n")
        else:
            _say(_wrapped(f"Error: {message} {error.hint}".rstrip(), sys.stderr))

    def farewell(self, error: Interrupted, *, as_json: bool = False) -> None:
        """The one line of a command that was stopped, on stderr."""
        if as_json or self._log_json:
            self.error(error, as_json=as_json)
            return
        if sys.stderr.isatty():
            _say("\n")  # the terminal has shown ^C
        _say(_wrapped(f"{error.message} {error.hint}", sys.stderr))

    def trace(self, text: str) -> None:
        """Where the program broke, on stderr, for a report."""
        if self._log_json:
            self._say("error", text)
        else:
            _say(text)

    def answer(self, answer: Answer, form: Format, timezone: str) -> None:
        """An answer of the catalogue in the form asked for; its notes go to stderr as well."""
        if form == "json":
            _write_json(answer, self._stdout)
        elif form == "table":
            from spotify_hist.faces.cli.tables import draw

            self._draw(draw(answer, timezone, is_terminal=self._stdout.isatty()))
        else:
            names = [column.name for column in answer.columns]
            self.rows(names, answer.rows, form)
        self._stdout.flush()
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

        is_terminal = self._stdout.isatty()
        self._draw(draw_listing(columns, rows, timezone, is_terminal=is_terminal, spare=spare))

    def rows(self, names: Sequence[str], rows: Iterable[Sequence[object]], form: Format) -> None:
        """Plain rows as ndjson, csv or markdown."""
        stdout = self._stdout
        if form == "ndjson":
            for row in rows:
                text = _encoded(dict(zip(names, row, strict=True)), stdout.encoding)
                stdout.write(text + "\n")
        elif form == "csv":
            # A file keeps every character; a terminal must not be steered by one.
            shown = printable if stdout.isatty() else str
            for row in chain([names], rows):
                stdout.write(",".join(_csv_cell(shown(_flat(value))) for value in row) + "\n")
        else:
            # SQL may name a column anything.
            headings = (name if name.isidentifier() else _in_markdown(name) for name in names)
            stdout.write("| " + " | ".join(headings) + " |\n")
            stdout.write("|" + " --- |" * len(names) + "\n")
            for row in rows:
                stdout.write("| " + " | ".join(map(_in_markdown, row)) + " |\n")
        stdout.flush()

    def mapping(self, values: Mapping[str, object]) -> None:
        """Names and values, one a line, aligned; on a terminal long values are wrapped."""
        width = max((len(name) for name in values), default=0)
        for name, value in values.items():
            text = f"{name:<{width}}  {_flat(value)}"
            self._stdout.write(_wrapped(text, sys.stdout, " " * (width + 2)))
        self._stdout.flush()

    def sentence(self, text: str) -> None:
        """One line of data on stdout, wrapped on a terminal."""
        self._stdout.write(_wrapped(text, sys.stdout))
        self._stdout.flush()

    def _draw(self, drawing: Drawing) -> None:
        self._stdout.write(drawing.text)
        self._stdout.flush()
        if drawing.left_out:
            left_out = ", ".join(drawing.left_out)
            self.note(f"Note: too narrow for {left_out}; other formats show every column.")

    def _say(self, level: str, text: str) -> None:
        if self._log_json:
            _say(_encoded({"level": level, "message": text}, sys.stderr.encoding) + "\n")
        else:
            _say(_wrapped(text, sys.stderr))


def _say(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _wrapped(text: str, stream: TextIO, indent: str = "") -> str:
    """A paragraph: one line in a file, lines as wide as the terminal there."""
    text = printable(text).rstrip()
    if stream.isatty():
        width = max(shutil.get_terminal_size().columns, len(indent) + 20)
        wrapper = textwrap.TextWrapper(
            width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        text = wrapper.fill(text)
    return text + "\n"


def _encoded(value: object, encoding: str | None) -> str:
    """`value` as one line of JSON; what the encoding or a terminal cannot take is escaped."""
    is_unicode = (encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(value, ensure_ascii=not is_unicode, default=str)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def flush_stdout() -> None:
    """Write what is still kept back. Raises OSError, kept in `lost` too."""
    try:
        sys.stdout.flush()
    except OSError as error:
        lost.append(error)
        silence_stdout()
        raise


def silence_stdout() -> None:
    """Let what is still said go nowhere, and Python close stdout quietly at the end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def take_any_text() -> None:
    """Let a name that stdout or stderr has no letters for be written escaped, and what is typed in
    no known letters be read, instead of being errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")


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


def _in_markdown(value: object) -> str:
    return _MARKDOWN.sub(r"\\\1", printable(_flat(value)))


def _csv_cell(text: str) -> str:
    """RFC 4180; the csv module of Python 3.11 leaves a lone carriage return bare."""
    if any(char in text for char in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_json(answer: Answer, stream: _Stdout) -> None:
    """The JSON of `Answer.as_dict`, row by row: a million rows need no second copy."""
    names = [column.name for column in answer.columns]
    columns = [{"name": each.name, "type": each.type} for each in answer.columns]

    def encoded(value: object) -> str:
        return _encoded(value, stream.encoding)

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
