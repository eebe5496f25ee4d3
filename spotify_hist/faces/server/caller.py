"""Owns who is asking: what their token reaches, and whose plays alone they may see.

Never reads a header and never looks at a token; `access` tells who presented one.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from spotify_hist.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotify_hist.analytics.params import Param
    from spotify_hist.faces.server.tokens import Reach


class Askable(Protocol):
    """What is looked at of a tool."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> tuple[Param, ...]: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. `name` is the token's, None where there is none; `listener` the only one whose
    plays they see, None for all."""

    name: str | None = None
    reach: Reach = "tools"
    listener: str | None = None
    token_id: str | None = None

    def arguments(
        self, tool: Askable, given: Mapping[str, object], default: str | None
    ) -> dict[str, object]:
        """What the tool is asked with: `user` is the caller's own listener, else the one given,
        else `default`. Raises NotAllowed where more than the caller's own plays are asked for.
        """
        takes_user = any(param.name == "user" for param in tool.params)
        arguments = dict(given)
        if self.listener is None:
            if takes_user and default is not None and arguments.get("user") is None:
                arguments["user"] = default
            return arguments
        # Only a question of the catalogue is known to look at one listener; whatever else there
        # is, or may come, is not for such a token.
        query = getattr(tool, "query", None)
        if query is None or query.is_household or not takes_user:
            raise NotAllowed(
                f"This token is for the listener '{self.listener}' alone, and '{tool.name}' tells "
                "of more than their plays."
            )
        wanted = arguments.get("user")
        if wanted is not None and wanted != self.listener:
            raise NotAllowed(
                f"This token is for the listener '{self.listener}' alone.",
                hint=f"Leave 'user' out, or give '{self.listener}'.",
            )
        return {**arguments, "user": self.listener}


ANYBODY = Caller()

# Who asks what is being worked on. The guard sets it for every request that it lets pass; where it
# is not set the app refuses, so that a way around the guard leads nowhere.
present: ContextVar[Caller] = ContextVar("caller")
