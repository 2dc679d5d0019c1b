"""How the engine on Kafka is doing, as the brokers know it: no process of ours is asked.

What a shard has behind it stands in the commits of the shards' group, what it has before it in its partition.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kafka import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    LeaderNotAvailableError,
    NotCoordinatorError,
    NotLeaderForPartitionError,
)
from kafka.structs import TopicPartition

from flows.broker.committed import ingest_group, published_of, shard_group
from flows.broker.connection import make_admin, topic
from flows.broker.errors import in_words
from flows.broker.params import KafkaParams
from flows.broker.survey import Commits, Group, Span, read_groups, read_records, read_spans
from flows.broker.topic_specs import DEAD_LETTERS, INPUTS, SHARD_LOG
from flows.broker.wire import LogMessage, read_message

STABLE: Final = "Stable"
_MOVING_S: Final = 10.0
"""How long brokers that have just begun, or are finding leaders, are waited for."""
_MOVING: Final = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    LeaderNotAvailableError,
    NotCoordinatorError,
    NotLeaderForPartitionError,
)

Spans = Mapping[TopicPartition, Span]
Records = Mapping[TopicPartition, ConsumerRecord]


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """How far a shard is.

    ``lag_s`` is the age of the oldest record that is not worked off and published, None where there is none.
    ``published_event_time`` is the event time of the last that is.
    """

    shard: int
    owner: str | None
    log_end: int
    published_offset: int
    published_position: int
    lag_records: int
    lag_s: float | None
    published_event_time: datetime | None


@dataclass(frozen=True, slots=True)
class InputStatus:
    """How far an input topic is read; ``lag_s`` is the age of the oldest record that is not."""

    topic: str
    lag_records: int
    lag_s: float | None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """Groups, shards and inputs.

    ``dead_letters`` counts what their topic holds: the letters, and a mark for each that was sent again.
    """

    shard_group: Group
    ingest_group: Group
    shards: Sequence[ShardStatus]
    inputs: Sequence[InputStatus]
    dead_letters: int
    shards_configured: int

    @property
    def behind(self) -> int:
        """Records that are not read, or not worked off and published."""
        return sum(each.lag_records for each in self.shards) + sum(each.lag_records for each in self.inputs)

    def problems(self, max_lag_s: float) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        return [*self._of_settings(), *self._of_shards(max_lag_s), *self._of_inputs(max_lag_s)]

    def _of_settings(self) -> Iterator[str]:
        if self.shards_configured != len(self.shards):
            yield f"the shard log has {len(self.shards)} partitions, kafka.shards is {self.shards_configured}"

    def _of_shards(self, max_lag_s: float) -> Iterator[str]:
        group = self.shard_group
        if not group.members:
            yield f"no process runs shards: group {group.name} has no members"
        elif group.state != STABLE:
            yield f"shards change hands: group {group.name} is {group.state}"
        for shard in self.shards:
            if group.members and shard.owner is None:
                yield f"shard {shard.shard} has no owner"
            if shard.lag_s is not None and shard.lag_s > max_lag_s:
                yield f"shard {shard.shard} is {shard.lag_s:,.1f} s behind; allowed: {max_lag_s:g} s"

    def _of_inputs(self, max_lag_s: float) -> Iterator[str]:
        waiting = [each for each in self.inputs if each.lag_records]
        if waiting and not self.ingest_group.members:
            yield f"nobody reads the input topics: group {self.ingest_group.name} has no members"
        for each in waiting:
            if each.lag_s is not None and each.lag_s > max_lag_s:
                yield f"{each.topic} is {each.lag_s:,.1f} s behind; allowed: {max_lag_s:g} s"


def read_status(params: KafkaParams) -> ClusterStatus:
    """How the engine with these topics is doing.

    Raises
    ------
    BrokerError
        When the brokers can't be asked.
    """
    admin = make_admin(params)
    try:
        with in_words(params, "read groups and topics"):
            over = time.monotonic() + _MOVING_S
            while True:
                try:
                    return _read_status(params, admin)
                except _MOVING:
                    if time.monotonic() > over:
                        raise
                time.sleep(_MOVING_S / 50)
    finally:
        admin.close()


def _read_status(params: KafkaParams, admin: KafkaAdminClient) -> ClusterStatus:
    names = (shard_group(params), ingest_group(params))
    # First what is done, then what there is: the other way round something could be done before it is there.
    (shards, published), (ingest, read) = read_groups(admin, names).values()
    log = read_spans(admin, [topic(params, SHARD_LOG)])
    inputs = read_spans(admin, [topic(params, kind) for kind in INPUTS])
    dead = read_spans(admin, [topic(params, DEAD_LETTERS)])
    done = {place: _done(published, place, log[place]) for place in log}
    done |= {place: _done(read, place, inputs[place]) for place in inputs}
    last = {place: done[place] - 1 for place in log if done[place] > log[place].begin}
    waiting, before = read_records(params, (done, last), {**log, **inputs})
    return ClusterStatus(
        shard_group=shards,
        ingest_group=ingest,
        shards=[
            _shard(place, shards, log[place], published, waiting.get(place), before.get(place))
            for place in sorted(log)
        ],
        inputs=_inputs(inputs, done, waiting),
        dead_letters=sum(span.end - span.begin for span in dead.values()),
        shards_configured=params.shards,
    )


def _done(commits: Commits, place: TopicPartition, span: Span) -> int:
    commit = commits.get(place)
    return max(span.begin, 0 if commit is None else commit.offset or 0)


def _shard(
    place: TopicPartition,
    group: Group,
    span: Span,
    commits: Commits,
    waiting: ConsumerRecord | None,
    before: ConsumerRecord | None,
) -> ShardStatus:
    published = published_of(commits.get(place))
    oldest, last = _message(waiting), _message(before)
    owners = [f"{each.client_id} at {each.host}" for each in group.members if place in each.partitions]
    arrived_s = None
    if waiting is not None and oldest is not None:
        # The first policy of a log came by no edge, and has no time of arrival there.
        arrived_s = oldest.record.arrival_us / 1_000_000 or waiting.timestamp / 1_000
    return ShardStatus(
        shard=place.partition,
        owner=owners[0] if owners else None,
        log_end=span.end,
        published_offset=published.offset,
        published_position=published.position,
        # What is left may be marks of transactions, which nobody gets to see.
        lag_records=0 if waiting is None else max(0, span.end - max(published.offset, span.begin)),
        lag_s=_age_s(arrived_s),
        published_event_time=None if last is None else last.record.event.event_time,
    )


def _message(record: ConsumerRecord | None) -> LogMessage | None:
    if record is None:
        return None
    message = read_message(record.value, record.headers, f"{record.topic}/{record.partition}@{record.offset}")
    return message if isinstance(message, LogMessage) else None


def _inputs(spans: Spans, done: Mapping[TopicPartition, int], waiting: Records) -> list[InputStatus]:
    found = []
    for name in dict.fromkeys(place.topic for place in spans):
        places = [place for place in spans if place.topic == name]
        came_s = [waiting[place].timestamp / 1_000 for place in places if place in waiting]
        lag = sum(max(0, spans[place].end - done[place]) for place in places if place in waiting)
        found.append(InputStatus(name, lag, _age_s(min(came_s, default=None))))
    return found


def _age_s(since: float | None) -> float | None:
    return None if since is None else max(0.0, round(time.time() - since, 3))
