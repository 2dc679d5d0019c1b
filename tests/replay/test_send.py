"""Recorded streams that are sent arrive whole, at their rate, and the summary says what did not go."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerting.decision import PolicyActivated
from flows.broker.destination import Destination
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.cli import Exit
from flows.codec import decode_event, encode_event
from replay.cli import app
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


def typed(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["send", *map(str, arguments)])


def test_the_command_sends_and_sums_up(
    kafka_params: KafkaParams, stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPWATCH_KAFKA__PREFIX", kafka_params.prefix)
    monkeypatch.setenv("TAPWATCH_KAFKA__SHARDS", "1")
    broker = ",".join(kafka_params.bootstrap)
    done = typed(stream, "--bootstrap", broker, "--to", "topics", "--rate", "5000/s", "--json")
    assert done.exit_code == Exit.DONE, done.output
    summary = json.loads(done.stdout)
    assert (summary["events"], summary["left_out"]) == (40, {"policy_activated": 1})
    assert sum(1 for _ in read_topic(kafka_params, "payments")) == 40


def test_a_damaged_stream_is_sent_as_far_as_it_can_be_read_and_exits_2(
    kafka_params: KafkaParams, stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPWATCH_KAFKA__PREFIX", kafka_params.prefix)
    monkeypatch.setenv("TAPWATCH_KAFKA__SHARDS", "1")
    stream.write_bytes(stream.read_bytes()[:-40])
    done = typed(stream, "--bootstrap", ",".join(kafka_params.bootstrap), "--to", "shard-log")
    assert done.exit_code == Exit.BAD_INPUT
    assert "40 records of this file were read before it" in done.stderr
    assert sum(1 for _ in read_topic(kafka_params, "shard-log")) == 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "kafka.bootstrap: no broker is named; allowed: host:port in section [kafka]"),
        (("--bootstrap", "nonsense"), "--bootstrap: 'nonsense'; allowed: a list of host:port"),
        (("--bootstrap", "h:1", "--rate", "fast"), "--rate: 'fast'; allowed: events per second"),
        (("--bootstrap", "h:1", "--rate", "-1/s"), "--rate: '-1/s'; allowed: events per second"),
    ],
)
def test_what_can_not_be_is_said_in_words(stream: Path, arguments: tuple[str, ...], said: str) -> None:
    done = typed(stream, *arguments)
    assert done.exit_code == Exit.BAD_INPUT
    assert said in " ".join(done.stderr.split())
