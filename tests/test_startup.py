"""Start-up is short because heavy modules are imported only by the commands that need them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXPORT = Path(__file__).parent.parent / "examples" / "extended" / "my_spotify_data.zip"

# What no question needs: the network, validation, secrets, the server, the row-by-row reader.
NEVER = {
    "cryptography", "httpx", "ijson", "jinja2", "mcp", "pydantic", "starlette", "uvicorn",
}  # fmt: skip
NO_DATABASE = NEVER | {"duckdb", "rich"}

_PROBE = """
import json, sys
from spotify_hist.faces.cli.main import run
code = run(sys.argv[1:])
names = sorted({name.partition(".")[0] for name in sys.modules})
sys.stderr.write("\\n" + json.dumps([int(code), names]))
"""


def _modules_after(*arguments: str) -> set[str]:
    """The top-level modules a clean interpreter holds once the command has done its work."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PROBE, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert done.stdout != ""
    return set(names)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A home with a small imported history."""
    path = str(tmp_path_factory.mktemp("home"))
    _modules_after("--home", path, "import", str(EXPORT))
    return path


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["query", "--list"], ["query", "--help"]], ids=" ".join
)
def test_what_only_lists_imports_neither_database_nor_tables(arguments: list[str]) -> None:
    """The version, help and the list of questions need no DuckDB and no rich."""
    assert _modules_after(*arguments) & NO_DATABASE == set()


def test_a_question_imports_the_database_and_nothing_of_network_or_server(home: str) -> None:
    """A table needs the database, and none of the modules that cost as much again."""
    modules = _modules_after("--home", home, "query", "top-artists")
    assert modules & NEVER == set()
    assert "duckdb" in modules


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "markdown"])
def test_a_question_for_a_program_draws_no_table(home: str, form: str) -> None:
    """rich is for the table alone."""
    modules = _modules_after("--home", home, "query", "top-artists", "--format", form)
    assert modules & (NEVER | {"rich"}) == set()


def test_free_sql_leaves_the_database_to_the_process_that_runs_it(home: str) -> None:
    """Whoever only waits for rows opens nothing, so that two start-ups cost no more than one."""
    modules = _modules_after("--home", home, "query", "sql", "select 1", "--format", "json")
    assert modules & NO_DATABASE == set()


def test_an_import_never_loads_the_network(tmp_path: Path) -> None:
    """An import needs no account and no network (FACTS 10.1), so not their modules either."""
    modules = _modules_after("--home", str(tmp_path), "import", str(EXPORT))
    assert modules & (NEVER - {"ijson"}) == set()
