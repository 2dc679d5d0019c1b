"""What a live server decided, from its ledger, as the decisions of a run."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from flows.codec import decode_decision
from flows.sqlite_shard import SHARD_FILE, ShardFileError, SqliteShard
from replay.decisions import DECISIONS_FILE, DecisionWriter
from replay.errors import RunError

_READ_AT_ONCE: Final = 4_096


@contextmanager
def decisions_in(folder: Path) -> Iterator[Path]:
    """A folder with ``decisions.parquet``: the folder itself, or its ledger written out for a while.

    Raises
    ------
    RunError
        When the folder's shard file can't be read.
    """
    if (folder / DECISIONS_FILE).exists() or not (folder / SHARD_FILE).exists():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="tapwatch-ledger-") as written:
        write_ledger(folder, Path(written))
        yield Path(written)


def write_ledger(data_dir: Path, out: Path) -> int:
    """Write the decisions of a server's ledger into the folder ``out``, in log order; returns their number.

    The server may go on meanwhile: the ledger is read up to where it ended at the beginning.

    Raises
    ------
    RunError
        When the shard file can't be read.
    """
    try:
        with closing(SqliteShard.open_reader(data_dir / SHARD_FILE)) as shard, DecisionWriter(out) as writer:
            at, last = 0, shard.position
            while at < last:
                for entry in shard.read(at, min(_READ_AT_ONCE, last - at)):
                    at = entry.position
                    row = shard.ledger_row(at)
                    if row is not None:
                        writer.write(decode_decision(row.decision))
            return writer.count
    except (ShardFileError, sqlite3.DatabaseError) as error:
        raise RunError(f"{data_dir / SHARD_FILE}: can't be read: {error}") from None
