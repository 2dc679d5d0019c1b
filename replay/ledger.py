"""What a live server decided, from its ledger, as the decisions of a run."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from flows.codec import decode_alert, decode_decision
from flows.shard_folder import shard_files
from flows.sqlite_shard import ShardFileError, SqliteShard
from replay.alerts import AlertWriter, CandidateRow
from replay.decisions import DECISIONS_FILE, DecisionWriter
from replay.errors import RunError

_READ_AT_ONCE: Final = 4_096


@contextmanager
def decisions_in(place: Path) -> Iterator[Path]:
    """A folder with ``decisions.parquet``: the folder itself, or its ledger written out for a while.

    ``place`` is the folder of a run or of a server, or a shard file.

    Raises
    ------
    RunError
        When the shard file can't be read, or there are several.
    """
    if (place / DECISIONS_FILE).exists():
        yield place
        return
    file = place if place.is_file() else _only_shard_file(place)
    if file is None:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="tapwatch-ledger-") as written:
        write_ledger(file, Path(written))
        yield Path(written)


def _only_shard_file(folder: Path) -> Path | None:
    try:
        found = shard_files(folder)
    except ShardFileError:
        return None  # who reads the decisions says what is missing
    if len(found) > 1:
        raise RunError(f"{folder}: holds {len(found)} shards; name one of their files, such as {found[0]}")
    return found[0]


def write_ledger(file: Path, out: Path) -> int:
    """Write the decisions and alerts of a shard file into the folder ``out``; returns how many decisions.

    The server may go on meanwhile: the ledger is read up to where it ended at the beginning.

    Raises
    ------
    RunError
        When the shard file can't be read.
    """
    try:
        with closing(SqliteShard.open_reader(file)) as shard, DecisionWriter(out) as writer:
            at, last = 0, shard.position
            if shard.alerts.exists():
                _write_alerts(shard, last, out)
            while at < last:
                for entry in shard.read(at, min(_READ_AT_ONCE, last - at)):
                    at = entry.position
                    row = shard.ledger_row(at)
                    if row is not None:
                        writer.write(decode_decision(row.decision))
            return writer.count
    except (ShardFileError, sqlite3.DatabaseError) as error:
        raise RunError(f"{file}: can't be read: {error}") from None


def _write_alerts(shard: SqliteShard, last: int, out: Path) -> None:
    at = (0, 0)
    with AlertWriter(out) as writer:
        while rows := [row for row in shard.alert_rows(at, _READ_AT_ONCE) if row.position <= last]:
            at = rows[-1][:2]
            for row in rows:
                writer.write(CandidateRow(row.seq, decode_alert(row.alert), row.suppressed), row.alert)
