"""Owns finding what a listener means by a name, id or URI: an artist, a track or an album.

Never guesses: a name that fits nothing is refused with the nearest ones.
"""

from __future__ import annotations

import re
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

from spotify_hist.analytics import scope
from spotify_hist.errors import UsageError
from spotify_hist.store import listeners, reconcile
from spotify_hist.store.kept_open import once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotify_hist.analytics.header import Query
    from spotify_hist.analytics.params import Value
    from spotify_hist.store.database import Connection

_ENTITIES = ("artist", "track", "album")
_LONGEST = 300
# The id at the end of a URI (spotify:artist:…) or of a link (https://open.spotify.com/artist/…?si=…).
_ID = re.compile(r"((?:local:)?[^:/?]+)(?:\?.*)?$")


def looked_in(query: Query) -> str:
    """The views that `found` looks in; empty where the question names nothing to find."""
    return "kept_plays v_tracks" if any(param.type in _ENTITIES for param in query.params) else ""


def found(
    connection: Connection, query: Query, values: Mapping[str, Value], user_id: int | None = None
) -> tuple[dict[str, Value], dict[str, Value]]:
    """(the ids that are bound, the names that are shown) of the artists, tracks and albums among
    `values`, which the listener played (None: any listener).

    Of several that have the name given, the most played is meant. A track or album may be given as
    "title - artist". Raises what `meant` raises.
    """
    ids: dict[str, Value] = {}
    names: dict[str, Value] = {}
    for param in query.params:
        text = values.get(param.name)
        if param.type in _ENTITIES and text is not None:
            ids[param.name], names[param.name] = meant(connection, param.type, str(text), user_id)
    return ids, names


def _heard(connection: Connection, user_id: int | None) -> str:
    """What makes the view that names are looked up in. Those who share a history need not know
    what the others heard, not even as "Did you mean"."""
    heard = "create or replace temp view heard_tracks as select * from v_tracks"
    if user_id is None or len(listeners.listeners(connection)) < 2:
        return heard
    played = f"select track_id from plays where user_id = {user_id:d}"  # noqa: S608 - a number
    return f"{heard} where told_id in ({played})"


def meant(
    connection: Connection, entity: str, text: str, user_id: int | None = None
) -> tuple[str, str]:
    """(id, name) of the artist, track or album that a text means, among what `scope.make` shows and
    the listener played (None: any listener).

    UsageError names the nearest ones where there is none.
    """
    named = _ID.search(text)
    given = {"given": text[:_LONGEST], "id": named[1] if named else text[:_LONGEST]}
    once(connection, "name_key", partial(reconcile.prepare, connection))  # compares names
    scope.put(connection, "heard_tracks", _heard(connection, user_id))
    candidates = dict(connection.execute(_statement(entity), given).fetchall())
    if candidates:
        id_ = _most_played(connection, entity, list(candidates))
        return id_, candidates[id_]
    near = connection.execute(_statement(f"{entity}_near"), {"given": given["given"]}).fetchall()
    hint = "Did you mean " + " or ".join(f"'{name}'" for (name,) in near) + "?"
    raise UsageError(
        f"No {entity} called '{text[:80]}' was ever played.",
        hint=hint if near else "Look for it with the question 'search'.",
        code="not_found",
    )


def _most_played(connection: Connection, entity: str, ids: Sequence[str]) -> str:
    """The one of several ids, in order, that kept plays are of most often."""
    if len(ids) == 1:
        return ids[0]
    # Told one by one, they are looked for while the plays are read.
    counted = connection.execute(
        f"select {entity}_id from kept_plays "  # noqa: S608 - one of three words
        f"where {entity}_id in ({', '.join('?' * len(ids))}) "
        f"group by {entity}_id order by count(*) desc, {entity}_id limit 1",
        ids,
    ).fetchone()
    return str(counted[0]) if counted else ids[0]


@cache
def _statement(name: str) -> str:
    return (
        resources.files("spotify_hist.analytics.lookups").joinpath(f"{name}.sql").read_text("utf-8")
    )
