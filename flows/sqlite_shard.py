"""The embedded default: shard log and state store in one SQLite file, written in one transaction.

The file is in write-ahead-log mode with ``synchronous=FULL``: what :meth:`SqliteShard.append` returned
from survives a kill and a power cut. One thread writes; others read through a :meth:`SqliteShard.reader`.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flows.alert_table import SCHEMA as ALERT_SCHEMA
from flows.alert_table import AlertTable
from flows.codec import BadRecord, decode_event
from flows.file_lock import FileLockedError, lock_file
from flows.log import Appended, LogRecord, NewRecord, event_key
from flows.store import AlertRow, LedgerRow, OutcomeRow, Slice

SHARD_FILE: Final = "shard.db"
"""The file's name in a data folder."""
SCHEMA_VERSION: Final = 1

RESERVED_BYTES: Final = 16_000_000
_SCHEMA: Final = """
CREATE TABLE log (
    position INTEGER PRIMARY KEY, event_key BLOB NOT NULL UNIQUE,
    digest BLOB NOT NULL, arrival_us INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ledger (position INTEGER PRIMARY KEY, decision BLOB NOT NULL, features BLOB NOT NULL);
CREATE TABLE outcome (
    transaction_key BLOB NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (transaction_key, position)) WITHOUT ROWID;
CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);
INSERT INTO applied VALUES (1, 0);
"""
LATER: Final = f"""
CREATE TABLE IF NOT EXISTS partition_offset (position INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
{ALERT_SCHEMA}"""
"""What files of earlier releases may lack."""
_APPEND: Final = "INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?)"


class ShardFileError(Exception):
    """The file is not a shard that this version can open."""


