"""The live engine: a real flow on a thread over a real file."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alerting.decision import Decision, FallbackAnswered, FallbackCause, Source
from alerting.engine import EngineUnavailableError, Health, PayloadConflictError, UnknownTransactionError
from alerting.policy import PolicyError
from detectors.events import Outcome, OutcomeKind, Payment, Preferences, Verdict
from detectors.scoring import ModelParams
from flows.engine import Engine, EngineParams
from flows.log import Appended, NewRecord
from flows.policy_file import default_policy_text
from flows.sqlite_shard import SqliteShard
from flows.store import Slice
from tests.flows.shard_threads import on_threads

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT_S = 60.0


def payment(name: str = "t-1", amount_minor: int = 1_000) -> Payment:
    return Payment(name, "u-1", amount_minor, "EUR", NOON, "m-1")


def engine(
    tmp_path: Path, before_batch: Callable[[int], None] | None = None, policy: str | None = None
) -> Engine:
    params = EngineParams(tmp_path / "shard.db", policy or default_policy_text())
    return Engine(params, now=lambda: NOON, spawn=on_threads(before_batch))


def decide(running: Engine, of: Payment) -> Decision:
    return running.submit(of, PATIENT_S).result()


def test_answers_survive_a_restart_byte_for_byte(tmp_path: Path) -> None:
    with engine(tmp_path) as first:
        answers = [decide(first, payment(f"t-{n}")) for n in range(20)]
    with engine(tmp_path) as second:
        assert [second.find_decision("default", f"t-{n}") for n in range(20)] == answers
        assert [decide(second, payment(f"t-{n}")) for n in range(20)] == answers
        with pytest.raises(PayloadConflictError):
            decide(second, payment("t-3", amount_minor=5))
    shard = SqliteShard(tmp_path / "shard.db")
    assert shard.end == 21
    assert shard.position == 21
    shard.close()


def test_a_flow_that_dies_answers_those_who_wait_and_comes_back(tmp_path: Path) -> None:
    deaths = iter([True])

    def die_once(_payments: int) -> None:
        if next(deaths, False):
            raise RuntimeError("planted")

    with engine(tmp_path, die_once) as running:
        failed = decide(running, payment("t-0"))
        assert (failed.source, failed.fallback_cause) == (Source.FALLBACK, FallbackCause.FAULT)
        while running.health() is Health.NOT_SERVING:
            threading.Event().wait(0.01)
        after = decide(running, payment("t-1"))
        assert after.source is Source.ENGINE
        assert running.restarts == 1
        # The answer that was given stays the answer, though the log holds the payment too.
        assert running.find_decision("default", "t-0") == failed
        assert decide(running, payment("t-0")) == failed
    with engine(tmp_path) as again:
        assert again.find_decision("default", "t-0") == failed


def test_a_stalled_flow_leaves_the_answer_to_the_fallback(tmp_path: Path) -> None:
    stall = threading.Event()

    def stand_still(_payments: int) -> None:
        stall.wait(PATIENT_S)

    with engine(tmp_path, stand_still) as running:
        late = running.submit(payment("t-0"), 0.05).result()
        assert late.fallback_cause is FallbackCause.DEADLINE
        stall.set()
        decide(running, payment("t-1"))
        assert running.health() is Health.DEGRADED
        assert running.find_decision("default", "t-0") == late


def test_an_outcome_is_explained_with_its_decision(tmp_path: Path) -> None:
    with engine(tmp_path) as running:
        decision = decide(running, payment())
        outcome = Outcome("o-1", "t-1", "u-1", OutcomeKind.CHARGEBACK, Verdict.FRAUD, NOON)
        receipt = running.publish(outcome)
        assert running.publish(outcome).duplicate
        assert receipt.log_position == 3
    with engine(tmp_path) as running:
        found = running.explain("default", "t-1")
        assert found.decision == decision
        assert found.outcomes == (outcome,)
        assert dict(found.features)["amount"] == 10.0
        with pytest.raises(UnknownTransactionError):
            running.explain("default", "t-none")


def test_a_changed_policy_acts_from_its_log_position_on_and_after_a_restart(tmp_path: Path) -> None:
    other = default_policy_text() + "\n# another\n"
    with engine(tmp_path) as running:
        before = decide(running, payment("t-0"))
        running.change_policy(other)
        after = decide(running, payment("t-1"))
        assert before.policy_version != after.policy_version
        with pytest.raises(PolicyError):
            running.change_policy("label = 3")
    with engine(tmp_path, policy=other) as running:
        assert decide(running, payment("t-2")).policy_version == after.policy_version
    shard = SqliteShard(tmp_path / "shard.db")
    assert shard.end == 5  # two policies, three payments: the restart logged none
    shard.close()


def test_health_follows_the_engines_life(tmp_path: Path) -> None:
    running = engine(tmp_path)
    assert running.health() is Health.STARTING
    running.start()
    decide(running, payment())
    assert running.health() is Health.SERVING
    running.stop()
    assert running.health() is Health.NOT_SERVING


def test_metrics_count_decisions_and_fallbacks(tmp_path: Path) -> None:
    with engine(tmp_path) as running:
        decide(running, payment())
        text = running.metrics.text().decode()
    assert 'tapwatch_decisions_total{action="APPROVE",source="ENGINE"} 1.0' in text
    assert "tapwatch_log_position 2.0" in text


def test_a_log_that_cannot_be_written_answers_by_the_fallback_and_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, True])
    write = SqliteShard.append_one

    def fail_twice(self: SqliteShard, record: NewRecord) -> Appended:
        if next(failures, False):
            raise OSError("no space left on device")
        return write(self, record)

    with engine(tmp_path) as running:
        decide(running, payment("t-0"))
        monkeypatch.setattr(SqliteShard, "append_one", fail_twice)
        failed = decide(running, payment("t-1"))
        assert failed.fallback_cause is FallbackCause.FAULT
        while running.health() is Health.NOT_SERVING or running.restarts < 2:
            threading.Event().wait(0.01)
        assert decide(running, payment("t-2")).source is Source.ENGINE
        assert running.find_decision("default", "t-1") == failed
    with engine(tmp_path) as again:
        assert again.find_decision("default", "t-1") == failed
        assert decide(again, payment("t-1")) == failed


class Disk(SqliteShard):
    """A shard on a disk that a test can fill: SQLite finds no more room."""

    full = False

    @contextmanager
    def writing(self, work: Slice | None = None) -> Iterator[None]:
        self._db.execute(f"PRAGMA max_page_count = {1 if Disk.full else 1_000_000}").fetchall()
        with super().writing(work):
            yield


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type[Disk]:
    monkeypatch.setattr("flows.shard_process.SqliteShard", Disk)
    monkeypatch.setattr(Disk, "full", False)
    return Disk


def ask_on_a_full_disk(running: Engine, path: Path, disk: type[Disk], deaths: int) -> list[Decision]:
    """Gives the answers from when the disk is full until the flow has died so often."""
    decide(running, payment("t-first"))
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA incremental_vacuum")
    disk.full = True
    answers: list[Decision] = []
    while running.restarts < deaths:
        answers.append(decide(running, payment(f"t-{len(answers)}")))
        threading.Event().wait(0.002)
    return answers


def by_fallback(answers: list[Decision]) -> list[str]:
    return sorted(given.transaction_id for given in answers if given.source is Source.FALLBACK)


def logged_answers(tmp_path: Path) -> list[str]:
    shard = SqliteShard(tmp_path / "shard.db")
    events = [record.event for record in shard.read(0, 10_000)]
    shard.close()
    return sorted(event.payment.transaction_id for event in events if isinstance(event, FallbackAnswered))


def test_on_a_full_disk_callers_get_labelled_fallbacks_that_the_next_start_logs(
    tmp_path: Path, disk: type[Disk]
) -> None:
    with engine(tmp_path) as running:
        answers = ask_on_a_full_disk(running, tmp_path / "shard.db", disk, deaths=2)
        assert {given.fallback_cause for given in answers} <= {None, FallbackCause.FAULT}
        assert by_fallback(answers) != []
        large = Preferences("u-1", NOON, watched_assets=("x" * 128,) * 200)
        with pytest.raises(EngineUnavailableError):
            running.publish(large)
        assert running.find_decision("default", answers[-1].transaction_id) == answers[-1]
    disk.full = False
    with engine(tmp_path) as again:
        assert [again.find_decision("default", given.transaction_id) for given in answers] == answers
        assert [decide(again, payment(given.transaction_id)) for given in answers] == answers
        assert decide(again, payment("t-new")).source is Source.ENGINE
    assert logged_answers(tmp_path) == by_fallback(answers)


def test_answers_that_were_given_while_the_flow_was_down_are_logged_at_stop(
    tmp_path: Path, disk: type[Disk]
) -> None:
    running = engine(tmp_path)
    running.start()
    answers = ask_on_a_full_disk(running, tmp_path / "shard.db", disk, deaths=4)  # it waits two seconds now
    disk.full = False
    running.stop()
    assert logged_answers(tmp_path) == by_fallback(answers) != []
    with engine(tmp_path) as again:
        assert [decide(again, payment(given.transaction_id)) for given in answers] == answers


def test_an_answer_whose_payment_turns_out_to_be_logged_is_logged_beside_it(tmp_path: Path) -> None:
    """A restarted flow dies before it has caught up: nobody knows what became of the payment."""
    with engine(tmp_path) as running:
        decide(running, payment("t-0"))
    shard = SqliteShard(tmp_path / "shard.db")
    shard.append([NewRecord.of(payment("t-1"))])
    shard.close()
    running = engine(tmp_path)
    given = running.submit(payment("t-1"), 0.0).result()
    assert given.fallback_cause is FallbackCause.STALE_STATE
    with running:
        assert decide(running, payment("t-2")).source is Source.ENGINE
        assert running.find_decision("default", "t-1") == given
    assert logged_answers(tmp_path) == ["t-1"]
    with engine(tmp_path) as again:
        assert decide(again, payment("t-1")) == given


def test_a_policy_that_was_logged_too_late_for_its_caller_is_in_force_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = threading.Event()
    stall.set()
    other = default_policy_text() + "\n# another\n"

    def stand_still(_payments: int) -> None:
        stall.wait(PATIENT_S)

    with engine(tmp_path, stand_still) as running:
        before = decide(running, payment("t-0"))
        stall.clear()
        monkeypatch.setattr("flows.engine.PUBLISH_TIMEOUT_S", 0.01)
        with pytest.raises(EngineUnavailableError):
            running.change_policy(other)
        assert running.policy_version == before.policy_version
        stall.set()
        after = decide(running, payment("t-1"))
        assert running.policy_version == after.policy_version != before.policy_version


def test_a_policy_that_only_the_log_knows_is_in_force_behind_a_restart(tmp_path: Path) -> None:
    other = default_policy_text() + "\n# another\n"
    deaths = iter([False, True])

    def die_with_the_second_batch(_payments: int) -> None:
        if next(deaths, False):
            raise RuntimeError("planted")

    with engine(tmp_path, die_with_the_second_batch) as running:
        before = decide(running, payment("t-0"))
        with pytest.raises(EngineUnavailableError):
            running.change_policy(other)
        while running.health() is not Health.SERVING and not running.restarts:
            threading.Event().wait(0.01)
        names = (f"t-{number}" for number in count(1))
        while (after := decide(running, payment(next(names)))).source is not Source.ENGINE:
            threading.Event().wait(0.01)
        assert running.policy_version == after.policy_version != before.policy_version


def test_an_explanation_holds_the_outcome_that_was_just_acknowledged(tmp_path: Path) -> None:
    with engine(tmp_path) as running:
        for number in range(20):
            decide(running, payment(f"t-{number}"))
            said = Outcome(f"o-{number}", f"t-{number}", "u-1", OutcomeKind.CHARGEBACK, Verdict.FRAUD, NOON)
            running.publish(said)
            assert running.explain("default", f"t-{number}").outcomes == (said,)


def test_the_log_position_is_told_behind_a_restart(tmp_path: Path) -> None:
    with engine(tmp_path) as running:
        decide(running, payment())
    with engine(tmp_path) as again:
        while "tapwatch_log_position 2.0" not in again.metrics.text().decode():
            threading.Event().wait(0.01)


def test_other_model_settings_are_another_model_version(tmp_path: Path) -> None:
    with engine(tmp_path) as running:
        usual = decide(running, payment("t-0")).model_version
    params = EngineParams(tmp_path / "shard.db", default_policy_text(), ModelParams(time_zone="Asia/Tokyo"))
    with Engine(params, now=lambda: NOON, spawn=on_threads()) as other:
        assert decide(other, payment("t-1")).model_version != usual
        assert other.submit(payment("t-2"), 0.0).result().model_version != usual
    with engine(tmp_path) as again:
        assert decide(again, payment("t-3")).model_version == usual


def test_a_checkpoint_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.checkpointer.EVERY_S", 0.001)
    monkeypatch.setattr("flows.checkpointer.AFTER", 0)
    moved, failures = threading.Event(), iter([True])
    checkpoint = SqliteShard.checkpoint

    def fail_once(self: SqliteShard) -> None:
        if threading.current_thread().name == "checkpointer":
            if next(failures, False):
                raise sqlite3.OperationalError("database or disk is full")
            moved.set()
        checkpoint(self)

    monkeypatch.setattr(SqliteShard, "checkpoint", fail_once)
    with engine(tmp_path) as running, capture_logs() as lines:
        for number in count():
            decide(running, payment(f"t-{number}"))
            if moved.wait(0.01):
                break
        assert running.restarts == 0
    assert [line["event"] for line in lines] == ["checkpoint_failed"]
