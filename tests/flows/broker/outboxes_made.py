"""Shard files with decisions in them, and what a topic holds."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from detectors.events import Payment
from flows.broker.committed import shard_group
from flows.broker.connection import make_consumer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from flows.codec import Event
from flows.log import NewRecord
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask
from tests.flows.shards_made import payment, policy

PATIENCE_S = 60.0


class ShardFile:
    """A shard file that a task writes; every record takes two offsets of its partition."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(exist_ok=True)
        self._shard = SqliteShard(path)
        self._task = ShardTask(self._shard, self._shard.find)
        self._payments = 0
        self.add(policy())

    def add(self, *events: Event) -> None:
        """Append events, apply them and store what came of it."""
        before = self._shard.end
        with self._shard.writing():
            for event in events:
                self._shard.append_one(NewRecord.of(event, arrival_us=1_000_000))
            self._shard.note_offset(2 * self._shard.end)
        for record in self._shard.read(before, len(events)):
            self._task.apply(record)
        self._shard.commit(self._task.changes())

    def pay(self, count: int, **changes: object) -> list[Payment]:
        """Payments that were not there before."""
        made = [payment(self._payments + number, **changes) for number in range(count)]
        self._payments += count
        self.add(*made)
        return made

    @property
    def position(self) -> int:
        return self._shard.position

    def decisions(self) -> list[tuple[int, bytes]]:
        """All that is in the ledger, in order, with the log positions."""
        return [(row.position, row.decision) for row in self._shard.ledger_after(0, 1_000_000)]

    def close(self) -> None:
        self._shard.close()


def published(params: KafkaParams, kind: str, shard: int = 0) -> list[ConsumerRecord]:
    """What a partition holds for readers of what is committed."""
    place = TopicPartition(topic(params, kind), shard)
    found: list[ConsumerRecord] = []
    with closing(make_consumer(params)) as consumer:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        deadline = time.monotonic() + PATIENCE_S
        while (consumer.position(place) or 0) < end:
            assert time.monotonic() < deadline, "the partition can't be read to its end"
            for records in consumer.poll(timeout_ms=200).values():
                found += records
    return found


def positions_and_values(records: list[ConsumerRecord]) -> list[tuple[int, bytes]]:
    return [(int(dict(record.headers)["log-position"]), record.value) for record in records]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.02)


def joined(params: KafkaParams) -> KafkaConsumer:
    """A member of the group of the shard processes that has been given partitions."""
    name = topic(params, SHARD_LOG)
    consumer = make_consumer(params, group_id=shard_group(params))
    # A client that leads the group before it has heard of the topic gives nobody anything.
    wait_until(lambda: bool(consumer.partitions_for_topic(name)), "the topic is known")
    consumer.subscribe([name])

    def assigned() -> bool:
        consumer.poll(timeout_ms=50)
        return bool(consumer.assignment())

    wait_until(assigned, "the consumer is given partitions")
    return consumer


def nobody_fences(reason: str) -> None:
    raise AssertionError(f"fenced: {reason}")
