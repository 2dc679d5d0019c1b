"""A record of the shard log as a Kafka message.

The value is the event's canonical JSON, the key its user (or its own id where every shard gets it), and
three headers say what a reader needs besides: what is asked for, what :class:`~flows.log.NewRecord` knows,
and who waits for an answer.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from alerting.decision import FallbackAnswered
from detectors.events import Payment
from flows.codec import BadRecord, Event, decode_event
from flows.frames import Kind
from flows.log import NewRecord
from flows.sharding import BROADCAST

Headers = list[tuple[str, bytes]]

ASKED: Final = "asked"
RECORD: Final = "record"
ORIGIN: Final = "origin"
ORIGIN_BYTES: Final = 16
_LATEST_US: Final = (1 << 63) - 1
_RECORD: Final = Struct("<Q16s16s")
_ORIGIN: Final = Struct("<16sQ")
_ASKED: Final = {Kind.PAYMENT: b"decide", Kind.EVENT: b"log", Kind.FALLBACK: b"answered"}
_ABOUT: Final[dict[Kind, type]] = {Kind.PAYMENT: Payment, Kind.FALLBACK: FallbackAnswered}
_KINDS: Final = {word: kind for kind, word in _ASKED.items()}


class Fetched(NamedTuple):
    """A message as a partition of the shard log gives it."""

    offset: int
    value: bytes | None
    headers: Headers


class Origin(NamedTuple):
    """Who waits for what becomes of a record: a process, and its ticket for the request."""

    process: bytes
    ticket: int


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A record on its way into a shard's log.

    ``kind`` says what is asked for: a decision (PAYMENT), a place (EVENT), or a place for an answer that the
    fallback gave (FALLBACK).
    """

    kind: Kind
    record: NewRecord
    origin: Origin | None = None

    @classmethod
    def of(cls, event: Event, arrival_us: int) -> "LogMessage":
        """The message of an event that nobody waits for: as :class:`Kind.EVENT`."""
        return cls(Kind.EVENT, NewRecord.of(event, arrival_us))


def message_key(event: Event) -> bytes:
    """What orders and places a message: the user, or the event itself where every shard gets it."""
    if isinstance(event, BROADCAST):
        return event.event_id.encode()
    return f"{event.tenant}/{event.user_id}".encode()


def message_headers(message: LogMessage) -> Headers:
    """The headers of a message; its value is ``message.record.payload``."""
    record = message.record
    headers = [
        (ASKED, _ASKED[message.kind]),
        (RECORD, _RECORD.pack(record.arrival_us, record.event_key, record.digest)),
    ]
    if message.origin is not None:
        headers.append((ORIGIN, _ORIGIN.pack(*message.origin)))
    return headers


def read_message(value: bytes | None, headers: Headers, place: str) -> LogMessage | BadRecord:
    """The message that was written so, or why it can't be one; ``place`` says where it was read."""
    found = dict(headers)
    kind = _KINDS.get(found.get(ASKED) or b"")
    known = found.get(RECORD) or b""
    if kind is None or len(known) != _RECORD.size:
        return BadRecord("not written by Tapwatch: headers are missing", place, (value or b"")[:256])
    event = decode_event(value or b"", place)
    if isinstance(event, BadRecord):
        return event
    if not isinstance(event, _ABOUT.get(kind, object)):
        return BadRecord(
            f"not written by Tapwatch: {event.kind} for {kind.name}", place, (value or b"")[:256]
        )
    arrival_us, event_key, digest = _RECORD.unpack(known)
    if arrival_us > _LATEST_US:
        return BadRecord(f"not written by Tapwatch: arrived at {arrival_us}", place, (value or b"")[:256])
    origin = found.get(ORIGIN)
    asker = Origin(*_ORIGIN.unpack(origin)) if origin and len(origin) == _ORIGIN.size else None
    return LogMessage(kind, NewRecord(event, value or b"", event_key, digest, arrival_us), asker)
