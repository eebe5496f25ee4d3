"""Owns `tracks` and `artists`: which ids count as one, as a listener wants it, and back again.

Never changes a play: `store.identity` keeps what is said here as rules of their own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import NoHistory, UsageError
from spotify_hist.faces.cli import listing
from spotify_hist.model import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format
    from spotify_hist.store.database import Connection


@dataclass(frozen=True, slots=True)
class _Entity:
    """What a group of commands is about, and what a version of it is called in a list."""

    name: str
    example: str
    fields: tuple[str, ...]


_TRACK = _Entity("track", "'Title - Artist'", ("id", "title", "artist", "album", "isrc"))
_ARTIST = _Entity("artist", "'Name'", ("id", "name"))


@contextmanager
def looking(app: App, *, is_raw: bool = False) -> Iterator[Connection]:
    """The history with the views that names are looked up in; `is_raw`: every id for itself."""
    from spotify_hist.analytics import scope
    from spotify_hist.analytics.scope import Scope
    from spotify_hist.store import listeners

    with app.database.read() as connection:
        known = listeners.listeners(connection)
        if not known:
            raise NoHistory("The history holds no listener yet.")
        user_id = known[0].user_id
        if app.user is not None:
            found = listeners.find_listener(connection, app.user)
            user_id = found.user_id if found else user_id
        everything = Scope.everything(user_id, app.now(), is_raw=is_raw)
        scope.make(connection, everything, wants_estimates=False)
        yield connection


def _found(app: App, entity: _Entity, text: str, *, is_raw: bool = False) -> tuple[str, str]:
    from spotify_hist.analytics.lookup import meant

    with looking(app, is_raw=is_raw) as connection:
        return meant(connection, entity.name, text)


def _merge(app: App, entity: _Entity, into: str, others: tuple[str, ...]) -> None:
    from spotify_hist.store import identity

    into_id, into_name = _found(app, entity, into)
    found = [_found(app, entity, other) for other in others]
    if all(id_ == into_id for id_, _ in found):
        raise UsageError(
            f"They count as one already: {into_name}.",
            hint=f"See 'spotify-hist {entity.name}s list {entity.example}'.",
        )
    with app.database.write(f"{entity.name}s merge") as connection:
        identity.join(connection, entity.name, into_id, [id_ for id_, _ in found], app.now())
    names = ", ".join(f"'{name}'" for id_, name in found if id_ != into_id)
    app.out.note(f"{names} now counts as '{into_name}', before and from now on.")


def _split(app: App, entity: _Entity, text: str) -> None:
    from spotify_hist.store import identity

    id_, name = _found(app, entity, text, is_raw=True)
    with app.database.write(f"{entity.name}s split") as connection:
        identity.part(connection, entity.name, id_, app.now())
    app.out.note(f"'{name}' ({id_}) now counts for itself.")


def _reset(app: App, entity: _Entity, text: str) -> None:
    from spotify_hist.store import identity

    id_, name = _found(app, entity, text, is_raw=True)
    with app.database.write(f"{entity.name}s reset") as connection:
        was_said = identity.reset(connection, entity.name, id_)
    if was_said:
        app.out.note(f"What was said about '{name}' ({id_}) is taken back.")
    else:
        app.out.note(f"Nothing was said about '{name}' ({id_}).")


def _list_versions(app: App, entity: _Entity, text: str, form: str) -> None:
    from spotify_hist.analytics.lookup import meant
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import identity

    with looking(app) as connection:
        id_, _ = meant(connection, entity.name, text)
        rows = identity.versions(connection, entity.name, id_)
    found = listing.Listing(
        name="versions",
        fields=entity.fields,
        objects=[dict(zip(entity.fields, row, strict=True)) for row in rows],
        columns=tuple(
            Column(name, "word" if name in {"id", "isrc"} else "text") for name in entity.fields
        ),
        rows=rows,
        empty="Nothing.",
        spare=("isrc",),
    )
    listing.tell(app.out, found, cast("Format", form), "UTC")


def _list_rules(app: App, entity: _Entity, form: str) -> None:
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import identity, listeners

    with looking(app) as connection:
        rules = identity.rules(connection, entity.name)
        known = listeners.listeners(connection)
    fields = ("id", "name", "into_id", "into_name", "made_at")
    rows = [(each.id, each.name, each.into_id, each.into_name, iso(each.made_at)) for each in rules]
    found = listing.Listing(
        name="rules",
        fields=fields,
        objects=[dict(zip(fields, row, strict=True)) for row in rows],
        columns=(
            Column(entity.name, "text"),
            Column("id", "word"),
            Column("counts_as", "text"),
            Column("made_at", "timestamp"),
        ),
        rows=[
            (name, id_, "itself alone" if into_id is None else into_name or into_id, made_at)
            for id_, name, into_id, into_name, made_at in rows
        ],
        empty=f"No {entity.name}s are merged or split by hand.",
        spare=("id",),
    )
    zone = listing.timezone_of(app.settings, known, None)
    listing.tell(app.out, found, cast("Format", form), zone)


def _group(entity: _Entity, summary: str) -> click.Group:
    """The four commands about one kind of thing."""
    group = click.Group(f"{entity.name}s", help=summary)
    shown = entity.name.upper()

    @group.command(help=f"Let each OTHER count as {shown}. Give names, Spotify ids or URIs.")
    @click.argument("into", metavar=shown)
    @click.argument("others", metavar="OTHER...", nargs=-1, required=True)
    @click.pass_obj
    def merge(app: App, into: str, others: tuple[str, ...]) -> None:
        _merge(app, entity, into, others)

    @group.command(help=f"Let one id of a {entity.name} count for itself; 'list' shows the ids.")
    @click.argument("text", metavar=shown)
    @click.pass_obj
    def split(app: App, text: str) -> None:
        _split(app, entity, text)

    @group.command(help=f"Take back what 'merge' or 'split' said about a {entity.name}.")
    @click.argument("text", metavar=shown)
    @click.pass_obj
    def reset(app: App, text: str) -> None:
        _reset(app, entity, text)

    @group.command(
        "list", help=f"Show what was merged and split, or every id that counts as {shown}."
    )
    @click.argument("text", metavar=f"[{shown}]", required=False)
    @listing.format_option
    @click.pass_obj
    def list_(app: App, text: str | None, form: str) -> None:
        if text is None:
            _list_rules(app, entity, form)
        else:
            _list_versions(app, entity, text, form)

    return group


tracks = _group(_TRACK, "Which ids count as one track: one song on several albums.")
artists = _group(_ARTIST, "Which names and ids count as one artist.")
