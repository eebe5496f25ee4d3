"""A disk that fails while an import works is told in one line, whoever met it; nothing is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from conftest import NOW
from every_table import everything
from export_files import EXTENDED, make_zip

from spotify_hist.collect import unpacking
from spotify_hist.collect.imports import import_paths
from spotify_hist.errors import BadInput, SpotifyHistError, StorageFull

if TYPE_CHECKING:
    from spotify_hist.settings import Settings
    from spotify_hist.store.database import Database


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A ZIP with one play."""
    return make_zip(tmp_path / "my_spotify_data.zip", {"MyData/endsong_0.json": EXTENDED})


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, BadInput), (errno.ENOSPC, StorageFull)], ids=["EIO", "ENOSPC"]
)
def test_what_goes_wrong_while_unpacking_is_told_as_anything_else(
    settings: Settings,
    database: Database,
    export: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[SpotifyHistError],
) -> None:
    """The thread that unpacks has no person to speak to; its error ends the import."""
    import_paths(settings, database, lambda: NOW, [export])
    with database.read() as connection:
        before = everything(connection)

    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(unpacking, "_unpack", fail)
    with pytest.raises(kind) as caught:
        import_paths(settings, database, lambda: NOW, [export], keep_private=True)

    assert type(caught.value) is kind
    assert str(settings.scratch) in caught.value.message
    assert "run the same command again" in caught.value.hint
    assert list(settings.scratch.iterdir()) == []
    with database.read() as connection:
        assert everything(connection) == before


def test_what_cannot_be_removed_does_not_undo_what_is_done(
    settings: Settings, database: Database, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scratch database goes away after the merge; the next import removes what is left."""
    unlink = Path.unlink

    def fail(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("scratch.duckdb"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        receipt = import_paths(settings, database, lambda: NOW, [export])
    again = import_paths(settings, database, lambda: NOW, [export])

    assert (receipt.new, again.duplicate) == (1, 1)
    assert list(settings.scratch.iterdir()) == []
