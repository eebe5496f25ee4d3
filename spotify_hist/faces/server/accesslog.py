"""Owns the line that each request leaves: what was asked for by kind, never by whom or with what.

Never holds an address, a token, a header, a query or a path as it was sent (DESIGN 9.6).
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One request. `route` is the template of the path, '-' where there is no such route; `status`
    is None where the caller left before an answer; `token` is the name of the token."""

    method: str
    route: str
    status: int | None
    duration_ms: float
    bytes: int
    request_id: str
    token: str | None

    def text(self) -> str:
        """For a person who watches."""
        status = "gone" if self.status is None else self.status
        return (
            f"{self.method} {self.route} {status} {self.duration_ms:.0f} ms {self.bytes} bytes "
            f"{self.request_id} {self.token or '-'}"
        )


def write(line: Line) -> None:
    """Log the line: a text, and its fields for whoever writes JSON."""
    logger.info(line.text(), extra={"request": asdict(line)})
