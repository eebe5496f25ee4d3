"""What the package imports is declared, with a floor that is tried and a ceiling where due."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spotify_hist"
# Declared and not imported: what stands below other libraries, and data.
NOT_IMPORTED = {
    "h11": "under httpx and uvicorn; its floor keeps a hole closed",
    "jinja2": "for the pages of the dashboard",
    "tzdata": "data, read by zoneinfo",
}
# Imported for types alone, which ship with the type checker.
NO_DISTRIBUTION = {"_typeshed"}
# The next major version of these is bound to break something.
MAJORS = {
    "anyio": 5, "click": 9, "duckdb": 3, "httpx": 1, "ijson": 4, "jinja2": 4, "mcp": 3,
    "mcp-types": 3, "pydantic": 3, "starlette": 2, "uvicorn": 1,
}  # fmt: skip
# Releases before these have holes that are known.
SAFE_SINCE = {"cryptography": (44, 0, 1), "jinja2": (3, 1, 6), "h11": (0, 16)}


def _script() -> ModuleType:
    """What .ci/run makes the constraints with."""
    spec = importlib.util.spec_from_file_location("floors", ROOT / ".ci" / "floors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLOORS: dict[str, str] = _script().floors()


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def _imported() -> set[str]:
    """The top-level modules of others that the package imports anywhere."""
    names: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"spotify_hist"} - NO_DISTRIBUTION


def test_every_library_that_is_imported_is_declared_and_no_other() -> None:
    """What another library happens to bring along may be gone with its next release."""
    brought_by = metadata.packages_distributions()
    imported = {re.sub(r"[-_.]+", "-", brought_by[module][0]).lower() for module in _imported()}
    assert imported == set(FLOORS) - set(NOT_IMPORTED)


def test_every_dependency_has_a_floor_that_is_no_later_than_what_is_installed() -> None:
    """And the form that the script for .ci/run reads."""
    for name, floor in FLOORS.items():
        assert _release(floor) <= _release(metadata.version(name)), name


def test_floors_leave_out_the_releases_with_known_holes() -> None:
    """Whoever installs the program must not get one of them."""
    for name, safe in SAFE_SINCE.items():
        assert _release(FLOORS[name]) >= safe


def test_a_ceiling_stands_where_a_major_version_is_leant_on() -> None:
    """A release of tomorrow must not break an installation of today; and no other ceiling keeps a
    mended release out."""
    script = _script()
    project = tomllib.loads(script.PROJECT.read_text(encoding="utf-8"))["project"]
    found = [script.FORM.fullmatch(text) for text in project["dependencies"]]
    ceilings = {each["name"]: int(each["ceiling"]) for each in found if each["ceiling"]}
    assert ceilings == MAJORS


def test_a_dependency_of_another_form_is_refused_by_name(tmp_path: Path) -> None:
    """Silence would leave it untried."""
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["click>=8.4", "rich~=13.9"]\n')
    with pytest.raises(ValueError, match=re.escape("rich~=13.9")):
        _script().floors(project)


def test_the_tests_that_run_on_the_floors_exist_and_use_what_matters() -> None:
    """Names in .ci/run that no file has would run nothing."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    names = {
        name
        for found in re.findall(r"tests/test_\{([\w,]+)\}\.py", script)
        for name in found.split(",")
    }
    assert names >= {"imports", "poll", "queries", "server_process", "startup", "vault", "walk"}
    assert [name for name in names if not (ROOT / "tests" / f"test_{name}.py").exists()] == []
