"""What brokers know of groups and partitions, as plain values."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError, for_code
from kafka.protocol.consumer.offsets import IsolationLevel
from kafka.structs import OffsetAndMetadata, TopicPartition

from flows.broker.connection import make_consumer
from flows.broker.params import KafkaParams

Commits = Mapping[TopicPartition, OffsetAndMetadata]

PATIENCE_S: Final = 15.0
_POLL_MS: Final = 200
_FETCH_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Member:
    """A process in a group: the name that it gives itself, where it runs, and what it was given."""

    client_id: str
    host: str
    partitions: Sequence[TopicPartition]


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; ``state`` is the brokers' word for it, ``Dead`` where there is none."""

    name: str
    state: str
    members: Sequence[Member]


@dataclass(frozen=True, slots=True)
class Span:
    """Which offsets a partition holds: from ``begin`` up to and without ``end``."""

    begin: int
    end: int


def read_groups(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, tuple[Group, Commits]]:
    """Groups with what they have committed."""
    described = admin.describe_groups(names)
    commits = admin.list_group_offsets(dict.fromkeys(names))  # type: ignore[no-untyped-call]
    return {name: (_group(name, described[name]), commits[name]) for name in names}


def _group(name: str, described: Mapping[str, Any]) -> Group:
    members = [
        Member(each["client_id"], each["client_host"].lstrip("/"), _given(each["member_assignment"]))
        for each in described["members"]
    ]
    return Group(name, described["group_state"], sorted(members, key=lambda member: member.client_id))


def _given(assignment: object) -> list[TopicPartition]:
    if not isinstance(assignment, dict):
        return []  # the group is being formed
    return [
        TopicPartition(each["topic"], number)
        for each in assignment["assigned_partitions"]
        for number in each["partitions"]
    ]


def read_spans(admin: KafkaAdminClient, topics: Sequence[str]) -> dict[TopicPartition, Span]:
    """All partitions of topics, with the offsets that they hold.

    Raises
    ------
    KafkaError
        When a topic is not there.
    """
    described = admin.describe_topics(topics)
    for found in described:
        if found["error_code"]:
            kind = for_code(found["error_code"])  # type: ignore[no-untyped-call]
            raise kind(f"{found['name']} is not there")
    places = [
        TopicPartition(found["name"], partition["partition_index"])
        for found in described
        for partition in found["partitions"]
    ]
    # Up to where readers get: what belongs to an open transaction, they don't.
    begins, ends = (
        admin.list_partition_offsets(dict.fromkeys(places, spec), IsolationLevel.READ_COMMITTED)
        for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )
    return {place: Span(begins[place].offset, ends[place].offset) for place in places}


def read_records(
    params: KafkaParams, rounds: Iterable[Mapping[TopicPartition, int]], spans: Mapping[TopicPartition, Span]
) -> list[dict[TopicPartition, ConsumerRecord]]:
    """For each round the record at or behind an offset of each partition, where there is one.

    Raises
    ------
    KafkaError
        When the brokers don't say in time.
    """
    with closing(make_consumer(params, max_partition_fetch_bytes=_FETCH_BYTES)) as consumer:
        found: list[dict[TopicPartition, ConsumerRecord]] = []
        for offsets in rounds:
            found.append({})
            waiting = {place: at for place, at in offsets.items() if at < spans[place].end}
            consumer.assign(list(waiting))
            for place, at in waiting.items():
                consumer.seek(place, max(at, spans[place].begin))
            deadline = time.monotonic() + PATIENCE_S
            while waiting:
                if time.monotonic() > deadline:
                    raise KafkaTimeoutError(f"no answer in {PATIENCE_S:g} s")
                for place, records in consumer.poll(timeout_ms=_POLL_MS).items():
                    found[-1].setdefault(place, records[0])
                # The end of a partition may be marks of transactions, which nobody gets to see.
                waiting = {
                    place: at
                    for place, at in waiting.items()
                    if place not in found[-1] and (consumer.position(place) or 0) < spans[place].end
                }
    return found
