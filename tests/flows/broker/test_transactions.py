"""Transactions that fail: what the group refused leaves nothing behind, what does not end is given up."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from kafka import KafkaConsumer
from kafka.admin import ConfigResource
from kafka.errors import CommitFailedError, KafkaError, KafkaTimeoutError

from flows.broker.committed import Published, read_published
from flows.broker.connection import make_admin, topic
from flows.broker.params import KafkaParams
from flows.broker.publishing import transactions
from flows.broker.publishing.outbox import Outgoing, Row
from flows.broker.publishing.transactions import TransactionalOutlet
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DECISIONS
from replay.drills.kafka_server import KafkaServer
from tests.flows.broker.outboxes_made import joined, wait_until


@pytest.fixture
def member(kafka_params: KafkaParams) -> Iterator[KafkaConsumer]:
    with closing(joined(kafka_params)) as consumer:
        yield consumer


@pytest.mark.parametrize("kafka_params", [2], indirect=True)
def test_a_commit_that_was_refused_is_not_made_by_the_next_transaction(
    kafka_params: KafkaParams, member: KafkaConsumer
) -> None:
    now = member.group_metadata()  # type: ignore[no-untyped-call]
    before = now._replace(generation_id=now.generation_id - 1)
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)) as outlet:
        with pytest.raises(CommitFailedError):
            outlet.publish([], {0: Published(50, 51)}, before)
        outlet.abort()
        outlet.publish([], {1: Published(10, 11)}, now)
    assert read_published(kafka_params, [0, 1], 30.0) == {0: Published(0, 0), 1: Published(10, 11)}


def test_where_one_message_is_given_up_nothing_of_its_transaction_is_published(
    kafka_params: KafkaParams, member: KafkaConsumer
) -> None:
    name, now = topic(kafka_params, DECISIONS), member.group_metadata()  # type: ignore[no-untyped-call]
    with closing(make_admin(kafka_params)) as admin:
        admin.alter_configs([ConfigResource("TOPIC", name, {"max.message.bytes": "2000"})])
    rows = [(0, row(1, b"short")), (0, row(2, os.urandom(4_000))), (0, row(3, b"short"))]
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)) as outlet, pytest.raises(KafkaError):
        outlet.publish(rows, {0: Published(3, 3)}, now)
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)):
        pass  # it has ended what the other one left open
    assert read_published(kafka_params, [0], 30.0)[0] == Published(0, 0)
    assert list(read_topic(kafka_params, DECISIONS)) == []


def row(position: int, value: bytes) -> Row:
    return Row(position, value, lambda encoded: (Outgoing(DECISIONS, b"key", encoded, []),))


def test_a_transaction_that_does_not_end_is_given_up_and_a_new_outlet_goes_on(
    kafka_params: KafkaParams, own_kafka: KafkaServer, member: KafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_TIMEOUT_S", 2.0)
    now = member.group_metadata()  # type: ignore[no-untyped-call]
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)) as outlet:
        own_kafka.pause()
        with pytest.raises(KafkaTimeoutError, match="did not end within 2 s"):
            outlet.publish([], {0: Published(50, 51)}, now)
    own_kafka.resume()
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)):
        pass  # it has ended what the other one left open
    assert read_published(kafka_params, [0], 30.0)[0] in (Published(0, 0), Published(50, 51))


def test_a_message_that_expired_in_an_outage_is_never_passed_over(
    kafka_params: KafkaParams, own_kafka: KafkaServer, member: KafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "TRANSACTION_TIMEOUT_MS", 3_000)
    now = member.group_metadata()  # type: ignore[no-untyped-call]

    def on_record() -> bool:
        try:
            return read_published(kafka_params, [0], 5.0)[0] == Published(1, 1)
        except KafkaTimeoutError:  # not yet certain
            return False

    outlet = TransactionalOutlet(kafka_params, kafka_params.prefix)
    with closing(outlet), ThreadPoolExecutor(1) as worker:
        outlet.publish([(0, row(1, b"before"))], {0: Published(1, 1)}, now)
        wait_until(on_record, "the first one is on record")
        own_kafka.kill()
        publishing = worker.submit(outlet.publish, [(0, row(2, b"expired"))], {0: Published(2, 2)}, now)
        time.sleep(4.0)  # longer than the client tries a message
        own_kafka.start()
        with pytest.raises(KafkaError):
            publishing.result()
    monkeypatch.undo()
    with closing(TransactionalOutlet(kafka_params, kafka_params.prefix)):
        pass  # it has ended what the other one left open
    wait_until(on_record, "only what was published counts as published")
    assert [each.value for each in read_topic(kafka_params, DECISIONS)] == [b"before"]
