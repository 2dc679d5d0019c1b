"""A topic read from its start: to where it ends now, or as it grows; for tools and checks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from flows.broker.connection import make_consumer, topic
from flows.broker.errors import BrokerUnreachableError, TopicMissingError, in_words
from flows.broker.params import KafkaParams
from flows.broker.wire import Headers

PATIENCE_S: Final = 30.0
_POLL_MS: Final = 200


class TopicRecord(NamedTuple):
    """A record as it stands in a topic; ``timestamp_ms`` is Unix time, when the broker got it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


def read_topic(
    params: KafkaParams, kind: str, partitions: Sequence[int] | None = None, patience_s: float = PATIENCE_S
) -> Iterator[TopicRecord]:
    """What ``<prefix>.<kind>.v1`` holds and is committed, up to where it ends when the reading begins.

    Each partition comes in its order; records of several partitions come mixed.

    Parameters
    ----------
    partitions
        Which ones to read; all of them without.
    patience_s
        How long nothing may come before the end is reached.

    Raises
    ------
    BrokerError
        When the brokers don't answer, have no such topic, or give nothing for ``patience_s``.
    """
    name = topic(params, kind)
    with closing(make_consumer(params)) as consumer, in_words(params, f"read {name}"):
        there = consumer.partitions_for_topic(name)
        if not there:
            raise TopicMissingError(f"Kafka at {', '.join(params.bootstrap)}: no topic {name}")
        places = [TopicPartition(name, number) for number in partitions or sorted(there)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        yield from _read(consumer, consumer.end_offsets(places), patience_s)


def _read(
    consumer: KafkaConsumer, ends: Mapping[TopicPartition, int], patience_s: float
) -> Iterator[TopicRecord]:
    patient_until = time.monotonic() + patience_s
    # Not by the last record: the end of a partition may be the mark of a transaction.
    while behind := [place for place, end in ends.items() if (consumer.position(place) or 0) < end]:
        consumer.pause(*(place for place in ends if place not in behind))
        batches = consumer.poll(_POLL_MS)
        if batches:
            patient_until = time.monotonic() + patience_s
        elif time.monotonic() > patient_until:
            where = ", ".join(f"{place.topic}/{place.partition}" for place in behind)
            raise BrokerUnreachableError(f"{where}: nothing came for {patience_s:g} s")
        for place, records in batches.items():
            yield from (_record(each) for each in records if each.offset < ends[place])


class TopicTail:
    """Follows a topic from its start on: each :meth:`take` gives what has come and is committed.

    Raises
    ------
    BrokerError
        When the brokers don't answer, or have no such topic.
    """

    def __init__(self, params: KafkaParams, kind: str) -> None:
        name = topic(params, kind)
        self._doing, self._params = f"read {name}", params
        self._consumer = make_consumer(params)
        with in_words(params, self._doing):
            there = self._consumer.partitions_for_topic(name)
            if not there:
                self._consumer.close()
                raise TopicMissingError(f"Kafka at {', '.join(params.bootstrap)}: no topic {name}")
            places = [TopicPartition(name, number) for number in sorted(there)]
            self._consumer.assign(places)
            self._consumer.seek_to_beginning(*places)

    def take(self, wait_s: float) -> list[TopicRecord]:
        """What has come since the last call; waits for the first of it."""
        with in_words(self._params, self._doing):
            batches = self._consumer.poll(round(wait_s * 1_000))
        return [_record(each) for records in batches.values() for each in records]

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def _record(came: ConsumerRecord) -> TopicRecord:
    return TopicRecord(came.partition, came.offset, came.key, came.value, list(came.headers), came.timestamp)
