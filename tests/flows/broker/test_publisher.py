import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from kafka.structs import ConsumerGroupMetadata

from alerting.decision import Action, FallbackAnswered, FallbackCause
from flows.broker.committed import Published, read_published
from flows.broker.params import KafkaParams
from flows.broker.publishing.publisher import Publisher
from flows.broker.topic_specs import ALERTS, DECISIONS, STEP_UP_REQUESTS
from tests.flows.broker.outboxes_made import (
    ShardFile,
    joined,
    nobody_fences,
    positions_and_values,
    published,
    wait_until,
)
from tests.flows.shards_made import payment

TWO_SHARDS = pytest.mark.parametrize("kafka_params", [2], indirect=True)


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[ShardFile]:
    with closing(ShardFile(tmp_path / "shard-0000.db")) as made:
        yield made


@pytest.fixture
def member(kafka_params: KafkaParams) -> Iterator[KafkaConsumer]:
    with closing(joined(kafka_params)) as consumer:
        yield consumer


def publish_all(params: KafkaParams, member: KafkaConsumer, *shards: ShardFile) -> Publisher:
    """A publisher that has drained the shards and ended."""
    publisher = Publisher(params, "one", member.group_metadata, nobody_fences)
    for number, shard in enumerate(shards):
        publisher.own(number, shard.path)
    publisher.start()
    assert publisher.stop(60.0)
    return publisher


def test_every_decision_is_published_once_in_log_order_as_it_is_stored(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(2_500)

    publisher = publish_all(kafka_params, member, shard)

    records = published(kafka_params, DECISIONS)
    assert positions_and_values(records) == shard.decisions()
    assert [record.key.decode() for record in records] == [
        json.loads(value)["decision_id"] for _, value in shard.decisions()
    ]
    figures = publisher.figures()
    assert (figures["published"], figures["behind"], figures["aborted"]) == (2_500, {0: 0}, 0)


def test_a_message_says_what_it_is(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(1)

    publish_all(kafka_params, member, shard)

    (record,) = published(kafka_params, DECISIONS)
    assert dict(record.headers) == {
        "log-position": b"2",
        "source": b"ENGINE",
        "content-type": b"application/json",
        "schema": b"tapwatch.decision.v1",
    }


def test_a_step_up_is_also_asked_of_the_challenge_service(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(2)
    (casino,) = shard.pay(1, mcc="7995")

    publish_all(kafka_params, member, shard)

    (record,) = published(kafka_params, STEP_UP_REQUESTS)
    request = json.loads(record.value)
    assert request["transaction_id"] == casino.transaction_id
    assert request["user_id"] == casino.user_id
    assert request["rule_ids"] == ["casino"]
    assert request["expires_at"] > request["event_time"]
    assert record.key.decode() == request["decision_id"]
    assert dict(record.headers)["schema"] == b"tapwatch.step-up-request.v1"


def test_an_alert_that_is_sent_is_a_cloud_event(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    (casino,) = shard.pay(1, mcc="7995")
    held = FallbackAnswered(payment(900), Action.REVIEW, FallbackCause.OVERLOAD, "p", payment_logged=False)
    shard.add(held)  # its fraud alert is suppressed

    publish_all(kafka_params, member, shard)

    (record,) = published(kafka_params, ALERTS)
    event = json.loads(record.value)
    assert (event["specversion"], event["type"]) == ("1.0", "tapwatch.alert.step_up_request.v1")
    assert event["data"]["transaction_id"] == casino.transaction_id
    assert record.key.decode() == event["id"]
    headers = dict(record.headers)
    assert (headers["content-type"], headers["log-position"]) == (b"application/cloudevents+json", b"2")
    assert read_published(kafka_params, [0], 30.0)[0].position == 3


def test_what_is_published_is_on_record_with_its_position_and_offset(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(10)

    publish_all(kafka_params, member, shard)

    assert read_published(kafka_params, [0], 30.0) == {0: Published(11, 22)}


def test_the_position_goes_on_where_nothing_was_decided(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    publish_all(kafka_params, member, shard)

    assert read_published(kafka_params, [0], 30.0) == {0: Published(1, 2)}
    assert published(kafka_params, DECISIONS) == []


def test_another_run_goes_on_behind_what_is_on_record(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(20)
    publish_all(kafka_params, member, shard)
    shard.pay(20)

    assert publish_all(kafka_params, member, shard).figures()["published"] == 20

    assert positions_and_values(published(kafka_params, DECISIONS)) == shard.decisions()


@TWO_SHARDS
def test_shards_share_transactions_and_keep_their_own_order(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile, tmp_path: Path
) -> None:
    with closing(ShardFile(tmp_path / "shard-0001.db")) as other:
        shard.pay(900)
        other.pay(1_500)

        publish_all(kafka_params, member, shard, other)

        for number, file in enumerate((shard, other)):
            assert positions_and_values(published(kafka_params, DECISIONS, number)) == file.decisions()


@pytest.mark.parametrize("nobody", [None, ConsumerGroupMetadata("a group that was not joined")])
def test_nothing_is_published_outside_the_group(
    kafka_params: KafkaParams, shard: ShardFile, nobody: ConsumerGroupMetadata | None
) -> None:
    shard.pay(5)
    publisher = Publisher(kafka_params, "one", lambda: nobody, nobody_fences)
    publisher.own(0, shard.path)
    publisher.start()

    assert publisher.stop(60.0)

    assert publisher.figures()["behind"] == {0: 6}
    assert published(kafka_params, DECISIONS) == []


def test_a_shard_that_was_let_go_is_published_no_more(
    kafka_params: KafkaParams, member: KafkaConsumer, shard: ShardFile
) -> None:
    shard.pay(5)
    publisher = Publisher(kafka_params, "one", member.group_metadata, nobody_fences)
    publisher.own(0, shard.path)
    publisher.start()
    wait_until(lambda: publisher.figures()["published"] == 5, "five rows are published")
    publisher.let_go(0)
    shard.pay(5)

    assert publisher.stop(60.0)

    assert len(published(kafka_params, DECISIONS)) == 5
