"""Events on their way to the brokers: into the input topics, as others send them, or into the log itself."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Final, NamedTuple, Self

from flows.broker.connection import make_admin, make_producer, topic
from flows.broker.destination import Destination
from flows.broker.errors import BrokerError, TopicMissingError, broker_error, in_words
from flows.broker.ingest.inputs import KIND_OF, MIXED
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.wire import Headers, LogMessage, message_headers, message_key
from flows.codec import Event, encode_event
from flows.sharding import BROADCAST, shards_of

SEND_TIMEOUT_S: Final = 60.0
_DOING: Final = "send events"
_BATCH_BYTES: Final = 262_144
_KINDS: Final = {
    Destination.EVENTS: (MIXED,),
    Destination.TOPICS: tuple(KIND_OF),
    Destination.SHARD_LOG: (SHARD_LOG,),
}
_TOPIC_OF: Final = {kind: name for name, kind in KIND_OF.items()}


class _Record(NamedTuple):
    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers


class EventSender:
    """Sends events in order; what concerns one user stays in order.

    A context manager: it leaves when the brokers have stored everything. After an error it is done with; all
    may be sent again then, since every event id counts once.

    Parameters
    ----------
    linger_ms
        How long a record waits for others to go with it: more is faster in bulk.

    Raises
    ------
    BrokerError
        When the brokers can't be reached, or lack a topic that is needed.
    """

    def __init__(self, params: KafkaParams, to: Destination, linger_ms: int = 50) -> None:
        self._params = params
        self._to = to
        self._failure: BaseException | None = None
        self.records: Counter[str] = Counter()
        """Records sent by topic; a broadcast event is one per shard."""
        kinds = {
            Destination.EVENTS: (MIXED,),
            Destination.TOPICS: KIND_OF,
            Destination.SHARD_LOG: (SHARD_LOG,),
        }
        names = [topic(params, kind) for kind in kinds[to]]
        _require_topics(params, names)
        self._producer = make_producer(
            params,
            linger_ms=linger_ms,
            batch_size=_BATCH_BYTES,
            max_block_ms=round(SEND_TIMEOUT_S * 1_000),
            delivery_timeout_ms=round(SEND_TIMEOUT_S * 1_000),
        )
        for name in names:
            self._require_partitions(name)

    def takes(self, event: Event) -> bool:
        """Whether the destination is for events of this kind."""
        return self._to is Destination.SHARD_LOG or event.kind in _TOPIC_OF

    def send(self, event: Event, arrival_us: int) -> None:
        """Send one event; ``arrival_us`` is Unix time, for a log record.

        Raises
        ------
        BrokerError
            When this or an earlier event could not be stored.
        """
        self._send(self._records(event, arrival_us))

    def send_as_it_is(self, kind: str, partition: int, key: bytes, value: bytes) -> None:
        """Send what may be no event at all into an input topic: for drills.

        Raises
        ------
        BrokerError
            As for :meth:`send`.
        """
        self._send([_Record(topic(self._params, kind), partition, key, value, [])])

    def _send(self, records: Iterable[_Record]) -> None:
        self._check()
        with in_words(self._params, _DOING):
            for name, partition, key, value, headers in records:
                sent = self._producer.send(name, value, key, headers=headers, partition=partition)
                sent.add_errback(self._note_failure)
                self.records[name] += 1

    def flush(self) -> None:
        """Return when everything is stored.

        Raises
        ------
        BrokerError
            When something could not be stored.
        """
        with in_words(self._params, _DOING):
            self._producer.flush(SEND_TIMEOUT_S)
        self._check()

    def _note_failure(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _check(self) -> None:
        if self._failure is not None:
            raise broker_error(self._params, _DOING, self._failure)

    def _records(self, event: Event, arrival_us: int) -> Iterator[_Record]:
        key = message_key(event)
        if self._to is Destination.SHARD_LOG:
            message = LogMessage.of(event, arrival_us)
            name, headers = topic(self._params, SHARD_LOG), message_headers(message)
            for shard in shards_of(event, self._params.shards):
                yield _Record(name, shard, key, message.record.payload, headers)
            return
        # One partition for all that belongs to no user: ticks of an asset stay in order.
        partition = 0 if isinstance(event, BROADCAST) else shards_of(event, self._params.shards)[0]
        kind = MIXED if self._to is Destination.EVENTS else _TOPIC_OF[event.kind]
        yield _Record(topic(self._params, kind), partition, key, encode_event(event), [])

    def _require_partitions(self, name: str) -> None:
        """Refuse a topic where users would come into the wrong shards."""
        wanted, there = self._params.shards, len(self._producer.partitions_for(name))
        exact = self._to is Destination.SHARD_LOG
        if there < wanted or (exact and there > wanted):
            self._producer.close(0.0)
            raise BrokerError(f"{name}: has {there} partitions, but kafka.shards is {wanted}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self._producer.close(1.0)


def _require_topics(params: KafkaParams, names: Sequence[str]) -> None:
    with closing(make_admin(params)) as admin, in_words(params, "list the topics"):
        there = set(admin.list_topics())
    if missing := [name for name in names if name not in there]:
        said = f"no topic {', '.join(missing)}; `tapwatch topics apply` makes what is missing"
        raise TopicMissingError(f"Kafka at {', '.join(params.bootstrap)}: {said}")
