"""serve-tools as the official judges of MCP servers see it: conformance suite and inspector.

They need npm, so they are asked for by the variable SPOTIFY_HIST_CONFORMANCE: the folder that
tests/conformance/install.sh has installed them into.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import server_kit as kit

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent / "conformance"
VARIABLE = "SPOTIFY_HIST_CONFORMANCE"
# Read here: no test sees the program's variables of the developer's shell.
FOLDER = os.environ.get(VARIABLE)
# Checks that must pass: fewer means that scenarios were skipped or have gone.
LEAST_PASSED = {"2025-11-25": 37, "2026-07-28": 92}
VERSIONS = tuple(LEAST_PASSED)


@pytest.fixture(scope="module")
def judges() -> Path:
    """The folder with the judges."""
    if not FOLDER:
        pytest.skip(f"set {VARIABLE} to a folder made by tests/conformance/install.sh")
    if shutil.which("npm") is None and shutil.which("node") is None:
        pytest.skip("npm is not installed")
    installed = Path(FOLDER).absolute()
    assert (installed / "node_modules").is_dir(), f"run tests/conformance/install.sh {FOLDER}"
    return installed


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of sixty plays."""
    home = tmp_path_factory.mktemp("judged") / "home"
    kit.make_history(home)
    return home


@pytest.fixture(scope="module")
def served(judges: Path, home: Path) -> Iterator[kit.Served]:
    """A real server process; asked for after the judges, so that nothing starts without them."""
    with kit.serving(home, SPOTIFY_HIST_SERVER_RATE_PER_MINUTE="100000") as served:
        yield served


def judge(judges: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of them with the Node that came along, else with the system's."""
    nodes = sorted(judges.glob("node_modules/node-*/bin/node"))
    node = str(nodes[0]) if nodes else "node"
    return subprocess.run(
        [node, str(judges / "node_modules" / ".bin" / program), *arguments],
        env=kit.clean_environment(HOME=str(judges), NO_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_conformance_suite_finds_only_what_is_expected(
    version: str, judges: Path, served: kit.Served, tmp_path: Path
) -> None:
    """Every scenario of the version; each expected failure has its reason in the baseline."""
    done = judge(
        judges,
        "conformance",
        "server",
        *("--url", f"{served.url}/mcp", "--suite", "all", "--spec-version", version),
        *("--expected-failures", str(HERE / f"expected-{version}.yml"), "-o", str(tmp_path)),
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    total = re.search(r"Total: (\d+) passed", done.stdout)
    assert total is not None
    assert int(total[1]) >= LEAST_PASSED[version]


def inspect(judges: Path, *arguments: str) -> dict[str, Any]:  # results have many shapes
    """What the inspector's command line prints."""
    done = judge(judges, "mcp-inspector", "--cli", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout)
    assert isinstance(printed, dict)
    return printed


def test_the_inspector_finds_no_fault_in_the_tools(judges: Path, served: kit.Served) -> None:
    """Strictly: also what some providers of models would not take in a schema."""
    url = f"{served.url}/mcp"
    done = judge(judges, "mcp-inspector", "--cli", url, "--method", "tools/list", "--strict")
    assert done.returncode == 0
    assert "Error: tool" not in done.stderr
    assert "Warning: tool" not in done.stderr
    assert len(json.loads(done.stdout)["tools"]) > 10


def test_the_inspector_reads_resources_and_prompts(judges: Path, served: kit.Served) -> None:
    """Over HTTP, as any client does."""
    url = f"{served.url}/mcp"
    listed = inspect(judges, url, "--method", "resources/list")
    for resource in listed["resources"]:
        read = inspect(judges, url, "--method", "resources/read", "--uri", resource["uri"])
        assert read["contents"][0]["text"]
    for prompt in inspect(judges, url, "--method", "prompts/list")["prompts"]:
        needed = [each["name"] for each in prompt["arguments"] if each.get("required")]
        given = [word for name in needed for word in ("--prompt-args", f"{name}=Björk")]
        method = ("--method", "prompts/get", "--prompt-name", prompt["name"])
        assert inspect(judges, url, *method, *given)["messages"]


def test_the_inspector_calls_a_tool_over_stdio(judges: Path, home: Path) -> None:
    """A process of its own, started as assistants on this machine start it."""
    program = kit.command(home, "serve-tools", "--stdio")
    asked = ("--method", "tools/call", "--tool-name", "top_artists", "--tool-arg", "limit=2")
    answer = inspect(judges, *program, *asked)
    assert len(answer["structuredContent"]["rows"]) == 2
    assert answer["content"][0]["text"].startswith("rank\tartist")
