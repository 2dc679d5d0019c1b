import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from typer.testing import CliRunner, Result

from flows.broker.committed import Published, ingest_group, read_published
from flows.broker.connection import make_consumer, make_producer, topic
from flows.broker.first_policy import ensure_first_policy
from flows.broker.params import KafkaParams
from flows.broker.publishing.transactions import TransactionalOutlet
from flows.broker.status import ClusterStatus, read_status
from flows.broker.topic_specs import DEAD_LETTERS, SHARD_LOG
from flows.broker.wire import LogMessage, message_headers
from flows.policy_file import default_policy_text
from replay.cli import app
from tests.flows.broker.outboxes_made import joined
from tests.flows.shards_made import payment
from tests.kafka_level import MakeKafkaParams

TWO_SHARDS = pytest.mark.parametrize("kafka_params", [2], indirect=True)
A_YEAR_S = 31_536_000.0
RECORDS, DONE, AGE_S = 5, 2, 100.0


@pytest.fixture
def member(kafka_params: KafkaParams) -> Iterator[KafkaConsumer]:
    with closing(joined(kafka_params)) as consumer:
        yield consumer


def log(params: KafkaParams, count: int, age_s: float) -> None:
    """Payments in the log of shard 0 that came in a while ago."""
    arrival_us = int((time.time() - age_s) * 1_000_000)
    with closing(make_producer(params)) as producer:
        for number in range(count):
            message = LogMessage.of(payment(number), arrival_us)
            value, headers = message.record.payload, message_headers(message)
            producer.send(topic(params, SHARD_LOG), value, headers=headers, partition=0)


def send(params: KafkaParams, kind: str, count: int) -> None:
    with closing(make_producer(params)) as producer:
        for _ in range(count):
            producer.send(topic(params, kind), b"{}")


def note(params: KafkaParams, member: KafkaConsumer, published: Published) -> None:
    """Say that shard 0 is published so far."""
    outlet = TransactionalOutlet(params, "test")
    outlet.publish([], {0: published}, member.group_metadata())  # type: ignore[no-untyped-call]
    outlet.close()
    # The brokers write it down a moment after they have said yes; this waits for them.
    assert read_published(params, [0], 30.0) == {0: published}