class SqliteShard:
    """A :class:`~flows.log.ShardLog` and a :class:`~flows.store.StateStore` in one file.

    Parameters
    ----------
    path
        The database file; made when it does not exist.
    durable
        ``False`` gives up durability for speed: for a replay, whose log is the stream it reads.
    follows
        The log is kept elsewhere, and this file follows it: a power cut may cost the last commits, which are
        then made again, and never the file.
    patience_s
        How long to wait for another writer to end.

    Raises
    ------
    ShardFileError
        When the file is something else, was written by another schema version, or is being written.
    """

    def __init__(
        self, path: Path, *, durable: bool = True, follows: bool = False, patience_s: float = 0.0
    ) -> None:
        self.path = path
        self.stored: Callable[[Slice], None] | None = None
        """Told of finished work once it is stored, by the thread that writes."""
        self._finish_checkpoint = False
        self._lock: int | None = _lock(path, patience_s)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        except sqlite3.OperationalError as error:
            os.close(self._lock)
            raise ShardFileError(f"{path}: {error}") from None
        self.alerts = AlertTable(self._db)
        """The outbox of alerts."""
        try:
            self._configure(durable, "NORMAL" if follows else "FULL")
            self._end = self._open_schema()
        except (sqlite3.DatabaseError, ShardFileError) as error:
            self.close()
            raise ShardFileError(f"{path}: not a shard that can be opened: {error}") from None

    def _configure(self, durable: bool, synchronous: str) -> None:
        self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL" if durable else "PRAGMA journal_mode = OFF")
        self._db.execute(f"PRAGMA synchronous = {synchronous if durable else 'OFF'}")
        # The checkpointer moves pages; left on, it would do so inside some unlucky caller's commit.
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute("PRAGMA cache_size = -65536")

    def _open_schema(self) -> int:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise ShardFileError(f"schema version {version}; this version of Tapwatch opens {SCHEMA_VERSION}")
        self._db.executescript(LATER)
        return int(self._db.execute("SELECT coalesce(max(position), 0) FROM log").fetchone()[0])

    # The log.

    def append(self, records: Sequence[NewRecord]) -> list[Appended]:
        """See :meth:`flows.log.ShardLog.append`."""
        return self.append_and_commit(records, None)

    def append_and_commit(self, records: Sequence[NewRecord], work: Slice | None) -> list[Appended]:
        """Append new records and store finished work with one flush to disk."""
        with self.writing(work):
            return [self.append_one(record) for record in records]

    @contextmanager
    def writing(self, work: Slice | None = None) -> Iterator[None]:
        """One transaction: finished work is stored, and what is appended inside is durable behind it."""
        end_before = self._end
        if self._finish_checkpoint:
            self._finish_checkpoint = False
            self.checkpoint()
        try:
            with self._transaction():
                if work is not None:
                    self._write_slice(work)
                yield
        except BaseException:
            self._end = end_before
            raise
        self._say_stored(work)

    def append_one(self, record: NewRecord) -> Appended:
        """Append a record inside :meth:`writing`."""
        position = self._end + 1
        row = (position, record.event_key, record.digest, record.arrival_us, record.payload)
        if self._db.execute(_APPEND, row).rowcount == 1:
            self._end = position
            return Appended(position)
        place = self.lookup(record.event_key)
        assert place is not None  # the insert was ignored because the key is there
        return Appended(place[0], duplicate=True, conflict=place[1] != record.digest)

    def note_offset(self, next_offset: int) -> None:
        """Say, inside :meth:`writing`, where the partition goes on behind the last record."""
        self._db.execute("INSERT OR REPLACE INTO partition_offset VALUES (?, ?)", (self._end, next_offset))

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See :meth:`flows.log.ShardLog.read`."""
        rows = self._db.execute(
            "SELECT position, arrival_us, payload FROM log WHERE position > ? ORDER BY position LIMIT ?",
            (after, limit),
        )
        return [_to_record(*row) for row in rows]

    def find(self, event_id: str) -> int | None:
        """See :meth:`flows.log.ShardLog.find`."""
        place = self.lookup(event_key(event_id))
        return None if place is None else place[0]

    def lookup(self, key: bytes) -> tuple[int, bytes] | None:
        """The position and the digest of the record with an event key."""
        row = self._db.execute("SELECT position, digest FROM log WHERE event_key = ?", (key,)).fetchone()
        return None if row is None else (row[0], row[1])

    def digest_at(self, position: int) -> bytes | None:
        """The digest of the record at a log position."""
        row = self._db.execute("SELECT digest FROM log WHERE position = ?", (position,)).fetchone()
        return None if row is None else row[0]

    @property
    def first(self) -> int:
        """The position of the first record that is kept, 0 when there is none."""
        return int(self._db.execute("SELECT coalesce(min(position), 0) FROM log").fetchone()[0])

    @property
    def end(self) -> int:
        """See :attr:`flows.log.ShardLog.end`."""
        return self._end

    def offset_at(self, position: int) -> int:
        """Where a partition that this file follows goes on behind a log position; 0 at its start."""
        row = self._db.execute(
            "SELECT max(next_offset) FROM partition_offset WHERE position <= ?", (position,)
        ).fetchone()
        return int(row[0] or 0)

    @property
    def origin(self) -> int:
        """31 bits that stand for the log that the file follows; 0 while it follows none."""
        return int(self._db.execute("PRAGMA application_id").fetchone()[0])

    def belongs_to(self, origin: int) -> bool:
        """Whether the file follows the log that ``origin`` (31 bits) stands for; a new file does from now."""
        known = self.origin
        if known == 0:
            self._db.execute(f"PRAGMA application_id = {origin}")
        return known in (0, origin)

    # The state store.

    @property
    def position(self) -> int:
        """See :attr:`flows.store.StateStore.position`."""
        return int(self._db.execute("SELECT position FROM applied").fetchone()[0])

    def load(self, key: str) -> bytes | None:
        """See :meth:`flows.store.StateStore.load`."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """See :meth:`flows.store.StateStore.scan`."""
        behind = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return self._db.execute(
            "SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key", (prefix, behind)
        )

    def commit(self, work: Slice) -> None:
        """See :meth:`flows.store.StateStore.commit`."""
        with self._transaction():
            self._write_slice(work)
        self._say_stored(work)

    def _say_stored(self, work: Slice | None) -> None:
        if work is not None and self.stored is not None:
            self.stored(work)

    def ledger_row(self, position: int) -> LedgerRow | None:
        """See :meth:`flows.store.StateStore.ledger_row`."""
        row = self._db.execute(
            "SELECT position, decision, features FROM ledger WHERE position = ?", (position,)
        ).fetchone()
        return None if row is None else LedgerRow(*row)

    def ledger_after(self, position: int, limit: int) -> list[LedgerRow]:
        """Up to ``limit`` decisions behind a log position, in order."""
        rows = self._db.execute(
            "SELECT position, decision, features FROM ledger WHERE position > ? ORDER BY position LIMIT ?",
            (position, limit),
        )
        return [LedgerRow(*row) for row in rows]

    def decisions(self) -> int:
        """How many decisions are in the ledger."""
        return int(self._db.execute("SELECT count(*) FROM ledger").fetchone()[0])

    def outcome_positions(self, transaction_key: bytes) -> list[int]:
        """See :meth:`flows.store.StateStore.outcome_positions`."""
        rows = self._db.execute(
            "SELECT position FROM outcome WHERE transaction_key = ? ORDER BY position", (transaction_key,)
        )
        return [position for (position,) in rows]

    def alert_rows(self, after: tuple[int, int], limit: int) -> list[AlertRow]:
        """See :meth:`flows.store.StateStore.alert_rows`."""
        return self.alerts.behind(after, limit)

    def _write_slice(self, work: Slice) -> None:
        db = self._db
        gone = [(key,) for key, value in work.states.items() if value is None]
        if gone:
            db.executemany("DELETE FROM state WHERE key = ?", gone)
        db.executemany(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            ((key, value) for key, value in work.states.items() if value is not None),
        )
        db.executemany("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", map(_ledger_values, work.ledger))
        if work.outcomes:
            db.executemany("INSERT OR IGNORE INTO outcome VALUES (?, ?)", map(_outcome_values, work.outcomes))
        if work.alerts:
            self.alerts.put(work.alerts)
        db.execute("UPDATE applied SET position = ?", (work.position,))

    # The file.

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite itself has rolled back
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def reader(self) -> "SqliteShard":
        """The same shard for another thread, to read only."""
        return _Reader(self.path)

    @staticmethod
    def open_reader(path: Path) -> "SqliteShard":
        """A shard file that another process may be writing, to read only."""
        return _Reader(path)

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the database; never blocks a reader or the writer."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def reserve_log(self) -> None:
        """Give the write-ahead log its size before the first caller comes.

        A flush is a third cheaper while the file does not grow; SQLite overwrites it from its start.
        """
        if wal_bytes(self.path) < RESERVED_BYTES:
            self._db.execute("CREATE TABLE reserve (bytes BLOB)")
            with self._transaction():
                self._db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVED_BYTES,))
            self._db.execute("DROP TABLE reserve")
            self._db.execute("PRAGMA wal_checkpoint(RESTART)")
            self._db.executescript("PRAGMA incremental_vacuum")  # execute would free one page only
            self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def finish_checkpoint(self) -> None:
        """Ask the writing thread to move the few pages that came during a :meth:`checkpoint`.

        SQLite starts the write-ahead log over only when all of it is moved, which never happens behind a
        busy writer: the file would grow for ever.
        """
        self._finish_checkpoint = True

    def damage(self) -> str | None:
        """What is wrong with the file's pages, if anything; reads all of it.

        Raises
        ------
        sqlite3.DatabaseError
            When it is no database at all.
        """
        said = str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
        return None if said == "ok" else said

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def wal_bytes(path: Path) -> int:
    """The size of a shard's write-ahead log on disk."""
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0


