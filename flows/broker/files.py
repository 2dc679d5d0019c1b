"""Where a process keeps its shards, and what becomes of a file that is damaged."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import structlog

from flows.broker.shards.changes import read_reach
from flows.sqlite_shard import SqliteShard

_log = structlog.get_logger(__name__)


class PartitionError(Exception):
    """A shard's file and its partition don't belong together."""


def shard_file(folder: Path, shard: int) -> Path:
    """The file of a shard in a data folder.

    >>> shard_file(Path("data"), 3).name
    'shard-0003.db'
    """
    return folder / f"shard-{shard:04}.db"


def problem_of(file: Path) -> str | None:
    """What is wrong with a shard's file that nobody writes, if anything; reads all of it.

    Takes about a second for a gigabyte.
    """
    try:
        read_reach(file)
        with closing(SqliteShard.open_reader(file)) as reader:
            return reader.damage()
    except sqlite3.DatabaseError as error:
        return str(error)


def put_aside(file: Path, reason: str) -> None:
    """Rename a file that can't be used: it is made again."""
    names = (f"{file.name}.damaged{number or ''}" for number in count())
    aside = next(path for name in names if not (path := file.with_name(name)).is_dir())
    _log.error("shard_file_damaged", path=str(file), kept_as=str(aside), reason=reason)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.replace(aside)
