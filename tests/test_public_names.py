"""What others build on stays: every public name is listed, and what is listed is there."""

from __future__ import annotations

import pytest
from public_names import LIST, everything, listed


@pytest.fixture(scope="module")
def found() -> set[str]:
    """The names that the program has now."""
    return everything()


def test_every_listed_name_is_still_there(found: set[str]) -> None:
    """Scripts, units, assistants and pages of other people use these."""
    assert sorted(listed() - found) == []


def test_every_name_is_listed(found: set[str]) -> None:
    """A new one is a promise: `python -m tests.public_names > tests/public_names.txt`."""
    assert sorted(found - listed()) == []


def test_the_list_is_sorted_and_names_nothing_twice() -> None:
    """So that two additions at the same time meet in different lines."""
    lines = LIST.read_text(encoding="utf-8").splitlines()

    assert lines == sorted(set(lines))
