"""Copies of shard files in a folder that all processes share: a take-over is a copy and the partition's tail.

A copy is named after its shard, the offset that its partition goes on at, the log position that is applied,
and a checksum (CRC-32) of its content: ``shard-0003.81422.80112.9ae0daaf.db``. What the file gained since
is in files of changes, from offset to offset, named alike: ``shard-0003.81422-81930.81901.0d4a11f3.changes``.
Each appears whole or not at all, and is used only if its content is as it was.
"""

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

import structlog

from flows.broker.shards.changes import Reach, apply_changes, read_reach, write_changes
from flows.sqlite_shard import SCHEMA_VERSION, SqliteShard
from flows.store import Slice

KEPT: Final = 2
"""Copies of each shard: if one is damaged there is another, which only takes longer to catch up."""
ABANDONED_S: Final = 3_600.0
"""A copy that was begun so long ago belongs to a process that died."""

_NAME: Final = re.compile(r"shard-(\d{4,})\.(\d+)\.(\d+)\.([0-9a-f]{8})\.db")
_CHANGES: Final = re.compile(r"shard-(\d{4,})\.\d+-(\d+)\.(\d+)\.([0-9a-f]{8})\.changes")
_PARTIAL: Final = ".partial"
_BLOCK: Final = 1 << 20

_log = structlog.get_logger(__name__)


class SnapshotError(Exception):
    """A copy could not be made; the message says of what, and why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the folder holds of a shard: how far a copy and the files of changes behind it reach."""

    shard: int
    reach: Reach
    copied: int
    """Where the log of the copy ends; what is behind it comes from files of changes."""


