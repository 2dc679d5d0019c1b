"""Whatever dies or falls silent in between: nothing is lost, and each user's records keep their order."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest

from detectors.events import Payment
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.sharding import shard_of
from replay.drills.kafka_server import KafkaServer
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
from tests.kafka_level import MakeKafkaParams
from tests.replay.events_made import a_payment

SHARDS = 4
QUICK = IngestParams(max_batch=200, commit_every_s=0.2, operator_listen="127.0.0.1:0")


# The client forgets to close sockets on which no connection came about.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def forgotten_sockets() -> Iterator[None]:
    """They are found here, and not in a test that comes later."""
    yield
    gc.collect()


@pytest.fixture
def params(make_kafka_params: MakeKafkaParams) -> KafkaParams:
    return make_kafka_params(shards=SHARDS)


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as an operator runs it; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(params: KafkaParams, max_batch: int = 5_000) -> "subprocess.Popen[bytes]":
        settings = {
            "TAPWATCH_KAFKA__PREFIX": params.prefix,
            "TAPWATCH_KAFKA__SHARDS": str(params.shards),
            "TAPWATCH_INGEST__MAX_BATCH": str(max_batch),
        }
        command = [sys.executable, "-m", "replay", "ingest", "--operator-listen", "127.0.0.1:0"]
        process = subprocess.Popen(
            [*command, "--bootstrap", params.bootstrap[0]],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def assert_complete(params: KafkaParams, payments: Sequence[Payment]) -> None:
    """All are logged; by ids, each user's payments stand in the order in which they were sent."""
    logs = [events(log) for log in shard_logs(params)]
    for user in {payment.user_id for payment in payments}:
        found = [
            e for e in logs[shard_of("default", user, SHARDS)] if isinstance(e, Payment) and e.user_id == user
        ]
        assert found == [payment for payment in payments if payment.user_id == user]


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_it_loses_nothing(params: KafkaParams, start: Start) -> None:
    payments = [a_payment(number) for number in range(20_000)]
    inputs = [of(payment) for payment in payments]
    poison = [Input(b"poison %d" % number, partition=number % 4) for number in range(200)]
    send(
        params,
        "payments",
        [i for n, each in enumerate(inputs) for i in ([poison[n // 100]] * (n % 100 == 0) + [each])],
    )

    for part in (0.1, 0.3):
        # A batch takes at least the ten milliseconds that it waits to be filled: no run reads all.
        process = start(params, max_batch=20)
        wait_until(lambda part=part: sum(map(len, shard_logs(params))) > part * 20_000)  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert sum(len(events(log)) for log in shard_logs(params)) < 20_000
    process = start(params)
    # Each log begins with its policy.
    wait_until(lambda: sum(len(events(log)) for log in shard_logs(params)) == 20_000 + SHARDS)
    wait_until(lambda: {letter.value for letter in letters(params)} == {each.value for each in poison})
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert json.loads(out)["event"] == "ingesting"
    assert_complete(params, payments)


@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back_costs_only_time(
    own_kafka: KafkaServer, params: KafkaParams
) -> None:
    payments = [a_payment(number) for number in range(10_000)]
    send(params, "payments", [of(payment) for payment in payments])

    with running(params, QUICK) as ingest:
        wait_until(lambda: ingest.counts.read > 1_000)
        own_kafka.kill()
        own_kafka.restart()
        wait_until(lambda: ingest.counts.read >= 10_000)

    assert_complete(params, payments)


@pytest.mark.slow
def test_it_can_be_stopped_while_the_broker_is_silent_and_goes_on_later(
    own_kafka: KafkaServer, params: KafkaParams
) -> None:
    payments = [a_payment(number) for number in range(10_000)]
    send(params, "payments", [of(payment) for payment in payments])

    with running(params, IngestParams(max_batch=200, drain_s=1.0)) as ingest:
        wait_until(lambda: ingest.counts.read > 1_000)
        own_kafka.pause()
    own_kafka.resume()
    with running(params, QUICK):
        wait_until(lambda: sum(len(events(log)) for log in shard_logs(params)) == 10_000)

    assert_complete(params, payments)


def test_two_processes_share_the_topics_and_one_takes_over(params: KafkaParams) -> None:
    payments = [a_payment(number) for number in range(6_000)]
    inputs = [of(payment) for payment in payments]
    with running(params, QUICK) as second:
        with running(params, QUICK) as first:
            wait_until(lambda: first.health == second.health == "SERVING")
            send(params, "payments", inputs[:3_000])
            wait_until(lambda: first.counts.read + second.counts.read >= 3_000)
            assert first.counts.read > 0
        send(params, "payments", inputs[3_000:])
        wait_until(lambda: sum(len(events(log)) for log in shard_logs(params)) == 6_000)
    assert_complete(params, payments)


def test_the_command_ends_with_words_when_too_much_is_bad(params: KafkaParams, start: Start) -> None:
    send(params, "ticks", [Input(b"poison", partition=0)] * 12_000)
    process = start(params)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert b"/0/9999: the last 10000 records of this partition can't be used (unreadable)" in err
    assert b"bad_run" in err
    assert len(letters(params)) == 10_000


def test_the_command_says_what_is_missing(start: Start) -> None:
    process = start(KafkaParams(bootstrap=("127.0.0.1:9",)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"127.0.0.1:9" in err
    assert b"Traceback" not in err
