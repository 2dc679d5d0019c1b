"""Transactions that fail: what the group refused leaves nothing behind, what does not end is given up."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaTimeoutError

from flows.broker.committed import Published, read_published
from flows.broker.params import KafkaParams
from flows.broker.publishing import transactions
from flows.broker.publishing.transactions import TransactionalOutlet
from replay.drills.kafka_server import KafkaServer
from tests.flows.broker.outboxes_made import joined


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
    with closing(TransactionalOutlet(kafka_params, "one")) as outlet:
        with pytest.raises(CommitFailedError):
            outlet.publish([], {0: Published(50, 51)}, before)
        outlet.abort()
        outlet.publish([], {1: Published(10, 11)}, now)
    assert read_published(kafka_params, [0, 1], 30.0) == {0: Published(0, 0), 1: Published(10, 11)}


def test_a_transaction_that_does_not_end_is_given_up_and_a_new_outlet_goes_on(
    kafka_params: KafkaParams, own_kafka: KafkaServer, member: KafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_TIMEOUT_S", 2.0)
    now = member.group_metadata()  # type: ignore[no-untyped-call]
    with closing(TransactionalOutlet(kafka_params, "one")) as outlet:
        own_kafka.pause()
        with pytest.raises(KafkaTimeoutError, match="did not end within 2 s"):
            outlet.publish([], {0: Published(50, 51)}, now)
    own_kafka.resume()
    with closing(TransactionalOutlet(kafka_params, "one")):
        pass  # it has ended what the other one left open
    assert read_published(kafka_params, [0], 30.0)[0] in (Published(0, 0), Published(50, 51))
