"""Real processes on a real broker that stand still, are killed and come back: all is decided once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.drills.kafka_rig import KafkaRig
from tests.flows.broker.asking import Asking, check_published
from tests.flows.broker.engines_made import SHARDS
from tests.flows.broker.outboxes_made import wait_until
from tests.kafka_level import Kafka, MakeKafkaParams

SESSION_S = 1.5


@pytest.fixture
def rig(kafka: Kafka, tmp_path: Path) -> Iterator[KafkaRig]:
    with KafkaRig(tmp_path / "rig", kafka.bootstrap) as made:
        yield made


@pytest.mark.slow
def test_shards_change_hands_by_joining_standing_still_and_kill_9_and_each_is_decided_once(
    rig: KafkaRig, make_kafka_params: MakeKafkaParams, tmp_path: Path
) -> None:
    params = make_kafka_params(shards=SHARDS, session_timeout_s=SESSION_S, snapshots=tmp_path / "copies")
    asking = Asking()
    a, b = rig.server(params, "a"), rig.server(params, "b")
    b.start()
    for number in range(20):
        asking.ask(b, f"t-{number}", number % SHARDS)
    a.start()
    wait_until(lambda: "shard_owned" in a.log.read_text(), "the second process has its part")
    asking.until_engine(a, "t-both")

    b.pause()
    asking.until_engine(a, "t-alone")
    b.resume()
    asking.until_engine(b, "t-again")
    asking.repeat_all(b)

    b.kill()
    asking.until_engine(a, "t-end")
    asking.repeat_all(a)
    check_published(rig, params, asking, tmp_path)


@pytest.mark.slow
def test_a_killed_owner_is_followed_by_one_that_has_nothing_but_the_partition(
    rig: KafkaRig, make_kafka_params: MakeKafkaParams, tmp_path: Path
) -> None:
    params = make_kafka_params(shards=SHARDS, session_timeout_s=SESSION_S)
    asking = Asking()
    b = rig.server(params, "b").start()
    for number in range(20):
        asking.ask(b, f"t-{number}", number % SHARDS)
    b.kill()
    a = rig.server(params, "a").start()
    asking.until_engine(a, "t-end")
    asking.repeat_all(a)
    check_published(rig, params, asking, tmp_path)
