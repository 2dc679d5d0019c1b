"""A client that is wrong about its membership, or fetches no more, is found out."""

from contextlib import closing

import pytest

import flows.broker.shards.membership as module
from flows.broker.connection import make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.shards.group import Listener, ShardGroup
from flows.broker.shards.membership import Membership
from tests.flows.broker.outboxes_made import wait_until
from tests.kafka_level import MakeKafkaParams


def nothing(_shards: object) -> None:
    pass


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=2, session_timeout_s=1.0)


def test_whom_the_group_does_not_know_is_no_member(params: KafkaParams) -> None:
    membership = Membership(params, lambda: "somebody-else", dict)
    membership.start()
    assert membership.gone.wait(60)
    membership.stop()


def test_a_member_is_left_alone_and_who_joins_anew_is_one(params: KafkaParams) -> None:
    group = ShardGroup(params, "m")
    listener = Listener(nothing, nothing, nothing)
    group.join(listener)
    membership = Membership(params, group.member_id, dict)
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
    with closing(make_producer(params)) as producer:
        producer.send(topic(params, "shard-log"), b"{}", partition=1)
        producer.flush()
    stalled = Membership(params, str, lambda: {0: 0, 1: 0})
    stalled.start()
    assert stalled.gone.wait(60)
    stalled.stop()
    fine = Membership(params, str, lambda: {0: 0, 1: 1})
    fine.start()
    assert not fine.gone.wait(4)
    fine.stop()
