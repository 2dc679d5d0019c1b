"""Dead letters through the command line: seen, filtered, sent again once, decided or refused anew."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from detectors.events import Payment
from flows.broker.connection import make_producer, topic
from flows.broker.ingest.dead_letters import write_letter
from flows.broker.ingest.inputs import Refusal, Trouble
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.codec import encode_event
from flows.sharding import shard_of
from replay.cli import app
from tests.flows.broker.ingest_runs import (
    Input,
    events,
    letters,
    of,
    running,
    send,
    shard_logs,
    wait_until,
)
from tests.flows.broker.received_made import NOW, Made
from tests.kafka_level import MakeKafkaParams
from tests.replay.events_made import a_payment

SHARDS = 2
NOW_OF_TEST = datetime.now(UTC).replace(microsecond=0)
EARLY = [
    Payment(
        transaction_id=f"early-{number}",
        user_id="u-early",
        amount_minor=100,
        currency="EUR",
        event_time=NOW_OF_TEST + timedelta(days=3, minutes=number),
        merchant_id="m-1",
    )
    for number in range(30)
]
CARD = b'{"transaction_id":"4111111111111111"}'


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=SHARDS)


def tapwatch(params: KafkaParams, *arguments: object) -> Result:
    environment = {
        "TAPWATCH_KAFKA__PREFIX": params.prefix,
        "TAPWATCH_KAFKA__SHARDS": str(params.shards),
    }
    command = ["dead-letters", *map(str, arguments), "--bootstrap", params.bootstrap[0]]
    done = CliRunner().invoke(app, command, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def said(params: KafkaParams, *arguments: object) -> dict[str, Any]:
    done = tapwatch(params, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def refused(params: KafkaParams) -> KafkaParams:
    """Thirty payments from the future, two that nobody can read, one with a card number in it."""
    send(params, "payments", [of(payment) for payment in EARLY])
    send(params, "ticks", [Input(b"\x1b[31mred", b"t"), Input(None, b"t"), Input(CARD, b"t")])
    with running(params) as ingest:
        wait_until(lambda: ingest.counts.read >= 33)
    return params


def test_letters_are_listed_counted_and_filtered(refused: KafkaParams) -> None:
    everything = said(refused, "list")
    assert everything["total"] == 33
    assert len(everything["letters"]) == 20
    times = [letter["refused_at"] for letter in everything["letters"]]
    assert times == sorted(times, reverse=True)
    payments, ticks = topic(refused, "payments"), topic(refused, "ticks")
    assert {(c["topic"], c["error"]): c["count"] for c in everything["counts"]} == {
        (payments, "ahead"): 30,
        (ticks, "unreadable"): 1,
        (ticks, "empty"): 1,
        (ticks, "invalid"): 1,
    }
    assert said(refused, "list", "--topic", "ticks", "--limit", 1)["total"] == 3
    assert said(refused, "list", "--reason", "ahead")["total"] == 30
    assert said(refused, "list", "--reason", "too far ahead of the clock")["total"] == 30
    assert said(refused, "list", "--until", "2020-01-01")["total"] == 0
    assert said(refused, "list", "--since", "2020-01-01T00:00Z")["total"] == 33
    offsets = said(refused, "list", "--topic", "payments", "--since", 2, "--until", 4, "--limit", 99)
    assert {letter["offset"] for letter in offsets["letters"]} == {2, 3, 4}

    shown = tapwatch(refused, "list", "--topic", "ticks").stdout
    assert "\x1b" not in shown
    assert "4111" not in shown
    assert "3 dead letters" in shown
    assert "(no value)" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--topic", "decisions"), "'decisions' is no input topic; allowed: payments, "),
        (("--since", "soon"), "--since: 'soon'; allowed: a time such as"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(arguments: tuple[str, ...], words: str) -> None:
    done = tapwatch(KafkaParams(bootstrap=("127.0.0.1:9",)), "list", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_letters_are_decided_after_the_fix_and_sent_only_once(refused: KafkaParams) -> None:
    plan = said(refused, "replay", "--reason", "ahead", "--dry-run")
    assert (plan["selected"], plan["sent"]) == (30, 30)
    assert said(refused, "list")["total"] == 33

    done = tapwatch(refused, "replay", "--only-reason", "ahead")
    assert "30  sent again to where they came from" in done.stdout
    assert said(refused, "replay", "--reason", "ahead")["sent_before"] == 30

    with running(refused, IngestParams(max_ahead_s=10 * 86_400)) as ingest:
        wait_until(lambda: ingest.counts.read >= 30)
    logs = [events(log) for log in shard_logs(refused)]
    assert logs[shard_of("default", "u-early", SHARDS)] == EARLY
    listed = said(refused, "list", "--reason", "ahead", "--limit", 99)["letters"]
    assert all(letter["sent_again"] for letter in listed)
    assert len(listed) == 30
    assert said(refused, "replay", "--reason", "ahead", "--again", "--dry-run")["sent"] == 30


def test_what_still_can_not_be_used_comes_back_with_its_attempts_counted(refused: KafkaParams) -> None:
    report = said(refused, "replay", "--topic", "ticks")
    assert (report["selected"], report["sent"], report["not_whole"]) == (3, 2, 1)
    with running(refused) as ingest:
        wait_until(lambda: ingest.counts.read >= 2)

    again = [letter for letter in letters(refused) if letter.attempt == 2]
    assert {(letter.key, letter.value) for letter in again} == {(b"t", b"\x1b[31mred"), (b"t", None)}
    assert said(refused, "replay", "--topic", "ticks")["sent"] == 2
    with running(refused) as ingest:
        wait_until(lambda: ingest.counts.read >= 2)
    of_ticks = [letter for letter in letters(refused) if letter.place.topic == topic(refused, "ticks")]
    assert sorted(letter.attempt for letter in of_ticks) == [1, 1, 1, 2, 2, 3, 3]


def test_a_letter_never_leads_to_a_topic_that_is_no_input(params: KafkaParams) -> None:
    made = Made(topic(params, "shard-log"), encode_event(a_payment(1)))
    message = write_letter(made, Refusal("x", "x", b"", Trouble.INVALID), NOW)
    producer = make_producer(params)
    producer.send(topic(params, "dead-letters"), message.value, message.key, message.headers)
    producer.close()

    report = said(params, "replay")
    assert (report["selected"], report["sent"], report["not_ours"]) == (1, 0, 1)
    assert shard_logs(params) == [[], []]


def test_a_letter_that_was_written_twice_is_one(params: KafkaParams) -> None:
    made = Made(topic(params, "payments"), b"x")
    message = write_letter(made, Refusal("x", "x", b"x", Trouble.UNREADABLE), NOW)
    producer = make_producer(params)
    for _ in range(2):
        producer.send(topic(params, "dead-letters"), message.value, message.key, message.headers)
    producer.close()

    assert said(params, "list")["total"] == 1
    assert said(params, "replay")["sent"] == 1
