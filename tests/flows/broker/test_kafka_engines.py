"""Two engines that share four shards on a real broker, and one that leaves."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from alerting.decision import Source
from alerting.engine import UnknownTransactionError
from alerting.policy import policy_version
from detectors.events import Location, Outcome, OutcomeKind, Verdict
from flows.broker.connection import make_producer, topic
from flows.broker.files import shard_file
from flows.broker.params import KafkaParams
from flows.broker.topic_specs import DECISIONS, SHARD_LOG
from flows.broker.wire import LogMessage, message_headers, message_key
from flows.policy_file import default_policy_text
from geo import Position
from tests.flows.broker.engines_made import (
    NOON,
    SHARDS,
    decide,
    engine,
    ledger_of,
    log_of,
    payment,
    user_of,
    wait_until_owned,
)
from tests.flows.broker.outboxes_made import positions_and_values, published, wait_until

OTHER_POLICY = default_policy_text() + "\n# another\n"
EVERY_SHARD = range(SHARDS)


@contextmanager
def traffic_on(kafka: KafkaParams) -> Iterator[None]:
    """Others write to all shards, so that there is always something to read."""
    flows, ended = threading.Event(), threading.Event()
    seen = LogMessage.of(Location("u-1", Position(50.0, 8.0), NOON), 0)
    key, headers = message_key(seen.record.event), message_headers(seen)

    def write() -> None:
        with closing(make_producer(kafka)) as producer:
            while not ended.is_set():
                for shard in EVERY_SHARD:
                    name = topic(kafka, SHARD_LOG)
                    sent = [producer.send(name, seen.record.payload, key, headers, shard) for _ in range(100)]
                sent[-1].get(60.0)  # type: ignore[no-untyped-call]
                flows.set()

    writing = threading.Thread(target=write)
    writing.start()
    assert flows.wait(60.0)
    try:
        yield
    finally:
        ended.set()
        writing.join()


@pytest.mark.parametrize("kafka_params", [SHARDS], indirect=True)
def test_either_engine_answers_for_all_shards_and_goes_on_alone_when_the_other_one_leaves(
    kafka_params: KafkaParams, tmp_path: Path
) -> None:
    a, b = engine(kafka_params, tmp_path / "a"), engine(kafka_params, tmp_path / "b")
    with a, ExitStack() as stopped:
        b.start()
        stopped.callback(b.stop)
        wait_until_owned(a, b)
        answers = [
            decide(each, payment(f"t-{n}-{s}", s)) for n, each in enumerate((a, b)) for s in EVERY_SHARD
        ]
        assert {answer.source for answer in answers} == {Source.ENGINE}
        for each in (a, b):
            for answer in answers:
                assert each.find_decision("default", answer.transaction_id) == answer
                assert each.explain("default", answer.transaction_id).decision == answer
            with pytest.raises(UnknownTransactionError):
                each.explain("default", "t-none")
        crossed = [decide(b, payment(f"t-0-{s}", s)) for s in EVERY_SHARD]
        assert crossed == answers[:SHARDS]

        said = Outcome("o-1", "t-0-1", user_of(1), OutcomeKind.CHARGEBACK, Verdict.FRAUD, NOON)
        assert (a.publish(said).duplicate, b.publish(said).duplicate) == (False, True)
        a.change_policy(OTHER_POLICY)
        wait_until(lambda: b.policy_version == policy_version(OTHER_POLICY), "the other one heard of it")
        after = decide(b, payment("t-after", 2))
        assert after.policy_version == policy_version(OTHER_POLICY)

        with traffic_on(kafka_params):
            # Not killed for taking long: what others write is no reason to stay.
            stopped.close()
            wait_until_owned(a)
        assert b.restarts == 0
        kept = [decide(a, payment(f"t-{n}-{s}", s)) for n in (0, 1) for s in EVERY_SHARD]
        assert kept == answers
        assert a.find_decision("default", "t-after") == after
        assert decide(a, payment("t-alone", 3)).source is Source.ENGINE

    for shard in EVERY_SHARD:
        sent = positions_and_values(published(kafka_params, DECISIONS, shard))
        assert sent == ledger_of(tmp_path / "a", shard)
    left = [shard for shard in EVERY_SHARD if shard_file(tmp_path / "b", shard).exists()]
    assert left != []
    for shard in left:
        early, all_of_it = log_of(tmp_path / "b", shard), log_of(tmp_path / "a", shard)
        assert all_of_it[: len(early)] == early
