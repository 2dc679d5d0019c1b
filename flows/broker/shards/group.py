"""Membership in the group that shares out the shards: who owns which, and what their partitions hold."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from kafka import ConsumerGroupMetadata, ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from flows.broker.committed import shard_group
from flows.broker.connection import abandon, make_consumer, topic
from flows.broker.membership import member_id
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.broker.wire import Fetched

_FETCH_BYTES: Final = 1 << 18
"""What is fetched of one partition at once: a shard that catches up must not hold up the others for long."""
_MAX_POLL_S: Final = 300
_HEARTBEAT_MS: Final = 500

_log = structlog.get_logger(__name__)


class Listener(ConsumerRebalanceListener):
    """Hands changes of ownership on, as numbers of shards; called while :meth:`ShardGroup.poll` waits."""

    def __init__(
        self,
        given: Callable[[Sequence[int]], None],
        taken: Callable[[Sequence[int]], None],
        lost: Callable[[Sequence[int]], None],
    ) -> None:
        self._given, self._taken, self._lost = given, taken, lost

    def mute(self) -> None:
        """Hand nothing on any more."""
        self._given = self._taken = self._lost = _nothing

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These shards are ours from now on."""
        self._given(_numbers(assigned))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """These shards go to another process as soon as this returns."""
        self._taken(_numbers(revoked))

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """These shards have another owner already."""
        self._lost(_numbers(lost))


class ShardGroup:
    """One member of the group ``<prefix>-shards``. A shard's messages come once it was told where to start.

    Not safe for threads, apart from :meth:`metadata`.
    """

    def __init__(self, params: KafkaParams, member: str) -> None:
        self._params = params
        self._member = member
        self._topic = topic(params, SHARD_LOG)
        self._consumer = self._connect()

    def _connect(self) -> KafkaConsumer:
        return make_consumer(
            self._params,
            group_id=shard_group(self._params),
            client_id=self._member,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            isolation_level="read_uncommitted",
            max_partition_fetch_bytes=_FETCH_BYTES,
            max_poll_interval_ms=_MAX_POLL_S * 1_000,
            # A member hears with a heartbeat that shards are to be had, or to be given.
            heartbeat_interval_ms=min(_HEARTBEAT_MS, round(self._params.session_timeout_s * 1_000) // 3),
        )

    def renew(self, listener: Listener) -> None:
        """Become another member, with another client; the old one is left to itself.

        Raises
        ------
        BrokerError
            When the brokers can't be reached; to be tried again.
        """
        old, self._consumer = self._consumer, self._connect()
        abandon(old)  # it may tell of shards that it takes for ours: nobody listens
        self.join(listener)

    def join(self, listener: Listener) -> None:
        """Become a member with the first poll."""
        # A leader of the group that knows no partitions yet would share out nothing.
        self._consumer.partitions_for_topic(self._topic)
        self._consumer.subscribe([self._topic], listener=listener)

    def hold(self, shards: Sequence[int]) -> None:
        """Fetch nothing of these shards for now."""
        self._consumer.pause(*map(self._partition, shards))

    def begin(self, shard: int, offset: int) -> bool:
        """Fetch a shard's messages from an offset on; False when it is not ours any more."""
        partition = self._partition(shard)
        if partition not in self._consumer.assignment():
            return False
        self._consumer.seek(partition, offset)
        self._consumer.resume(partition)
        return True

    def known_end(self, shard: int) -> int:
        """Behind which offset a shard's partition ended when something was last fetched; 0 before that."""
        partition = self._partition(shard)
        return self._consumer.highwater(partition) or 0 if partition in self._consumer.assignment() else 0

    def poll(self, timeout_s: float, most: int) -> dict[int, list[Fetched]]:
        """The next messages by shard, ``most`` at most in all; a broker that is away is waited for."""
        try:
            polled = self._consumer.poll(timeout_ms=round(timeout_s * 1_000), max_records=most)
        except KafkaError as error:
            _log.warning("shard_log_not_read", error=repr(error))
            return {}
        return {
            partition.partition: [Fetched(each.offset, each.value, each.headers) for each in messages]
            for partition, messages in polled.items()
        }

    def metadata(self) -> ConsumerGroupMetadata:
        """This member and its generation, for a transaction that only an owner may commit."""
        found: ConsumerGroupMetadata = self._consumer.group_metadata()  # type: ignore[no-untyped-call]
        return found

    def member_id(self) -> str:
        """What the group calls us; empty while we are not in it."""
        return member_id(self._consumer)

    def close(self) -> None:
        """Leave: others get the shards at once."""
        self._consumer.close()

    def _partition(self, shard: int) -> TopicPartition:
        return TopicPartition(self._topic, shard)


def _nothing(_shards: Sequence[int]) -> None:
    """Nobody listens."""


def _numbers(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
