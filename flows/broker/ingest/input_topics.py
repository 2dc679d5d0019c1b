"""The input topics as one member of a consumer group reads them, and what it has noted as done."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaError
from typing_extensions import override

from flows.broker.committed import ingest_group
from flows.broker.connection import BrokerError, abandon, make_consumer
from flows.broker.ingest.bad_runs import Partition
from flows.broker.ingest.inputs import Received
from flows.broker.membership import Membership, member_id
from flows.broker.params import KafkaParams

_POLL_MS: Final = 200
_TIMEOUT_MS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1_048_576

_log = structlog.get_logger(__name__)


class InputTopics:
    """Gives records, and moves the group's offsets behind those that are done.

    Parameters
    ----------
    kafka, topics
        What to read.
    max_batch
        Records at a time.
    note_every_s
        How often offsets are committed.
    assigned
        Told which partitions this process reads, whenever that may have changed.
    """

    def __init__(
        self,
        kafka: KafkaParams,
        topics: Sequence[str],
        max_batch: int,
        note_every_s: float,
        assigned: Callable[[Collection[Partition]], None],
    ) -> None:
        self._kafka, self._names, self._max_batch = kafka, topics, max_batch
        self._note_every_s, self._tell = note_every_s, assigned
        self._done: dict[Partition, int] = {}
        self._read: dict[TopicPartition, int | None] = {}
        self._noted_at = time.monotonic()
        self.joined = False
        """Whether the group has told this process what to read."""
        self._listener = _Listener(self)
        self._consumer = self._connect()
        self._membership = Membership(kafka, ingest_group(kafka), self._member_id, lambda: dict(self._read))
        self._membership.start()

    def _connect(self) -> KafkaConsumer:
        consumer = make_consumer(
            self._kafka,
            group_id=ingest_group(self._kafka),
            max_poll_records=self._max_batch,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        if missing := set(self._names) - consumer.topics():
            _log.warning("topics_missing", topics=sorted(missing), then="they are read once they are there")
        consumer.subscribe(list(self._names), listener=self._listener)
        return consumer

    def _join_anew(self) -> None:
        """Our client is wrong about itself: begin as somebody else, who reads on from what was noted."""
        listener, self._listener = self._listener, _Listener(self)
        try:
            new = self._connect()
        except (BrokerError, KafkaError) as error:
            self._listener = listener
            _log.warning("group_not_joined", reason=str(error))
            return
        listener.topics = None
        old, self._consumer = self._consumer, new
        abandon(old)
        self._read.clear()
        self._done.clear()
        self._membership.gone.clear()

    def _member_id(self) -> str:
        return member_id(self._consumer)

    def poll(self) -> list[Received]:
        """The next records in the order of each partition; none after a while without any."""
        if self._membership.gone.is_set():
            self._join_anew()
        if time.monotonic() >= self._noted_at + self._note_every_s:
            self.note()
        polled = self._consumer.poll(timeout_ms=_POLL_MS)
        for place, records in polled.items():
            self._read[place] = records[-1].offset + 1
        return [record for records in polled.values() for record in records]

    def done(self, offsets: Mapping[Partition, int]) -> None:
        """All records before these offsets need never be read again."""
        mine = self._consumer.assignment() if offsets else ()
        self._done |= {each: offset for each, offset in offsets.items() if TopicPartition(*each) in mine}

    def note(self) -> None:
        """Commit what is done. What can't be committed now is committed later, or read again."""
        self._noted_at = time.monotonic()
        if not self._done:
            return
        try:
            self._consumer.commit(self._offsets(), timeout_ms=_TIMEOUT_MS)
        except CommitFailedError:
            _log.warning("partitions_lost", then="who has them now reads on from what was noted before")
        except KafkaError as error:
            _log.warning("offsets_not_noted", reason=type(error).__name__, then="they are noted later")
            return
        self._done.clear()

    def behind(self) -> int:
        """How many records of this process's partitions are not read yet, as far as it has heard."""
        behind = 0
        for each in self._consumer.assignment():
            end: Any = self._consumer.highwater(each)
            at: Any = None if end is None else self._consumer.position(each, timeout_ms=_TIMEOUT_MS)
            if at is not None:
                behind += max(0, end - at)
        return behind

    def _offsets(self) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in self._done.items()
        }

    def assigned(self) -> None:
        """The group has said what this process reads."""
        assigned = self._consumer.assignment()
        self._read = {each: self._read.get(each) for each in assigned}
        mine = {(each.topic, each.partition) for each in assigned}
        self.joined = True
        self._tell(mine)
        _log.info("partitions_assigned", count=len(mine))

    def revoked(self, partitions: Sequence[Any]) -> None:
        """The group takes these partitions away.

        What is done is noted without waiting for it, as this is called on the client's own thread. If that
        fails, or a batch is still on its way, the next process writes some records again. Both write each
        partition in its order without gaps, so that by event ids it stays the order of the first time.
        """
        if self._done:
            self._consumer.commit_async(self._offsets())
        self.lost(partitions)

    def lost(self, partitions: Sequence[Any]) -> None:
        """These partitions are somebody else's already."""
        for each in partitions:
            self._done.pop((each.topic, each.partition), None)
            self._read.pop(each, None)

    def close(self) -> None:
        """Note what is done and leave the group, so that others need not wait for this process."""
        self._membership.stop()
        self.note()
        try:
            self._consumer.close(autocommit=False, timeout_ms=_TIMEOUT_MS)
        except KafkaError as error:
            _log.warning("consumer_closed_early", reason=type(error).__name__)


class _Listener(ConsumerRebalanceListener):
    def __init__(self, topics: InputTopics) -> None:
        self.topics: InputTopics | None = topics
        """Whom to tell; None for the listener of a client that was replaced."""

    @override
    def on_partitions_assigned(self, assigned: Any) -> None:
        if self.topics is not None:
            self.topics.assigned()

    @override
    def on_partitions_revoked(self, revoked: Any) -> None:
        if self.topics is not None:
            self.topics.revoked(revoked)

    @override
    def on_partitions_lost(self, lost: Any) -> None:
        if self.topics is not None:
            self.topics.lost(lost)
