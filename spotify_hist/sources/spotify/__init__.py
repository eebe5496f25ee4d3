"""Spotify's Web API: login, tokens, requests, answers."""

import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

# httpx has a command line of its own and would import rich for it at every poll; it does without
# where that module cannot be imported.
sys.modules.setdefault("httpx._main", cast("ModuleType", None))