class _Reader(SqliteShard):
    def __init__(self, path: Path) -> None:
        # Autocommit, as for the writer: each look-up sees what is committed then.
        self.path = path
        self._lock = None
        # Not plainly the path: SQLite would make the file where there is none.
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            isolation_level=None,
            check_same_thread=False,
            timeout=30.0,
            uri=True,
        )
        self.alerts = AlertTable(self._db)

    @property
    def end(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(position), 0) FROM log").fetchone()[0])


def _lock(path: Path, patience_s: float) -> int:
    """Keep other writers away."""
    try:
        return lock_file(path.with_name(path.name + ".lock"), patience_s)
    except FileLockedError:
        raise ShardFileError(f"{path}: another process is writing it") from None
    except OSError as error:
        raise ShardFileError(f"{path}: {error.strerror}") from None


def _to_record(position: int, arrival_us: int, payload: bytes) -> LogRecord:
    event = decode_event(payload, f"log position {position}")
    if isinstance(event, BadRecord):
        raise ShardFileError(f"log position {position} can't be read: {event.reason}")
    return LogRecord(position, event, arrival_us)


def _ledger_values(row: LedgerRow) -> tuple[int, bytes, bytes]:
    return row.position, row.decision, row.features


def _outcome_values(row: OutcomeRow) -> tuple[bytes, int]:
    return row.transaction_key, row.position
