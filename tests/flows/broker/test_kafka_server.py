"""The broker of tests and drills: it serves, dies, comes back with its data, and can be frozen."""

from pathlib import Path

import pytest

from flows.broker.connection import make_consumer, make_producer, topic
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import SHARD_LOG
from replay.drills.kafka_server import KafkaServer, KafkaStartError
from tests.kafka_level import MakeKafkaParams


def write(params: KafkaParams, *values: bytes) -> None:
    producer = make_producer(params)
    sent = [producer.send(topic(params, SHARD_LOG), value, partition=0) for value in values]
    producer.flush(60)
    assert all(each.succeeded() for each in sent)
    producer.close()


def read(params: KafkaParams, count: int) -> list[bytes]:
    consumer = make_consumer(params, topic(params, SHARD_LOG), consumer_timeout_ms=60_000)
    found = [next(consumer).value for _ in range(count)]
    consumer.close()
    return found


def test_a_prefix_has_topics_of_its_own(make_kafka_params: MakeKafkaParams) -> None:
    one, other = make_kafka_params(), make_kafka_params(shards=2)
    write(one, b"a", b"b")
    write(other, b"c")
    assert read(one, 2) == [b"a", b"b"]
    assert read(other, 1) == [b"c"]


def test_a_killed_broker_comes_back_on_its_port_with_what_it_acknowledged(
    own_kafka: KafkaServer, kafka_params: KafkaParams
) -> None:
    write(kafka_params, b"before")
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.restart()
    write(kafka_params, b"after")
    assert read(kafka_params, 2) == [b"before", b"after"]


def test_a_second_broker_is_refused_and_leaves_the_first_one_alone(
    own_kafka: KafkaServer, kafka_params: KafkaParams, tmp_path: Path
) -> None:
    write(kafka_params, b"before")
    port = int(own_kafka.bootstrap.partition(":")[2])
    with pytest.raises(KafkaStartError, match=r"another broker works with this folder; end it first"):
        KafkaServer(own_kafka.folder).start()
    with pytest.raises(KafkaStartError, match=rf":{port}: something else listens there already"):
        KafkaServer(tmp_path / "other", port=port).start()
    write(kafka_params, b"after")
    assert read(kafka_params, 2) == [b"before", b"after"]


def test_a_paused_broker_goes_on_where_it_was(own_kafka: KafkaServer, kafka_params: KafkaParams) -> None:
    producer = make_producer(kafka_params)
    producer.send(topic(kafka_params, SHARD_LOG), b"1", partition=0)
    producer.flush(60)
    own_kafka.pause()
    waiting = producer.send(topic(kafka_params, SHARD_LOG), b"2", partition=0)
    assert not waiting.is_done
    own_kafka.resume()
    producer.flush(60)
    assert waiting.succeeded()
    producer.close()
    assert read(kafka_params, 2) == [b"1", b"2"]
