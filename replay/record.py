"""Record: a span of a shard's log as an event stream."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flows.shard_folder import one_shard_file
from flows.sqlite_shard import ShardFileError, SqliteShard
from replay.errors import StreamError
from replay.streams import StreamWriter

READ_AT_ONCE: Final = 4_096


def record(
    data_dir: Path,
    out: Path,
    after: int = 0,
    until: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    shard: int | None = None,
) -> dict[str, Any]:
    """Write the log records behind ``after``, up to ``until``, to the stream ``out``; returns counts.

    The log may be written meanwhile: the span ends where the log ended when recording began. ``shard``
    chooses among the shards that a process on Kafka has files of.

    Raises
    ------
    StreamError
        When there is no log in ``data_dir`` or ``out`` can't be written.
    """
    try:
        path = one_shard_file(data_dir, shard)
    except ShardFileError as error:
        raise StreamError(str(error)) from None
    reader = SqliteShard.open_reader(path)
    try:
        last = reader.end if until is None else min(until, reader.end)
        at = after
        with StreamWriter(out) as writer:
            while at < last:
                for entry in reader.read(at, min(READ_AT_ONCE, last - at)):
                    writer.write(entry.event)
                    at = entry.position
                if progress is not None:
                    progress(at - after, last - after)
    except (ShardFileError, sqlite3.DatabaseError) as error:
        raise StreamError(f"{path}: can't be read: {error}") from None
    finally:
        reader.close()
    return {"records": max(0, at - after), "first_position": after + 1, "last_position": at, "out": str(out)}