def run(params: KafkaParams, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("TAPWATCH_KAFKA__BOOTSTRAP", params.bootstrap[0])
    monkeypatch.setenv("TAPWATCH_KAFKA__PREFIX", params.prefix)
    monkeypatch.setenv("TAPWATCH_KAFKA__SHARDS", str(params.shards))
    return CliRunner().invoke(app, ["status", *arguments])


@TWO_SHARDS
def test_an_engine_without_a_backlog_is_well(kafka_params: KafkaParams, member: KafkaConsumer) -> None:
    log(kafka_params, RECORDS, AGE_S)
    note(kafka_params, member, Published(RECORDS, RECORDS))

    status = read_status(kafka_params)

    first, second = status.shards
    assert status.problems(1.0) == []
    assert first.owner == second.owner == f"{kafka_params.prefix} at 127.0.0.1"
    assert (first.log_end, first.published_offset, first.published_position) == (RECORDS, RECORDS, RECORDS)
    assert (first.lag_records, first.lag_s) == (0, None)
    assert first.published_event_time == payment(RECORDS - 1).event_time
    assert (second.log_end, second.lag_records, second.published_event_time) == (0, 0, None)
    assert (status.shard_group.state, len(status.shard_group.members)) == ("Stable", 1)


def test_a_backlog_has_a_length_and_an_age(kafka_params: KafkaParams, member: KafkaConsumer) -> None:
    log(kafka_params, RECORDS, AGE_S)
    note(kafka_params, member, Published(DONE, DONE))

    status = read_status(kafka_params)

    (shard,) = status.shards
    assert shard.lag_records == RECORDS - DONE
    assert shard.lag_s is not None
    assert shard.lag_s >= AGE_S
    assert shard.published_event_time == payment(DONE - 1).event_time
    assert status.problems(A_YEAR_S) == []
    (problem,) = status.problems(AGE_S / 2)
    assert re.fullmatch(r"shard 0 is [\d,.]+ s behind; allowed: 50 s", problem)


def test_shards_that_nobody_runs_are_a_problem(kafka_params: KafkaParams) -> None:
    status = read_status(kafka_params)

    assert status.shards[0].owner is None
    assert status.problems(A_YEAR_S) == [
        f"no process runs shards: group {kafka_params.prefix}-shards has no members"
    ]


@pytest.mark.usefixtures("member")
def test_inputs_that_nobody_reads_are_a_problem(kafka_params: KafkaParams) -> None:
    send(kafka_params, "payments", 3)

    status = read_status(kafka_params)

    behind = {each.topic: each.lag_records for each in status.inputs if each.lag_records}
    assert behind == {topic(kafka_params, "payments"): 3}
    assert status.problems(A_YEAR_S) == [
        f"nobody reads the input topics: group {kafka_params.prefix}-ingest has no members"
    ]


@pytest.mark.usefixtures("member")
def test_dead_letters_are_counted_and_no_problem(kafka_params: KafkaParams) -> None:
    send(kafka_params, DEAD_LETTERS, 2)

    status = read_status(kafka_params)

    assert (status.dead_letters, status.problems(A_YEAR_S)) == (2, [])


@pytest.mark.usefixtures("member")
def test_the_mark_of_a_transaction_is_nothing_that_waits(kafka_params: KafkaParams) -> None:
    name = topic(kafka_params, "payments")
    with closing(make_producer(kafka_params, transactional_id=kafka_params.prefix)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(name, b"{}", partition=0)
        producer.commit_transaction()
    place = TopicPartition(name, 0)
    with closing(make_consumer(kafka_params, group_id=ingest_group(kafka_params))) as reader:
        reader.assign([place])
        reader.commit({place: OffsetAndMetadata(1, "", -1)})
        (end,) = reader.end_offsets([place]).values()

    status = read_status(kafka_params)

    assert end == 2
    assert (status.behind, status.problems(A_YEAR_S)) == (0, [])


@pytest.mark.usefixtures("member")
def test_what_was_aborted_is_nothing_that_waits(kafka_params: KafkaParams) -> None:
    with closing(make_producer(kafka_params, transactional_id=kafka_params.prefix)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic(kafka_params, "payments"), b"{}", partition=0)
        producer.flush()
        producer.abort_transaction()

    status = read_status(kafka_params)

    assert (status.behind, status.problems(A_YEAR_S)) == (0, [])


@pytest.mark.usefixtures("member")
def test_a_first_policy_waits_since_it_was_logged(kafka_params: KafkaParams) -> None:
    assert ensure_first_policy(kafka_params, default_policy_text()) == [0]

    (shard,) = read_status(kafka_params).shards

    assert shard.lag_records == 1
    assert shard.lag_s is not None
    assert shard.lag_s < A_YEAR_S


@pytest.mark.usefixtures("member")
def test_another_number_of_shards_than_there_is_is_a_problem(kafka_params: KafkaParams) -> None:
    status = read_status(replace(kafka_params, shards=3))

    assert status.problems(A_YEAR_S) == ["the shard log has 1 partitions, kafka.shards is 3"]


@pytest.mark.usefixtures("member")
def test_the_command_says_it_in_words(kafka_params: KafkaParams, monkeypatch: pytest.MonkeyPatch) -> None:
    log(kafka_params, RECORDS, AGE_S)
    well = run(kafka_params, monkeypatch, "--max-lag-s", str(A_YEAR_S))
    wrong = run(kafka_params, monkeypatch)

    assert well.exit_code == 0
    assert f"{kafka_params.prefix} at 127.0.0.1" in well.stdout
    assert "all is well" in well.stdout
    assert wrong.exit_code == 1
    assert re.search(r"wrong: shard 0 is [\d,.]+ s behind; allowed: 60 s", wrong.stdout)


def test_the_command_says_it_in_json(
    kafka_params: KafkaParams, member: KafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(kafka_params, RECORDS, AGE_S)
    note(kafka_params, member, Published(DONE, DONE))

    done = run(kafka_params, monkeypatch, "--json")

    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert len(said["problems"]) == 1
    assert said["shards"][0]["published_position"] == DONE
    assert said["shards"][0]["published_event_time"] == payment(DONE - 1).event_time.isoformat()
    assert set(ClusterStatus.__dataclass_fields__) < set(said)


def test_brokers_that_don_t_answer_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    done = run(KafkaParams(bootstrap=(f"127.0.0.1:{port}",)), monkeypatch)

    assert done.exit_code == 2
    assert f"127.0.0.1:{port}" in done.stderr


def test_missing_topics_are_named(
    make_kafka_params: MakeKafkaParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_kafka_params(topics=False)

    done = run(params, monkeypatch)

    assert done.exit_code == 2
    assert "tapwatch topics" in done.stderr
