"""One engine over four shards on a real broker."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from alerting.decision import FallbackAnswered, FallbackCause, PolicyActivated, Source
from alerting.engine import Health, PayloadConflictError, UnknownTransactionError
from alerting.policy import policy_version
from detectors.events import Location, Outcome, OutcomeKind, Tick, Verdict
from flows.broker.files import PartitionError, shard_file
from flows.broker.params import KafkaParams
from flows.broker.shards.fetching import Fetching
from flows.broker.topic_specs import DECISIONS
from flows.policy_file import default_policy_text
from geo import Position
from tests.flows.broker.engines_made import (
    NOON,
    SHARDS,
    decide,
    engine,
    ledger_of,
    log_of,
    owned,
    payment,
)
from tests.flows.broker.outboxes_made import positions_and_values, published, wait_until
from tests.kafka_level import MakeKafkaParams

OTHER_POLICY = default_policy_text() + "\n# another\n"
four_shards = pytest.mark.parametrize("kafka_params", [SHARDS], indirect=True)


@four_shards
def test_an_engine_on_kafka_answers_as_the_embedded_one_does(
    kafka_params: KafkaParams, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    with engine(kafka_params, folder) as running:
        assert running.health() is Health.SERVING
        answers = [decide(running, payment(f"t-{shard}", shard)) for shard in range(SHARDS)]
        assert {answer.source for answer in answers} == {Source.ENGINE}
        assert [decide(running, payment(f"t-{shard}", shard)) for shard in range(SHARDS)] == answers
        with pytest.raises(PayloadConflictError):
            decide(running, payment("t-1", 1, amount_minor=5))

        said = Outcome("o-1", "t-1", payment("t-1", 1).user_id, OutcomeKind.CHARGEBACK, Verdict.FRAUD, NOON)
        first, again = running.publish(said), running.publish(said)
        assert (first.duplicate, again.duplicate) == (False, True)
        assert again.log_position == first.log_position == 3
        found = running.explain("default", "t-1")
        assert found.decision == answers[1]
        assert found.outcomes == (said,)
        assert dict(found.features)["amount"] == 10.0
        assert running.find_user("default", "t-2") == payment("t-2", 2).user_id
        with pytest.raises(UnknownTransactionError):
            running.find_decision("default", "t-none")

        seen = Location(payment("t-2", 2).user_id, Position(50.0, 8.0), NOON)
        tick = Tick("v", "BTC", "EUR", NOON, 1.0, 2.0, 0.5, 1.5, 10.0)
        assert not running.publish(seen).duplicate
        running.publish(tick)
        running.change_policy(OTHER_POLICY)
        after = [decide(running, payment(f"t-after-{shard}", shard)) for shard in range(SHARDS)]
        assert {answer.policy_version for answer in after} == {policy_version(OTHER_POLICY)}
        assert running.policy_version == policy_version(OTHER_POLICY)
        assert owned(running) <= set(range(SHARDS))

    logs = [log_of(folder, shard) for shard in range(SHARDS)]
    for shard, log in enumerate(logs):
        assert log.count(tick) == 1
        assert log.count(seen) == (shard == 2)
        assert log.count(said) == (shard == 1)
        assert [type(event) for event in log].count(PolicyActivated) == 2
        assert positions_and_values(published(kafka_params, DECISIONS, shard)) == ledger_of(folder, shard)

    with engine(kafka_params, folder) as running:
        assert running.policy_version == policy_version(OTHER_POLICY), "the file has another one"
        assert [decide(running, payment(f"t-{shard}", shard)) for shard in range(SHARDS)] == answers
        assert [running.find_decision("default", f"t-after-{shard}") for shard in range(SHARDS)] == after
    assert [log_of(folder, shard) for shard in range(SHARDS)] == logs


@four_shards
def test_answers_that_the_fallback_gave_before_a_death_are_logged_at_the_next_start(
    kafka_params: KafkaParams, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    with engine(kafka_params, folder) as running:
        known = decide(running, payment("t-known", 3))
    left = engine(kafka_params, folder, prepared=False)  # it dies before its shard process has started
    given = [left.submit(payment(f"t-{shard}", shard), 0.0).result() for shard in range(SHARDS)]
    assert {answer.fallback_cause for answer in given} == {FallbackCause.STALE_STATE}
    with engine(kafka_params, folder) as running:
        assert [decide(running, payment(f"t-{shard}", shard)) for shard in range(SHARDS)] == given
        assert decide(running, payment("t-known", 3)) == known
        assert running.find_decision("default", "t-2") == given[2]
    answered = [event for shard in range(SHARDS) for event in log_of(folder, shard)]
    assert [e.payment.transaction_id for e in answered if isinstance(e, FallbackAnswered)] == [
        f"t-{shard}" for shard in range(SHARDS)
    ]


@pytest.mark.parametrize("harm", ["header", "state", "empty", "begun"])
def test_a_damaged_file_is_put_aside_and_made_again(
    make_kafka_params: MakeKafkaParams, tmp_path: Path, harm: str
) -> None:
    kafka_params = make_kafka_params(snapshots=tmp_path / "copies")
    asked = [payment(f"t-{number}", shards=1) for number in range(20)]
    with engine(kafka_params, tmp_path) as running:
        answers = [decide(running, each) for each in asked]
    file = shard_file(tmp_path, 0)
    before = ledger_of(tmp_path, 0)
    spoil(file, harm)

    with engine(kafka_params, tmp_path) as running:
        wait_until(lambda: owned(running) == {0}, "the shard is back")
        assert [decide(running, each) for each in asked] == answers
        late = decide(running, payment("t-late", shards=1))

    assert late.source is Source.ENGINE
    assert ledger_of(tmp_path, 0)[:-1] == before
    assert file.with_name("shard-0000.db.damaged").exists()


def test_a_shard_is_not_fetched_from_a_log_that_was_made_again(
    kafka_params: KafkaParams, tmp_path: Path
) -> None:
    fetching = Fetching(kafka_params, "of the log before", tmp_path, None)
    fetching.begin(0)

    with pytest.raises(PartitionError, match="was deleted and made again while this process ran"):
        wait_until(lambda: bool(fetching.done()), "an answer")
    fetching.stop()


def spoil(file: Path, harm: str) -> None:
    """Write over the beginning of a file or of a table; or leave what a kill leaves that is early."""
    if harm in ("empty", "begun"):
        file.unlink()
        with closing(sqlite3.connect(file)) as opened:
            if harm == "begun":
                opened.execute("PRAGMA journal_mode = WAL")
            assert opened.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        file.touch()
        return
    page = 1
    if harm == "state":
        with closing(sqlite3.connect(file)) as opened:
            (page,) = opened.execute("SELECT rootpage FROM sqlite_master WHERE name = 'state'").fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * 4_096)
        raw.write(b"\xff" * 4_096)
