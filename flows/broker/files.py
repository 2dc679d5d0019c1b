"""Where a process keeps its shards, and what becomes of a file that is damaged."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import structlog

from flows.sqlite_shard import SqliteShard

_log = structlog.get_logger(__name__)


def shard_file(folder: Path, shard: int) -> Path:
    """The file of a shard in a data folder.

    >>> shard_file(Path("data"), 3).name
    'shard-0003.db'
    """
    return folder / f"shard-{shard:04}.db"


def put_aside_damaged(files: Iterable[Path]) -> None:
    """Look through files that nobody writes, and rename those that are damaged: they are made again.

    Takes about a second for a gigabyte.
    """
    for file in files:
        try:
            with closing(SqliteShard.open_reader(file)) as reader:
                said = reader.damage()
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said is not None:
            aside = file.with_name(f"{file.name}.damaged")
            _log.error("shard_file_damaged", path=str(file), kept_as=str(aside), reason=said)
            for suffix in ("-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
            file.replace(aside)
