"""Copies of shard files in a folder that all processes share: a take-over is a copy and the partition's tail.

A copy is named after its shard and the offset that its partition goes on at: ``shard-0003.81422.db``. It
appears whole or not at all, and is checked before it is used.
"""

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from flows.sqlite_shard import SCHEMA_VERSION, SqliteShard

KEPT: Final = 2
"""Copies of each shard: if one is damaged there is another, which only takes longer to catch up."""
ABANDONED_S: Final = 3_600.0
"""A copy that was begun so long ago belongs to a process that died."""

_NAME: Final = re.compile(r"shard-(\d{4,})\.(\d+)\.db")
_PARTIAL: Final = ".partial"

_log = structlog.get_logger(__name__)


class SnapshotError(Exception):
    """A copy could not be made; the message says of what, and why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a shard file: its log ends with ``position``, its partition goes on at ``offset``."""

    shard: int
    position: int
    offset: int
    path: Path


class SnapshotFolder:
    """Saves and restores shard files.

    Parameters
    ----------
    path
        The folder; made at the first :meth:`save`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, shard: int, file: Path) -> Snapshot:
        """Copy a shard file that may be written meanwhile; older copies beyond the last two go.

        Raises
        ------
        SnapshotError
            When the file can't be read or the folder not written.
        """
        partial = self.path / f".shard-{shard:04d}.{uuid4().hex}{_PARTIAL}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _copy_live(file, partial)
            made = _look(shard, partial)
            _sync(partial)
            final = self.path / f"shard-{shard:04d}.{made.offset}.db"
            partial.replace(final)
            _sync(self.path)
        except (OSError, sqlite3.Error, _UnusableError) as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise SnapshotError(f"{file}: no copy could be made in {self.path}: {error}") from None
        self._clear(shard, made.offset)
        return Snapshot(shard, made.position, made.offset, final)

    def newest(self, shard: int) -> Snapshot | None:
        """The copy with the most in it, of those that can be read."""
        for offset, path in self._copies(shard):
            try:
                return _sound(shard, offset, path)
            except (OSError, sqlite3.Error, _UnusableError) as error:
                _log.warning("snapshot_skipped", path=str(path), reason=str(error))
        return None

    def restore(self, shard: int, to: Path) -> Snapshot | None:
        """Put the newest sound copy in the place of ``to``, which nobody may have open.

        Returns None, and leaves ``to`` as it is, where there is none.

        Raises
        ------
        OSError
            When ``to`` can't be written.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = to.with_name(f".{to.name}.{uuid4().hex}{_PARTIAL}")
        try:
            for offset, path in self._copies(shard):
                try:
                    shutil.copyfile(path, partial)
                    found = _sound(shard, offset, partial)
                    _check_pages(partial)
                except (FileNotFoundError, sqlite3.Error, _UnusableError) as error:
                    _log.warning("snapshot_skipped", path=str(path), reason=str(error))
                else:
                    _put(partial, to)
                    return Snapshot(shard, found.position, offset, to)
        finally:
            partial.unlink(missing_ok=True)
        return None

    def _copies(self, shard: int) -> Iterator[tuple[int, Path]]:
        """Offsets and files of a shard's copies, newest first."""
        found = []
        for path in self.path.glob("shard-*.db"):
            name = _NAME.fullmatch(path.name)
            if name is not None and int(name[1]) == shard:
                found.append((int(name[2]), path))
        yield from sorted(found, reverse=True)

    def _clear(self, shard: int, offset: int) -> None:
        """Remove what is older than the last two up to an offset; newer ones are of who knows better."""
        old = [path for at, path in self._copies(shard) if at <= offset][KEPT:]
        long_ago = time.time() - ABANDONED_S
        for path in self.path.glob(f".shard-{shard:04d}.*{_PARTIAL}"):
            with suppress(OSError):
                if path.stat().st_mtime < long_ago:
                    old.append(path)
        for path in old:
            with suppress(OSError):  # another process was faster
                path.unlink()


class _UnusableError(Exception):
    """The file is not what its name says."""


def _copy_live(file: Path, to: Path) -> None:
    with (
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)) as live,
        closing(sqlite3.connect(to)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")  # it is made durable as a whole
        # All pages at once are one read transaction: a writer goes on beside it, and the copy holds none of
        # that. It takes half as long as VACUUM INTO, which sorts what a file of ours has in order.
        live.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _look(shard: int, path: Path) -> Snapshot:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise _UnusableError(f"schema version {version}; this version of Tapwatch opens {SCHEMA_VERSION}")
    with closing(SqliteShard.open_reader(path)) as copy:
        return Snapshot(shard, copy.end, copy.offset_at(copy.end), path)


def _sound(shard: int, offset: int, path: Path) -> Snapshot:
    found = _look(shard, path)
    if found.offset != offset:
        raise _UnusableError(f"goes on at offset {found.offset}; its name says {offset}")
    return found


def _check_pages(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        said = file.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise _UnusableError(f"damaged: {said}")


def _put(partial: Path, to: Path) -> None:
    _sync(partial)
    # The file before what belongs to it: SQLite would apply another file's write-ahead log to this one.
    for suffix in ("", "-wal", "-shm"):
        to.with_name(to.name + suffix).unlink(missing_ok=True)
    _sync(to.parent)
    partial.replace(to)
    _sync(to.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
