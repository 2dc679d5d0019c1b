"""Record: a span of a shard's log as an event stream."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flows.sqlite_shard import SHARD_FILE, ShardFileError, SqliteShard
from replay.errors import StreamError
from replay.streams import StreamWriter

READ_AT_ONCE: Final = 4_096


def record(
    data_dir: Path,
    out: Path,
    after: int = 0,
    until: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> dict[str, Any]:
    """Write the log records behind ``after``, up to ``until``, to the stream ``out``; returns counts.

    The log may be written meanwhile: the span ends where the log ended when recording began.

    Raises
    ------
    StreamError
        When there is no log in ``data_dir`` or ``out`` can't be written.
    """
    path = data_dir / SHARD_FILE
    if not path.exists():
        raise StreamError(
            f"{path}: there is no such file; --data-dir names the folder of a server or a replay"
        )
    shard = SqliteShard.open_reader(path)
    try:
        last = shard.end if until is None else min(until, shard.end)
        at = after
        with StreamWriter(out) as writer:
            while at < last:
                for entry in shard.read(at, min(READ_AT_ONCE, last - at)):
                    writer.write(entry.event)
                    at = entry.position
                if progress is not None:
                    progress(at - after, last - after)
    except (ShardFileError, sqlite3.DatabaseError) as error:
        raise StreamError(f"{path}: can't be read: {error}") from None
    finally:
        shard.close()
    return {"records": max(0, at - after), "first_position": after + 1, "last_position": at, "out": str(out)}
