"""Fixtures with a real Apache Kafka broker, and what the test report says of it.

The broker is started once per run, from Maven Central and with Java 17. ``TAPWATCH_TEST_KAFKA=host:port``
uses one that runs already; tests that kill or pause a broker are skipped then.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from flows.broker.connection import make_admin
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import topic_specs
from replay.drills.kafka_jars import KAFKA_VERSION, KafkaMissingError
from replay.drills.kafka_server import KafkaServer

EXISTING: Final = "TAPWATCH_TEST_KAFKA"
USER: Final = "shop"
PASSWORD: Final = "open-sesame"
LEVEL: Final = pytest.StashKey[str]()
FIXTURES: Final = {"kafka", "own_kafka", "kafka_params", "make_kafka_params"}
MakeKafkaParams = Callable[..., KafkaParams]


class ExistingKafka:
    """A broker that somebody else runs."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


Kafka = KafkaServer | ExistingKafka


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker for all tests of the run; ``kafka.bootstrap`` is its address."""
    stash = request.config.stash
    if existing := os.environ.get(EXISTING):
        stash[LEVEL] = f"ran on {existing} ({EXISTING})"
        yield ExistingKafka(existing)
        return
    server = KafkaServer(tmp_path_factory.mktemp("kafka") / "broker", users={USER: PASSWORD})
    try:
        server.start()
    except KafkaMissingError as error:
        stash[LEVEL] = f"SKIPPED: {error}"
        pytest.skip(f"no Kafka broker: {error}")
    stash[LEVEL] = f"ran on Apache Kafka {KAFKA_VERSION}, started in {server.start_seconds:.1f} s"
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_kafka(kafka: Kafka) -> Iterator[KafkaServer]:
    """The broker, to be killed, stopped or paused; afterwards it runs again for the other tests."""
    if isinstance(kafka, ExistingKafka):
        pytest.skip(f"{EXISTING} names a broker that is not ours to kill")
    yield kafka
    if kafka.running:
        kafka.resume()
    else:
        kafka.start()


@pytest.fixture
def make_kafka_params(kafka: Kafka) -> Iterator[MakeKafkaParams]:
    """Makes parameters with a prefix of their own, whose topics are there; takes what shall be different."""
    made: list[KafkaParams] = []

    def make(shards: int = 1, *, topics: bool = True, **changes: object) -> KafkaParams:
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        params = KafkaParams(
            bootstrap=(kafka.bootstrap,),
            prefix=prefix,
            shards=shards,
            **changes,  # type: ignore[arg-type]
        )
        if topics:
            _create_topics(params)
        made.append(params)
        return params

    yield make
    for params in made:
        _delete_topics(params)


@pytest.fixture
def kafka_params(make_kafka_params: MakeKafkaParams, request: pytest.FixtureRequest) -> KafkaParams:
    """Parameters with one shard, or with as many as ``parametrize("kafka_params", [4], indirect=True)``."""
    return make_kafka_params(shards=getattr(request, "param", 1))


def mark_broker_tests(items: list[pytest.Item]) -> None:
    """Whatever needs the broker is marked so, without anybody having to think of it.

    Where several processes share the tests, one of them has all of these, and there is one broker.
    """
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)
            item.add_marker(pytest.mark.xdist_group("broker"))


def tell_controller(config: pytest.Config) -> None:
    """A process that runs some of the tests tells the one that reports how its broker did."""
    if LEVEL in config.stash and hasattr(config, "workeroutput"):
        config.workeroutput["level"] = config.stash[LEVEL]


def hear_worker(config: pytest.Config, told: dict[str, str]) -> None:
    """What the process with the broker told at its end, for the report."""
    if "level" in told:
        config.stash[LEVEL] = told["level"]


def levels_that_ran(config: pytest.Config) -> str:
    """The line of the test report."""
    return f"level broker: {config.stash.get(LEVEL, 'not asked for')}"


def _create_topics(params: KafkaParams) -> None:
    admin = make_admin(params)
    topics = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.settings),
        }
        for spec in topic_specs(params)
    }
    admin.create_topics(topics, wait_for_metadata=True)
    admin.close()


def _delete_topics(params: KafkaParams) -> None:
    admin = make_admin(params)
    found = [name for name in admin.list_topics() if name.startswith(f"{params.prefix}.")]
    if found:
        admin.delete_topics(found)
    admin.close()
