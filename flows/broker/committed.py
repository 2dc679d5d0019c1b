"""What is published, as the group of the shard processes has it on record.

A publisher commits, in the transaction of what it publishes, the offset up to which a shard's partition is
worked off, and the log position as the commit's metadata: a position can't be told from an offset, as
duplicates have offsets and no positions.
"""

from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

import structlog
from kafka.structs import OffsetAndMetadata, TopicPartition

from flows.broker.connection import make_consumer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG

_log = structlog.get_logger(__name__)


class Published(NamedTuple):
    """How far a shard is published: the log position, and the offset that its partition goes on at."""

    position: int
    offset: int


def shard_group(params: KafkaParams) -> str:
    """The consumer group of the shard processes."""
    return f"{params.prefix}-shards"


def ingest_group(params: KafkaParams) -> str:
    """The consumer group of the processes that read the input topics."""
    return f"{params.prefix}-ingest"


def shard_partition(params: KafkaParams, shard: int) -> TopicPartition:
    """The partition that is a shard's log."""
    return TopicPartition(topic(params, SHARD_LOG), shard)


def commit_of(published: Published) -> OffsetAndMetadata:
    """What is committed to the group for a shard."""
    return OffsetAndMetadata(published.offset, str(published.position))


def published_of(commit: OffsetAndMetadata | None) -> Published:
    """What a group's commit says; the start where there is none, or one that another program made."""
    if commit is None or commit.offset is None or commit.offset < 0:
        return Published(0, 0)
    if not commit.metadata.isdecimal():
        _log.warning("commit_without_position", offset=commit.offset, metadata=commit.metadata[:64])
        return Published(0, commit.offset)
    return Published(int(commit.metadata), commit.offset)


def read_published(
    params: KafkaParams, shards: Iterable[int], timeout_s: float, *, certain: bool = True
) -> dict[int, Published]:
    """How far shards are published.

    Waits until transactions that are under way for them have ended, one way or the other; unless ``certain``
    is False: then it is at least so far.

    Raises
    ------
    KafkaError
        When the brokers can't say in time.
    """
    found: dict[int, Published] = {}
    level = "read_committed" if certain else "read_uncommitted"
    with closing(make_consumer(params, group_id=shard_group(params), isolation_level=level)) as consumer:
        for shard in shards:
            place = shard_partition(params, shard)
            commit = consumer.committed(place, metadata=True, timeout_ms=round(timeout_s * 1_000))
            assert not isinstance(commit, int)
            found[shard] = published_of(commit)
    return found
