"""Recorded streams that are sent arrive whole, at their rate, and the summary says what did not go."""

import time
from pathlib import Path

import pytest

from alerting.decision import PolicyActivated
from flows.broker.destination import Destination
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.codec import decode_event, encode_event
from replay.send import send_events, send_streams
from replay.streams import StreamWriter, read_stream
from tests.replay.events_made import NOON, a_payment

PAYMENTS = [a_payment(number, number) for number in range(40)]
POLICY = PolicyActivated("text", "v", NOON)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "stream.jsonl"
    with StreamWriter(path) as writer:
        writer.write(POLICY)
        for payment in PAYMENTS:
            writer.write(payment)
    return path


def test_a_stream_arrives_whole(kafka_params: KafkaParams, stream: Path) -> None:
    summary = send_streams([stream], kafka_params, Destination.SHARD_LOG)
    found = [decode_event(record.value or b"", "log") for record in read_topic(kafka_params, "shard-log")]
    assert found == list(read_stream(stream))
    assert summary.as_dict() | {"seconds": 0, "events_per_s": 0} == {
        "to": "shard-log",
        "events": 41,
        "records": {f"{kafka_params.prefix}.shard-log.v1": 41},
        "refused": 0,
        "left_out": {},
        "damage": [],
        "seconds": 0,
        "events_per_s": 0,
    }


def test_what_is_not_sent_is_counted(kafka_params: KafkaParams, stream: Path) -> None:
    with stream.open("ab") as file:
        file.write(b"no event\n" + encode_event(a_payment(40)) + b"\n" + encode_event(a_payment(41))[:30])
    summary = send_streams([stream], kafka_params, Destination.EVENTS)
    assert (summary.events, summary.refused, summary.left_out) == (41, 2, {"policy_activated": 1})
    assert [damage["file"] for damage in summary.damage] == ["stream.jsonl"]
    assert sum(1 for _ in read_topic(kafka_params, "events")) == 41


def test_a_rate_is_kept(kafka_params: KafkaParams) -> None:
    begun = time.monotonic()
    summary = send_events(PAYMENTS, kafka_params, Destination.EVENTS, rate_per_s=100.0)
    assert time.monotonic() - begun >= 0.39  # the last of forty is due then
    assert summary.events_per_s <= 103.0


def test_progress_is_told(kafka_params: KafkaParams) -> None:
    told: list[int] = []
    events = [a_payment(number) for number in range(2_500)]
    send_events(events, kafka_params, Destination.SHARD_LOG, progress=lambda done, _: told.append(done))
    assert told == [1_000, 2_000]
