"""The shard log: an ordered, durable sequence of events that everything else is a function of."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from alerting.decision import FallbackAnswered
from flows.codec import Event, encode_event

DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An event at its place. Positions are 1, 2, 3, ... without gaps; ``arrival_us`` is Unix time."""

    position: int
    event: Event
    arrival_us: int = 0


@dataclass(frozen=True, slots=True)
class NewRecord:
    """An event on its way into a log, already encoded so that the log's one thread need not do it."""

    event: Event
    payload: bytes
    event_key: bytes
    digest: bytes
    arrival_us: int = 0

    @classmethod
    def of(cls, event: Event, arrival_us: int = 0) -> "NewRecord":
        """Encode ``event``."""
        payload = encode_event(event)
        # A fallback that stands in for its payment must compare equal to a repeat of that payment.
        stands_in = isinstance(event, FallbackAnswered) and not event.payment_logged
        compared = encode_event(event.payment) if stands_in else payload  # type: ignore[union-attr]
        return cls(event, payload, event_key(event.event_id), _digest(compared), arrival_us)


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a new record: where it stands, and whether its id had been there before.

    ``conflict`` says that the id had been there with other content; the log keeps the first.
    """

    position: int
    duplicate: bool = False
    conflict: bool = False


class ShardLog(Protocol):
    """One ordered sequence of events; each event id stands in it once."""

    def append(self, records: Sequence[NewRecord]) -> list[Appended]:
        """Make ``records`` durable, in this order, and say where each one stands."""
        ...

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """Up to ``limit`` records behind position ``after``, in order."""
        ...

    def find(self, event_id: str) -> int | None:
        """The position of an event id."""
        ...

    @property
    def end(self) -> int:
        """The position of the last record, 0 when the log is empty."""
        ...


class MemoryLog:
    """A log that lives as long as the process."""

    def __init__(self) -> None:
        self._records: list[LogRecord] = []
        self._known: dict[bytes, tuple[int, bytes]] = {}

    def append(self, records: Sequence[NewRecord]) -> list[Appended]:
        """See :meth:`ShardLog.append`."""
        return [self._append_one(record) for record in records]

    def _append_one(self, record: NewRecord) -> Appended:
        known = self._known.get(record.event_key)
        if known is not None:
            position, digest = known
            return Appended(position, duplicate=True, conflict=digest != record.digest)
        position = len(self._records) + 1
        self._known[record.event_key] = (position, record.digest)
        self._records.append(LogRecord(position, record.event, record.arrival_us))
        return Appended(position)

    def read(self, after: int, limit: int) -> list[LogRecord]:
        """See :meth:`ShardLog.read`."""
        return self._records[after : after + limit]

    def find(self, event_id: str) -> int | None:
        """See :meth:`ShardLog.find`."""
        known = self._known.get(event_key(event_id))
        return None if known is None else known[0]

    @property
    def end(self) -> int:
        """See :attr:`ShardLog.end`."""
        return len(self._records)


def event_key(event_id: str) -> bytes:
    """Sixteen bytes that stand for an event id in indexes."""
    return blake2b(event_id.encode(), digest_size=16).digest()


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()
