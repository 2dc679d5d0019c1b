"""The drills on Kafka, small, with a real broker and real processes."""

from pathlib import Path

import pytest

from flows.codec import Event
from replay.demo import sample_events
from replay.drills.kafka_crash import kafka_crash_drill
from replay.drills.kafka_equality import kafka_equality_drill
from replay.drills.kafka_faults import Faults
from replay.drills.kafka_poison import kafka_poison_drill
from replay.drills.kafka_server import KafkaServer
from replay.drills.kafka_takeover import kafka_takeover_drill
from tests.kafka_level import Kafka

pytestmark = pytest.mark.slow


def sample(events: int) -> list[Event]:
    return list(sample_events()[:events])


def test_kafka_decides_as_the_embedded_log_does_by_one_process_or_two(kafka: Kafka, tmp_path: Path) -> None:
    report = kafka_equality_drill(sample(2_000), tmp_path, kafka.bootstrap, processes=(1, 2))
    assert report.problems == []
    assert len(set(report.digests.values())) == 1
    assert len(report.by_shard) == 3
    assert {len(set(digests)) for digests in report.by_shard.values()} == {4}


def test_nothing_is_lost_doubled_or_changed_when_everything_is_killed_once(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    faults = Faults(kills=1, broker_kills=1, pauses=1, pause_s=8.0)
    report = kafka_crash_drill(sample(3_000), tmp_path, faults, broker=own_kafka)
    assert report.problems == []
    assert sum(report.faults.values()) == faults.count
    assert sum(report.answers.values()) > 100


def test_users_of_a_killed_owner_are_served_again(kafka: Kafka, tmp_path: Path) -> None:
    report = kafka_takeover_drill(tmp_path, users=200, rate_per_s=50.0, kills=1, broker=kafka.bootstrap)
    assert report.unanswered == {}
    assert report.answers["ENGINE"] > 0
    assert report.answers["FALLBACK"] > 0
    assert report.kills[0]["shards"]


def test_poison_becomes_dead_letters_and_all_else_is_decided(kafka: Kafka, tmp_path: Path) -> None:
    report = kafka_poison_drill(sample(6_000), tmp_path, broker=kafka.bootstrap)
    assert report.problems == []
    assert sum(report.letters.values()) == sum(report.poison.values()) > 50
    assert report.sent_again > 0
