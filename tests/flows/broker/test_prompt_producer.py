"""The producer of what is soon worth nothing, on a real broker that may stand still."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata
from kafka.producer.sender import Sender

from flows.broker.connection import topic
from flows.broker.params import KafkaParams
from flows.broker.shards import prompt_producer
from flows.broker.shards.prompt_producer import PromptProducer
from replay.drills.kafka_server import KafkaServer
from tests.flows.broker.outboxes_made import wait_until

TOO_LARGE = bytes(2 << 20)


class Told:
    """What became of messages, by name."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.errors: dict[str, Exception | None] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Callable[[Exception | None], None]:
        def done(error: Exception | None) -> None:
            with self._lock:
                self.times[name] += 1
                self.errors[name] = error

        return done

    def wait_for(self, *names: str) -> None:
        wait_until(lambda: all(name in self.errors for name in names), "the messages were told of")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_producer, "DELIVERY_S", 1.0)
    monkeypatch.setattr(prompt_producer, "_BLOCK_S", 1.0)
    monkeypatch.setattr(prompt_producer, "_STALL_S", 0.5)


@pytest.fixture
def producer(kafka_params: KafkaParams, quick: None) -> Iterator[PromptProducer]:  # noqa: ARG001
    with closing(PromptProducer(kafka_params)) as made:
        yield made


def clients() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, Sender)}


class StandingStill:
    """A client that takes messages and does nothing, until it is closed: as the real one may."""

    def __init__(self) -> None:
        self.sent: list[FutureRecordMetadata] = []

    def send(self, *_message: object) -> FutureRecordMetadata:
        made = FutureProduceResult(TopicPartition("replies", 0))
        self.sent.append(FutureRecordMetadata(made, 0, None, None, 0, 0, 0))
        return self.sent[-1]

    def close(self, timeout: float) -> None:
        assert timeout == 0.0
        for each in self.sent:
            each.failure(KafkaError("closed"))


def test_what_a_client_says_behind_its_time_is_told_to_nobody_and_costs_its_successor_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[StandingStill] = []

    def make(*_: object, **__: object) -> StandingStill:
        made.append(StandingStill())
        return made[-1]

    monkeypatch.setattr(prompt_producer, "make_producer", make)
    producer, told = PromptProducer(KafkaParams()), Told()
    for number in range(3):
        producer.send("replies", b"", 0, done=told.of(f"early-{number}"))
    made[0].sent[0].success(None)
    made[0].sent[1].failure(KafkaError("expired"))
    producer.tend()
    assert [told.errors[f"early-{number}"] is None for number in range(3)] == [True, False, False]
    for each in made[0].sent[1:]:
        each.success(None)

    producer.send("replies", b"", 0, done=told.of("late"))
    producer.tend()
    assert len(made) == 2
    made[1].sent[0].success(None)
    assert told.errors["late"] is None
    assert set(told.times.values()) == {1}


def test_an_outage_is_over_when_the_broker_is_back_and_leaves_no_client_behind(
    own_kafka: KafkaServer, kafka_params: KafkaParams, producer: PromptProducer
) -> None:
    replies, told = topic(kafka_params, "replies"), Told()
    producer.send(replies, b"before", 0, done=told.of("before"))
    told.wait_for("before")
    at_first = clients()
    assert at_first != set()
    own_kafka.pause()
    for number in range(10):
        producer.send(replies, b"during", 0, done=told.of(f"during-{number}"))
    wait_until(lambda: any(name.startswith("during") for name in list(told.errors)), "the client failed")
    own_kafka.resume()

    def replaced() -> bool:
        producer.tend()
        return not clients() & at_first

    wait_until(replaced, "the client that failed was replaced and has ended")
    # Also where the client stood still: then its replacement says so.
    told.wait_for(*(f"during-{number}" for number in range(10)))
    newer = clients()
    for number in range(3):
        producer.tend()
        producer.send(replies, b"after", 0, done=told.of(f"after-{number}"))
        told.wait_for(f"after-{number}")
        assert told.errors[f"after-{number}"] is None
    assert clients() == newer
    assert set(told.times.values()) == {1}


def test_a_message_that_is_too_large_costs_no_other_its_place(
    kafka_params: KafkaParams, producer: PromptProducer
) -> None:
    replies, told, at_first = topic(kafka_params, "replies"), Told(), clients()
    producer.send(replies, TOO_LARGE, 0, done=told.of("large"))
    assert isinstance(told.errors["large"], MessageSizeTooLargeError)
    producer.tend()
    producer.send(replies, b"small", 0, done=told.of("small"))
    told.wait_for("small")
    assert told.errors["small"] is None
    assert clients() == at_first
    assert set(told.times.values()) == {1}


def test_a_message_for_a_topic_that_is_not_there_is_given_up_and_told_once(
    producer: PromptProducer, kafka_params: KafkaParams
) -> None:
    told = Told()
    producer.send(f"{kafka_params.prefix}.nowhere.v1", b"lost", 0, done=told.of("lost"))
    told.wait_for("lost")
    assert isinstance(told.errors["lost"], KafkaTimeoutError)
    producer.tend()
    producer.send(topic(kafka_params, "replies"), b"sent", 0, done=told.of("sent"))
    told.wait_for("sent")
    assert told.errors["sent"] is None
    assert set(told.times.values()) == {1}


def test_a_topics_partitions_are_known(producer: PromptProducer, kafka_params: KafkaParams) -> None:
    assert producer.partitions_of(topic(kafka_params, "queries")) == kafka_params.shards
