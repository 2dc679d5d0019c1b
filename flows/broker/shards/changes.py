"""What a shard's file gained since it was last copied, in a small file of its own.

A copy and the changes behind it make the shard's file again: to keep up costs what changed, not what is
there.
The file is an SQLite database: records of the log, decisions, alerts, state that was written or removed,
and from where to where it leads.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from flows.sqlite_shard import LATER
from flows.store import Slice

_SPAN: Final = "origin, from_position, from_applied, position, applied, next_offset"
_CREATE: Final = f"""
CREATE TABLE made.span ({_SPAN});
CREATE TABLE made.log (position, event_key, digest, arrival_us, payload);
CREATE TABLE made.ledger (position, decision, features);
CREATE TABLE made.state (key, value);
CREATE TABLE made.outcome (transaction_key, position);
CREATE TABLE made.alert (position, seq, alert_id, kind, tenant, user_id, bucket, suppressed, alert);
"""
_APPLY: Final = (
    "INSERT OR IGNORE INTO main.log SELECT * FROM made.log",
    "INSERT OR REPLACE INTO main.ledger SELECT * FROM made.ledger",
    "DELETE FROM main.state WHERE key IN (SELECT key FROM made.state WHERE value IS NULL)",
    "INSERT OR REPLACE INTO main.state SELECT * FROM made.state WHERE value IS NOT NULL",
    "INSERT OR IGNORE INTO main.outcome SELECT * FROM made.outcome",
    "UPDATE main.applied SET position = (SELECT applied FROM made.span)",
    "INSERT OR REPLACE INTO main.partition_offset SELECT position, next_offset FROM made.span",
)

_APPLY_ALERTS: Final = "INSERT OR REPLACE INTO main.alert SELECT * FROM made.alert"

_log = structlog.get_logger(__name__)


class Reach(NamedTuple):
    """How far a shard's file is."""

    position: int
    """Where its log ends."""
    applied: int
    """The log position that its state belongs to; not behind ``position``."""
    offset: int
    """Where its partition goes on."""


class Changes:
    """Collects what is stored in a shard's file, until it is taken. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: Slice | None = None

    def note(self, work: Slice) -> None:
        """This was stored."""
        with self._lock:
            if self._all is None:
                self._all = Slice(work.position)
            self._all.position = work.position
            self._all.states.update(work.states)
            self._all.outcomes += work.outcomes

    def take(self) -> Slice | None:
        """All that was stored since the last call, but what the file has in order: ledger and alerts."""
        with self._lock:
            taken, self._all = self._all, None
        return taken


def read_reach(file: Path) -> Reach:
    """How far a shard's file is, which may be written meanwhile."""
    with _opened(file) as db:
        return _reach(db)


def write_changes(file: Path, since: Reach, work: Slice | None, to: Path) -> Reach:
    """Write what a shard's file gained since it was so far; returns how far it is now.

    Parameters
    ----------
    work
        What was stored since then, or more; to be taken before the call.
    to
        The file to make; not yet durable.
    """
    if work is not None and work.position <= since.applied:
        work = None  # stored while the copy was made that has it already
    applied = since.applied if work is None else work.position
    with _opened(file) as db:
        db.execute("ATTACH ? AS made", (str(to),))
        db.execute("PRAGMA made.journal_mode = OFF")
        db.execute("PRAGMA made.synchronous = OFF")
        db.executescript(_CREATE)
        db.execute("BEGIN")
        reach = _reach(db)._replace(applied=applied)
        span = (_origin(db), since.position, since.applied, *reach)
        db.execute("INSERT INTO made.span VALUES (?, ?, ?, ?, ?, ?)", span)
        db.execute("INSERT INTO made.log SELECT * FROM main.log WHERE position > ?", (since.position,))
        db.execute(
            "INSERT INTO made.ledger SELECT * FROM main.ledger WHERE position > ? AND position <= ?",
            (since.applied, applied),
        )
        db.execute(
            "INSERT INTO made.alert SELECT * FROM main.alert WHERE position > ? AND position <= ?",
            (since.applied, applied),
        )
        if work is not None:
            db.executemany("INSERT INTO made.state VALUES (?, ?)", work.states.items())
            rows = ((row.transaction_key, row.position) for row in work.outcomes)
            db.executemany("INSERT INTO made.outcome VALUES (?, ?)", rows)
        db.execute("COMMIT")
    return reach


def apply_changes(paths: Iterable[Path], file: Path) -> tuple[Reach, int]:
    """Bring a shard's file, which nobody may have open, to where changes lead that follow it.

    Returns how far the file is then, and how many of the changes it took. Those that can't be read are
    logged; they leave the file as it was.

    Raises
    ------
    sqlite3.Error
        When the file can't be read or written.
    """
    taken = 0
    with _opened(file) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(LATER)
        for path in paths:
            try:
                taken += _apply(path, db)
            except sqlite3.Error as error:
                _log.warning("changes_skipped", path=str(path), reason=str(error))
        return _reach(db), taken


def _apply(path: Path, db: sqlite3.Connection) -> bool:
    db.execute("ATTACH ? AS made", (f"{path.absolute().as_uri()}?mode=ro",))
    try:
        said = db.execute("PRAGMA made.quick_check(1)").fetchone()[0]
        if said != "ok":
            raise sqlite3.DatabaseError(said)
        origin, from_position, from_applied, position, applied, _ = db.execute(
            f"SELECT {_SPAN} FROM made.span"
        ).fetchone()
        at = _reach(db)
        if origin != _origin(db) or not (
            from_position <= at.position <= position and from_applied <= at.applied <= applied
        ):
            return False
        db.execute("BEGIN IMMEDIATE")
        for statement in _APPLY:
            db.execute(statement)
        if db.execute("SELECT count(*) FROM made.sqlite_master WHERE name = 'alert'").fetchone()[0]:
            db.execute(_APPLY_ALERTS)  # changes that an earlier release wrote know of none
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("DETACH made")
    return True


def _origin(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA main.application_id").fetchone()[0])


def _reach(db: sqlite3.Connection) -> Reach:
    (position,) = db.execute("SELECT coalesce(max(position), 0) FROM main.log").fetchone()
    (applied,) = db.execute("SELECT position FROM main.applied").fetchone()
    row = db.execute(
        "SELECT next_offset FROM main.partition_offset ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return Reach(position, applied, 0 if row is None else row[0])


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0)) as db:
        yield db
