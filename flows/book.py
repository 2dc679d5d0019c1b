"""What the edge can look up about payments that were decided before."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from alerting.decision import Decision
from alerting.engine import Explanation
from detectors.events import Payment
from flows import keys
from flows.log import NewRecord
from flows.on_record import effective_decision, explain, known_decision
from flows.sqlite_shard import SqliteShard

_LOOK_AGAIN_S: Final = 0.01
_PATIENCE: Final = 100


class Book(Protocol):
    """Decisions on record. All methods may be called from many threads."""

    def known(self, record: NewRecord, payment: Payment) -> Decision | None:
        """The decision for a payment, without waiting for anybody.

        Raises
        ------
        PayloadConflictError
            Where its content differs from what is on record.
        """
        ...

    def find(self, tenant: str, transaction_id: str) -> Decision | None:
        """The effective decision for a transaction."""
        ...

    def explain(self, tenant: str, transaction_id: str, position: int) -> Explanation:
        """What a decision rests on, as of log position ``position`` at least.

        Raises
        ------
        UnknownTransactionError
            When nothing is on record.
        """
        ...

    def policy_text(self) -> str:
        """The policy in force by the log, empty where that is told otherwise."""
        ...


class ShardReaders:
    """Readers of shard files, one for each thread and file; a file that was replaced is opened anew."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def reader(self, path: Path) -> SqliteShard:
        """This thread's reader of a file."""
        readers: dict[Path, tuple[int, SqliteShard]] | None = getattr(self._of_thread, "readers", None)
        if readers is None:
            readers = self._of_thread.readers = {}
        number = path.stat().st_ino
        known = readers.get(path)
        if known is not None and known[0] == number:
            return known[1]
        if known is not None:
            known[1].close()
        reader = SqliteShard.open_reader(path)
        readers[path] = number, reader
        return reader


class LocalBook:
    """The book of one shard, whose file is here."""

    def __init__(self, path: Path, wait: Callable[[float], object] = time.sleep) -> None:
        self._path = path
        self._wait = wait
        self._readers = ShardReaders()

    def known(self, record: NewRecord, payment: Payment) -> Decision | None:
        """See :meth:`Book.known`."""
        return known_decision(self._reader(), record, payment)

    def find(self, tenant: str, transaction_id: str) -> Decision | None:
        """See :meth:`Book.find`."""
        return effective_decision(self._reader(), tenant, transaction_id)

    def explain(self, tenant: str, transaction_id: str, position: int) -> Explanation:
        """See :meth:`Book.explain`."""
        reader = self._reader()
        # What was answered or acknowledged by now is stored with the next flush: a matter of milliseconds.
        patience = _PATIENCE
        while patience and reader.position < position:
            patience -= 1
            self._wait(_LOOK_AGAIN_S)
        return explain(reader, tenant, transaction_id)

    def policy_text(self) -> str:
        """See :meth:`Book.policy_text`."""
        stored = self._reader().load(keys.POLICY)
        return "" if stored is None else stored[1:].decode()

    def _reader(self) -> SqliteShard:
        return self._readers.reader(self._path)
