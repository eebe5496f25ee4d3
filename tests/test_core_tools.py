"""The core set: marked in the questions' headers, documented, and quick to describe."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from spotify_hist.analytics import catalogue, describing, header
from spotify_hist.faces.server import tools

PAGE = Path(__file__).parent.parent / "docs" / "assistants.md"
QUESTION = """\
-- name: some
-- summary: Some plays.
-- grain: one row per play
{core}-- uses: user
-- column track: The track.
select 'a' as track
"""


def test_a_header_says_whether_a_question_is_a_core_one() -> None:
    """By one line, or by none."""
    assert header.parse(QUESTION.format(core="-- core: yes\n"), "some.sql").is_core
    assert not header.parse(QUESTION.format(core=""), "some.sql").is_core
    with pytest.raises(ValueError, match=r"some\.sql: core is 'yes' or left out: no"):
        header.parse(QUESTION.format(core="-- core: no\n"), "some.sql")


def test_the_core_tools_are_about_fifteen_and_each_is_documented() -> None:
    """The page for people has them all, and calls nothing else a core tool."""
    core = {tool.name for tool in tools.all_tools() if tool.is_core and not tool.is_live}
    assert 12 <= len(core) <= 18
    table = PAGE.read_text(encoding="utf-8").partition("| for | tools |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == core


def test_the_questions_are_described_from_one_empty_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many there are: the first list of tools must not keep an assistant waiting."""
    opened: list[str] = []
    connect = duckdb.connect

    def counted(path: str) -> duckdb.DuckDBPyConnection:
        opened.append(path)
        return connect(path)

    monkeypatch.setattr(describing, "_known", {})
    monkeypatch.setattr(duckdb, "connect", counted)
    queries = catalogue.all_queries()
    found = describing.describe_all(queries)
    assert opened == [":memory:"]
    assert found == [describing.describe(query) for query in queries]
    assert opened == [":memory:"]
    assert [[column.name for column in columns] for columns in found] == [
        list(query.columns) for query in queries
    ]
