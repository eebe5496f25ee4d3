"""Owns `ignore`: what is hidden from the questions, and back again.

Never deletes a play.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from spotify_hist.errors import UsageError
from spotify_hist.faces.cli import listing
from spotify_hist.faces.cli.identities import looking
from spotify_hist.model import KINDS

if TYPE_CHECKING:
    from spotify_hist.faces.cli.context import App
    from spotify_hist.faces.cli.output import Format

_FIELDS = ("rule_id", "listener", "entity", "id", "name")
_ENTITIES = ("artist", "track", "album", "context", "kind")


@click.group()
def ignore() -> None:
    """Hide things from the questions, without deleting a play. With --user NAME from that
    listener's questions alone."""


@ignore.command()
@click.argument("entity", type=click.Choice(_ENTITIES))
@click.argument("what")
@click.pass_obj
def add(app: App, entity: str, what: str) -> None:
    """Hide an artist, a track, an album (by name, id or URI), a context (a playlist's URI), or a
    kind."""
    from spotify_hist.store import ignoring, listeners

    id_, name = _meant(app, entity, what)
    with app.database.write("ignore add") as connection:
        listener = listeners.find_listener(connection, app.user) if app.user else None
        user_id = listener.user_id if listener else None
        is_new = ignoring.add(connection, user_id, entity, id_, name, app.now())
    whose = f" for '{app.user}'" if app.user else ""
    already = "" if is_new else " already"
    app.out.note(f"The {entity} '{name}' is hidden from the questions{whose}{already}.")


@ignore.command()
@click.argument("rule_id", type=int)
@click.pass_obj
def remove(app: App, rule_id: int) -> None:
    """Show again what the rule RULE_ID hides; 'ignore list' has the numbers."""
    from spotify_hist.store import ignoring

    with app.database.write("ignore remove") as connection:
        if not ignoring.remove(connection, rule_id):
            raise UsageError(
                f"There is no ignore rule {rule_id}.", hint="See 'spotify-hist ignore list'."
            )
    app.out.note(f"Rule {rule_id} is gone; what it hid is counted again.")


@ignore.command("list")
@listing.format_option
@click.pass_obj
def list_(app: App, form: str) -> None:
    """Show what is hidden, and from whom."""
    from spotify_hist.analytics.run import Column
    from spotify_hist.store import ignoring

    with app.database.read() as connection:
        rules = ignoring.rules(connection)
    rows = [(each.rule_id, each.listener, each.entity, each.id, each.name) for each in rules]
    found = listing.Listing(
        name="rules",
        fields=_FIELDS,
        objects=[dict(zip(_FIELDS, row, strict=True)) for row in rows],
        columns=(
            Column("rule", "integer"),
            Column("hides", "text"),
            Column("name", "text"),
            Column("from", "text"),
            Column("id", "word"),
        ),
        rows=[
            (rule_id, entity, name or id_, listener or "everybody", id_)
            for rule_id, listener, entity, id_, name in rows
        ],
        empty="Nothing is hidden.",
        spare=("id",),
    )
    listing.tell(app.out, found, cast("Format", form), "UTC")


def _meant(app: App, entity: str, what: str) -> tuple[str, str]:
    """(id, name) of what is to be hidden."""
    if entity == "kind":
        if what not in KINDS:
            raise UsageError(
                f"There is no kind called '{what}'.", hint="Kinds: " + ", ".join(KINDS) + "."
            )
        return what, what
    if entity == "context":
        if not what.startswith("spotify:"):
            raise UsageError(
                f"'{what}' is not a context.",
                hint="Give a URI such as spotify:playlist:…; 'query top-contexts' shows them.",
            )
        return what, what
    from spotify_hist.analytics.lookup import meant

    with looking(app) as connection:
        return meant(connection, entity, what)
