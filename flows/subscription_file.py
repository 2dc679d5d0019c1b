"""What subscribers have acknowledged, in a file of its own beside the shard: it is no fact of the log.

What was kept survives any kill of the process. It is written without waiting for the disk, so a power cut may
cost the last acknowledgements; those alerts are then delivered again.
"""

import json
import sqlite3
import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

from alerting.alert_source import AlertFilter, KeptSubscription, Place, SubscriptionName
from alerting.alerts import AlertKind

SUBSCRIPTIONS_FILE: Final = "subscriptions.db"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subscription (
    tenant TEXT NOT NULL, name TEXT NOT NULL, wanted TEXT NOT NULL,
    position INTEGER NOT NULL, seq INTEGER NOT NULL, proof BLOB NOT NULL, done BLOB NOT NULL,
    PRIMARY KEY (tenant, name)) WITHOUT ROWID;
"""
PATIENCE_S: Final = 5.0
"""How long to wait for somebody else who writes the file."""
_KEPT: Final = "wanted, position, seq, proof, done"
_ALL_TENANTS: Final = ""
"""Stands for no tenant in particular: a tenant's name is never empty."""


class SubscriptionFile:
    """Durable subscriptions by name; any thread may call it.

    Raises
    ------
    sqlite3.Error
        When the file can't be used; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=PATIENCE_S)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from None

    def load(self, name: SubscriptionName) -> KeptSubscription | None:
        """What is kept under a name."""
        with self._lock:
            row = self._db.execute(
                f"SELECT {_KEPT} FROM subscription WHERE tenant = ? AND name = ?",
                _key(name),
            ).fetchone()
        return None if row is None else _subscription(name, *row)

    def keep(self, subscriptions: Sequence[KeptSubscription]) -> None:
        """Keep these, all or none."""
        rows = [
            (*_key(each.name), _filter_text(each.wanted), *each.mark, _done_bytes(each.done))
            for each in subscriptions
        ]
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO subscription VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def read_subscriptions(path: Path) -> list[KeptSubscription]:
    """All that a file holds, beside the server that writes it; nothing where there is no file."""
    if not path.exists():
        return []
    with _beside(path, "ro") as db:
        rows = db.execute(f"SELECT tenant, name, {_KEPT} FROM subscription ORDER BY tenant, name").fetchall()
    return [_subscription(SubscriptionName(tenant or None, name), *kept) for tenant, name, *kept in rows]


def drop_subscription(path: Path, name: SubscriptionName) -> bool:
    """Forget a subscription, beside the server that may serve others; says whether it was known."""
    if not path.exists():
        return False
    with _beside(path, "rw") as db:
        found = db.execute("DELETE FROM subscription WHERE tenant = ? AND name = ?", _key(name))
        return found.rowcount > 0


@contextmanager
def _beside(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        address = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE_S)) as db:
            yield db
    except sqlite3.Error as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: sqlite3.Error) -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError(f"{path}: not a file of subscriptions that can be used: {error}")


def _subscription(
    name: SubscriptionName, wanted: str, position: int, seq: int, proof: bytes, done: bytes
) -> KeptSubscription:
    return KeptSubscription(name, _read_filter(wanted), Place(position, seq, proof), _read_done(done))


def _key(name: SubscriptionName) -> tuple[str, str]:
    return name.tenant if name.tenant is not None else _ALL_TENANTS, name.name


def _filter_text(wanted: AlertFilter) -> str:
    return json.dumps({**asdict(wanted), "kinds": sorted(wanted.kinds)}, sort_keys=True)


def _read_filter(text: str) -> AlertFilter:
    members = json.loads(text)
    return AlertFilter(**{**members, "kinds": frozenset(map(AlertKind, members["kinds"]))})


def _done_bytes(done: Sequence[tuple[int, int]]) -> bytes:
    return array("Q", chain.from_iterable(done)).tobytes()


def _read_done(raw: bytes) -> tuple[tuple[int, int], ...]:
    numbers = array("Q", raw)
    return tuple(list(pairwise(numbers))[::2])
