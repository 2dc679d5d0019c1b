"""A client that is wrong about its membership, or fetches no more, is found out."""

from contextlib import closing

import pytest

import flows.broker.membership as module
from flows.broker.committed import shard_group, shard_partition
from flows.broker.connection import make_producer, topic
from flows.broker.ingest.input_topics import InputTopics
from flows.broker.membership import Membership
from flows.broker.params import KafkaParams
from flows.broker.shards.group import Listener, ShardGroup
from tests.flows.broker.outboxes_made import wait_until
from tests.kafka_level import MakeKafkaParams


def nothing(_shards: object) -> None:
    pass


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=2, session_timeout_s=1.0)


def test_whom_the_group_does_not_know_is_no_member(params: KafkaParams) -> None:
    membership = Membership(params, shard_group(params), lambda: "somebody-else", dict)
    membership.start()
    assert membership.gone.wait(60)
    membership.stop()


def test_a_member_is_left_alone_and_who_joins_anew_is_one(params: KafkaParams) -> None:
    group = ShardGroup(params, "m")
    listener = Listener(nothing, nothing, nothing)
    group.join(listener)
    membership = Membership(params, shard_group(params), group.member_id, dict)
    membership.start()
    try:
        wait_until(lambda: group.poll(0.05, 10) == {} and group.member_id() != "", "a member")
        first = group.member_id()
        for _ in range(60):  # three seconds: several looks
            group.poll(0.05, 10)
        assert not membership.gone.is_set()
        group.renew(listener)
        wait_until(
            lambda: group.poll(0.05, 10) == {} and group.member_id() not in ("", first), "another member"
        )
    finally:
        membership.stop()
        group.close()


def test_a_shard_whose_log_goes_on_without_being_fetched_is_found(
    params: KafkaParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED_S", 1.0)
    first, second = (shard_partition(params, shard) for shard in (0, 1))
    with closing(make_producer(params)) as producer:
        for _ in range(2):
            producer.send(topic(params, "shard-log"), b"{}", partition=1)
        producer.flush()
    stalled = Membership(params, shard_group(params), str, lambda: {first: 0, second: None})
    stalled.start()
    assert stalled.gone.wait(60)
    stalled.stop()
    fine = Membership(params, shard_group(params), str, lambda: {first: None, second: 2})
    fine.start()
    assert not fine.gone.wait(4)
    fine.stop()


def test_an_ingest_whose_client_fetches_no_more_reads_on_with_another(
    params: KafkaParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED_S", 1.0)
    name = topic(params, "events")
    topics = InputTopics(params, [name], max_batch=10, note_every_s=0.1, assigned=nothing)
    with closing(topics), closing(make_producer(params)) as producer:
        wait_until(lambda: topics.poll() == [] and topics.joined, "a member")
        topics._consumer.pause(*topics._consumer.assignment())
        stalled = topics._consumer
        for value in (b"one", b"two"):
            producer.send(name, value, partition=0)
        producer.flush()
        came: list[bytes | None] = []

        def read() -> bool:
            came.extend(each.value for each in topics.poll())
            return len(came) == 2

        wait_until(read, "the records")
        assert came == [b"one", b"two"]
        assert topics._consumer is not stalled
