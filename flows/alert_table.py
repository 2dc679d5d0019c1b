"""The outbox of alerts inside a shard file."""

import sqlite3
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from alerting.alert_source import AlertFilter
from alerting.alerts import BUCKETS
from flows.store import AlertRow

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS alert (
    position INTEGER NOT NULL, seq INTEGER NOT NULL, alert_id TEXT NOT NULL, kind TEXT NOT NULL,
    tenant TEXT NOT NULL, user_id TEXT NOT NULL, bucket INTEGER NOT NULL, suppressed TEXT,
    alert BLOB NOT NULL, PRIMARY KEY (position, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alert_by_id ON alert (alert_id);
CREATE INDEX IF NOT EXISTS alert_by_user ON alert (tenant, user_id);
"""
_COLUMNS: Final = ", ".join(AlertRow._fields)
_OF_ALERT: Final = ", ".join(f"alert.{name}" for name in AlertRow._fields)
_PUT: Final = f"INSERT OR REPLACE INTO alert VALUES ({', '.join('?' * len(AlertRow._fields))})"


class AlertTable:
    """Candidate alerts at their places; the connection is the shard's."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def exists(self) -> bool:
        """Whether the file has the table: a reader may look at a file of an earlier release."""
        said = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alert'").fetchone()
        return bool(said[0])

    def put(self, rows: Iterable[AlertRow]) -> None:
        """Store rows, inside a transaction."""
        self._db.executemany(_PUT, rows)

    def behind(self, after: tuple[int, int], limit: int) -> list[AlertRow]:
        """Up to ``limit`` rows behind a place, in order."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM alert WHERE (position, seq) > (?, ?) ORDER BY position, seq LIMIT ?",
            (*after, limit),
        )
        return list(map(AlertRow._make, rows))

    def wanted(
        self, after: tuple[int, int], to: int, wanted: AlertFilter, limit: int
    ) -> list[tuple[AlertRow, bytes]]:
        """Up to ``limit`` rows behind a place and up to a log position that a filter wants, in order.

        Each comes with the digest of the log record that caused it.
        """
        conditions, values = _conditions(wanted)
        rows = self._db.execute(
            f"SELECT {_OF_ALERT}, log.digest FROM alert JOIN log USING (position)"
            f" WHERE (alert.position, seq) > (?, ?) AND alert.position <= ?{conditions}"
            " ORDER BY alert.position, seq LIMIT ?",
            (*after, to, *values, limit),
        )
        return [(AlertRow._make(row[:-1]), row[-1]) for row in rows]

    def by_position(self, after: int, limit: int) -> list[tuple[int, list[AlertRow]]]:
        """The rows of up to ``limit`` log positions behind one, in order, each position's together."""
        some = "SELECT DISTINCT position FROM alert WHERE position > ? ORDER BY position LIMIT ?"
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM alert"
            f" WHERE position > ? AND position <= (SELECT max(position) FROM ({some}))"
            " ORDER BY position, seq",
            (after, after, limit),
        )
        grouped = groupby(map(AlertRow._make, rows), key=attrgetter("position"))
        return [(position, list(group)) for position, group in grouped]

    def named(self, alert_id: str) -> list[AlertRow]:
        """The candidates with an alert id, in order: one that was sent at most, and those suppressed."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM alert WHERE alert_id = ? ORDER BY position, seq", (alert_id,)
        )
        return list(map(AlertRow._make, rows))


def _conditions(wanted: AlertFilter) -> tuple[str, list[object]]:
    """A filter in SQL: what goes behind the condition on places, and its values."""
    parts: list[str] = []
    values: list[object] = []
    if not wanted.suppressed:
        parts.append("suppressed IS NULL")
    # The plus keeps the index of users out of it, which would read a tenant's alerts for each page anew.
    tenant = "tenant" if wanted.user_id is not None else "+tenant"
    for column, value in ((tenant, wanted.tenant), ("user_id", wanted.user_id)):
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    if wanted.kinds:
        parts.append(f"kind IN ({', '.join('?' * len(wanted.kinds))})")
        values += sorted(wanted.kinds)
    if (wanted.begin, wanted.end) != (0, BUCKETS):
        parts.append("bucket >= ? AND bucket < ?")
        values += [wanted.begin, wanted.end]
    return "".join(f" AND {part}" for part in parts), values
