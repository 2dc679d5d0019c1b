"""What a shard's partition holds before its live end, read apart from the partitions that are live.

The Kafka client hands out what it fetched partition by partition: a shard that is thousands of records behind
would hold up all others until it has caught up. So it is read by a client of its own, a little at a time.
"""

from typing import Any, Final

import structlog
from kafka.errors import KafkaError

from flows.broker.committed import shard_partition
from flows.broker.connection import abandon, make_consumer
from flows.broker.params import KafkaParams
from flows.broker.wire import Fetched

FEW: Final = 32
"""So many records are left to the client of the live partitions."""
_FETCH_BYTES: Final = 1 << 18

_log = structlog.get_logger(__name__)


class Backlog:
    """The records of one shard's partition; connects at once, and for one thread at a time.

    Raises
    ------
    BrokerError, KafkaError
        When the brokers can't say what the partition holds.
    """

    def __init__(self, params: KafkaParams, shard: int) -> None:
        self._place = shard_partition(params, shard)
        self._consumer = make_consumer(
            params, isolation_level="read_uncommitted", max_partition_fetch_bytes=_FETCH_BYTES
        )
        self._consumer.assign([self._place])
        try:
            self.begin = self._consumer.beginning_offsets([self._place])[self._place]
            """The offset of the first record."""
            self._end = self._consumer.end_offsets([self._place])[self._place]
        except BaseException:
            self.close()
            raise

    @property
    def topic_id(self) -> str | None:
        """What the brokers call the shard log that this reads, if they said."""
        consumer: Any = self._consumer  # it has the ids with the other metadata, and no public name for them
        found = consumer._client.cluster.topic_id(self._place.topic)
        return None if found is None else str(found)

    @property
    def end(self) -> int:
        """Behind which offset the partition ended when something was last heard of it."""
        return max(self._end, self._consumer.highwater(self._place) or 0)

    def seek(self, offset: int) -> None:
        """Read from this offset on."""
        self._consumer.seek(self._place, offset)

    def read(self, most: int) -> list[Fetched]:
        """The next records as far as they are here, ``most`` at most."""
        try:
            polled = self._consumer.poll(timeout_ms=0, max_records=most)
        except KafkaError as error:
            _log.warning("shard_log_not_read", error=repr(error))
            return []
        return [Fetched(each.offset, each.value, each.headers) for each in polled.get(self._place, ())]

    def is_over(self, next_offset: int) -> bool:
        """Whether the few records behind an offset may be left to others."""
        return self.end - next_offset <= FEW

    def close(self) -> None:
        """Read no more; returns at once."""
        abandon(self._consumer)