class SnapshotFolder:
    """Saves and restores shard files.

    Parameters
    ----------
    path
        The folder; made at the first :meth:`save`.
    origin
        What stands for the log of a shard, see :attr:`~flows.sqlite_shard.SqliteShard.origin`: a copy that
        follows another log is not used.
    """

    def __init__(self, path: Path, origin: Callable[[int], int]) -> None:
        self.path = path
        self._origin = origin

    def save(self, shard: int, file: Path) -> Snapshot:
        """Copy a shard file that may be written meanwhile; older copies beyond the last two go.

        Raises
        ------
        SnapshotError
            When the file can't be read or the folder not written.
        """
        with self._new_file(shard, file) as partial:
            _copy_live(file, partial)
            reach = self._look(shard, partial)
            self._put_in(partial, f"shard-{shard:04d}.{reach.offset}.{reach.applied}", "db")
        self._clear(shard, reach.offset)
        return Snapshot(shard, reach, reach.position)

    def add(self, since: Snapshot, file: Path, work: Slice | None) -> Snapshot:
        """Save what a shard file gained, which may be written meanwhile.

        Parameters
        ----------
        since
            What was saved before.
        work
            What was stored since then, see :func:`~flows.broker.shards.changes.write_changes`.

        Raises
        ------
        SnapshotError
            When the file can't be read or the folder not written.
        """
        shard = since.shard
        with self._new_file(shard, file) as partial:
            reach = write_changes(file, since.reach, work, partial)
            if reach == since.reach:
                return since
            span = f"{since.reach.offset}-{reach.offset}.{reach.applied}"
            self._put_in(partial, f"shard-{shard:04d}.{span}", "changes")
        return Snapshot(shard, reach, since.copied)

    @contextmanager
    def _new_file(self, shard: int, file: Path) -> Iterator[Path]:
        """A file to be filled and put in; what is left of it in the end goes."""
        partial = self.path / f".shard-{shard:04d}.{uuid4().hex}{_PARTIAL}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            yield partial
        except (OSError, sqlite3.Error, _UnusableError) as error:
            raise SnapshotError(f"{file}: no copy could be made in {self.path}: {error}") from None
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _put_in(self, partial: Path, name: str, suffix: str) -> None:
        _sync(partial)
        partial.replace(self.path / f"{name}.{_checksum(partial)}.{suffix}")
        _sync(self.path)

    def bring_up(self, shard: int, to: Path) -> Snapshot | None:
        """Make a shard's file as new as the folder allows; nobody may have it open.

        A copy takes its place if the newest sound one is newer; changes that follow it are applied. Returns
        what the folder holds, if that is just what the file holds now.

        Raises
        ------
        OSError, sqlite3.Error
            When ``to`` can't be read or written, or the folder can't be listed.
        """
        restored = self._restore(shard, to, read_reach(to).offset if to.exists() else -1)
        if not to.exists():
            return None
        before = read_reach(to)
        here = (before.offset, before.applied)
        further = [path for there, path in self._changes(shard) if there > here and _is_whole(path)]
        reach, taken = apply_changes(further, to)
        return Snapshot(shard, reach, before.position) if taken or restored else None

    def _restore(self, shard: int, to: Path, ours: int) -> bool:
        """Put the newest sound copy in the place of ``to``, if it goes on behind the offset of ours."""
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = to.with_name(f".{to.name}.{uuid4().hex}{_PARTIAL}")
        try:
            for offset, path in self._copies(shard):
                if offset <= ours:
                    break
                try:
                    shutil.copyfile(path, partial)
                    _check_content(partial, path)
                    _check(partial, self._look(shard, partial), offset)
                except (OSError, sqlite3.Error, _UnusableError) as error:
                    _log.warning("snapshot_skipped", path=str(path), reason=str(error))
                else:
                    _put(partial, to)
                    return True
        finally:
            partial.unlink(missing_ok=True)
        return False

    def _look(self, shard: int, path: Path) -> Reach:
        """How far a copy is, if this version can open it and it follows the log of its shard."""
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            version = file.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise _UnusableError(f"schema version {version}; this version of Tapwatch opens {SCHEMA_VERSION}")
        with closing(SqliteShard.open_reader(path)) as copy:
            if copy.origin not in (0, self._origin(shard)):
                raise _UnusableError("follows the log of another shard or topic")
        return read_reach(path)

    def _copies(self, shard: int) -> list[tuple[int, Path]]:
        """Offsets and files of a shard's copies, newest first."""
        found = []
        for path in self.path.glob("shard-*.db"):
            name = _NAME.fullmatch(path.name)
            if name is not None and int(name[1]) == shard:
                found.append((int(name[2]), int(name[3]), path))
        return [(offset, path) for offset, _, path in sorted(found, reverse=True)]

    def _changes(self, shard: int) -> list[tuple[tuple[int, int], Path]]:
        """Offset and applied position that the changes of a shard lead to, and their files, in order."""
        found = []
        for path in self.path.glob("shard-*.changes"):
            name = _CHANGES.fullmatch(path.name)
            if name is not None and int(name[1]) == shard:
                found.append(((int(name[2]), int(name[3])), path))
        return sorted(found)

    def _clear(self, shard: int, offset: int) -> None:
        """Remove what is older than the last two up to an offset; newer ones are of who knows better."""
        copies = [(at, path) for at, path in self._copies(shard) if at <= offset]
        old = [path for _, path in copies[KEPT:]]
        if copies:  # another process may have removed even the newest
            oldest, _ = copies[:KEPT][-1]
            old += [path for (there, _), path in self._changes(shard) if there <= oldest]
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


def _check(copy: Path, reach: Reach, offset: int) -> None:
    if reach.offset != offset:
        raise _UnusableError(f"goes on at offset {reach.offset}; its name says {offset}")
    with closing(SqliteShard.open_reader(copy)) as reader:
        said = reader.damage()
    if said is not None:
        raise _UnusableError(f"damaged: {said}")


def _is_whole(path: Path) -> bool:
    try:
        _check_content(path, path)
    except (OSError, _UnusableError) as error:
        _log.warning("changes_skipped", path=str(path), reason=str(error))
        return False
    return True


def _check_content(content: Path, named: Path) -> None:
    if _checksum(content) != named.name.rsplit(".", 2)[1]:
        raise _UnusableError("damaged: its content is not what was saved under its name")


def _checksum(path: Path) -> str:
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = crc32(block, found)
    return f"{found:08x}"


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
