"""The removal of a listener, and exports, as commands that are swept with faults.

Never injects a fault; `strace_kit` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fault_stage import Said, Scenario, nothing
from fault_state import EXPORT

if TYPE_CHECKING:
    from fault_stage import Stage

_GONE = "There is no listener called 'bob'"
# A title that nobody but the listener who is removed has heard; DuckDB keeps it as it is.
_TITLE = "Zyxomma petiolatum"


def _live_together(stage: Stage) -> None:
    """A poll, and a second listener with plays of the same songs and one title of their own."""
    stage.log_in()
    stage.succeed("poll")
    stage.succeed(*stage.words("--user", "bob", "import", "{exports}/later.zip"))
    stage.succeed(*stage.words("--user", "bob", "import", "{exports}/bobs.jsonl"))
    assert _is_readable(stage)


def _is_readable(stage: Stage) -> bool:
    """Whether what only the second listener heard stands in any file of the history."""
    return any(_TITLE.encode() in path.read_bytes() for path in stage.home.glob("history.duckdb*"))


def _remove_again(stage: Stage) -> Said:
    """Remove who is not removed yet; then nothing of theirs may be left to read."""
    said = stage.run("users", "remove", "bob", "--yes")
    if said.code == 2 and _GONE in said.err:
        said = Said(0, "")
    if said.code == 0 and _is_readable(stage):
        return Said(1, "the removed listener's titles can still be read")
    return said


SCENARIOS = (
    Scenario(
        "remove",
        ("users", "remove", "bob", "--yes"),
        nothing,
        begin=_live_together,
        again=_remove_again,
        sample=2,
    ),
    Scenario(
        "export-duckdb",
        ("export", f"{{home}}/{EXPORT}", "--format", "duckdb", "--force"),
        nothing,
        begin=_live_together,
        sample=1,
    ),
    Scenario(
        "export-ndjson",
        ("export", f"{{home}}/{EXPORT}", "--format", "ndjson", "--force"),
        nothing,
        begin=_live_together,
        sample=1,
    ),
)
