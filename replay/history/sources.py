"""Histories from what they are read from: events, shard files, published decisions, callers' answers."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

from alerting.decision import Decision, FallbackAnswered
from detectors.events import Payment
from flows.broker.ingest.inputs import KIND_OF
from flows.codec import Event, decode_decision, encode_decision
from flows.log import LogRecord, NewRecord
from flows.on_record import payment_event_id
from flows.sharding import BROADCAST, shards_of
from flows.sqlite_shard import SqliteShard
from replay.history.values import Answer, Logged, Published, Sent

_READ_AT_ONCE: Final = 4_096
_SENT_KINDS: Final = frozenset(KIND_OF.values())


def sent_of(
    events: Iterable[Event], shards: int, producer: str | None = "stream", *, asked: bool = False
) -> Iterator[Sent]:
    """Events as they were sent by one producer; ``asked`` says that callers waited for the decisions."""
    for event in events:
        shard, user = None, ""
        if not isinstance(event, BROADCAST):
            shard, user = shards_of(event, shards)[0], f"{event.tenant}/{event.user_id}"
        waits = asked and isinstance(event, Payment)
        yield Sent(event.event_id, user, shard, producer, waits, NewRecord.of(event).digest)


def logged_in(shard: int, file: Path) -> Iterator[Logged]:
    """The log of a shard, from its file; another process may be writing it.

    Raises
    ------
    ShardFileError
        When a record can't be read.
    """
    at = 0
    with closing(SqliteShard.open_reader(file)) as reader:
        while records := reader.read(at, _READ_AT_ONCE):
            at = records[-1].position
            yield from (logged_of(shard, record) for record in records)


def logged_of(shard: int, record: LogRecord) -> Logged:
    """One record of a shard's log."""
    event = record.event
    payment = event.payment if isinstance(event, FallbackAnswered) else event
    transaction = payment.event_id if isinstance(payment, Payment) else ""
    is_own = event.kind not in _SENT_KINDS
    return Logged(shard, record.position, event.event_id, transaction, is_own, NewRecord.of(event).digest)


def published_of(shard: int, value: bytes) -> Published:
    """A decision that was published with these bytes in the partition of a shard."""
    decision = decode_decision(value)
    return Published(
        shard,
        decision.log_position,
        decision.decision_id,
        payment_event_id(decision.tenant, decision.transaction_id),
        str(decision.source),
        str(decision.action),
        _digest(value),
    )


def answer_of(decision: Decision) -> Answer:
    """What a caller was told by a decision."""
    name = payment_event_id(decision.tenant, decision.transaction_id)
    return Answer(name, str(decision.source), str(decision.action), _digest(encode_decision(decision)))


def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=16).digest()
