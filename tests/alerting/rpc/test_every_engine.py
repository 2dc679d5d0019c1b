"""What the edge may rely on, held against the engine in memory and the real one alike."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from alerting.engine import (
    Health,
    PayloadConflictError,
    Receipt,
    RiskEngine,
    UnknownTransactionError,
)
from detectors.events import Location
from flows.engine import Engine, EngineParams
from flows.policy_file import default_policy_text
from geo import Position
from tests.alerting.rpc.fake_engine import NOW, FakeEngine, a_payment, an_outcome

PATIENT_S = 20.0


@pytest.fixture(params=["in memory", "embedded"])
def any_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RiskEngine]:
    with ExitStack() as stack:
        if request.param == "in memory":
            yield FakeEngine()
        else:
            params = EngineParams(tmp_path / "shard.db", default_policy_text())
            yield stack.enter_context(Engine(params, now=lambda: NOW))


def test_a_payment_is_decided_and_its_decision_found(any_engine: RiskEngine) -> None:
    decision = any_engine.submit(a_payment(), PATIENT_S).result()
    assert (decision.tenant, decision.transaction_id, decision.user_id) == ("default", "t-1", "user-1")
    assert decision.event_time == NOW
    assert any_engine.find_decision("default", "t-1") == decision
    assert any_engine.find_user("default", "t-1") == "user-1"


def test_a_repeated_payment_gets_the_same_decision(any_engine: RiskEngine) -> None:
    pending = [any_engine.submit(a_payment(), PATIENT_S) for _ in range(3)]
    decisions = [each.result() for each in pending]
    assert decisions[0] == decisions[1] == decisions[2]
    assert any_engine.submit(a_payment(), PATIENT_S).result() == decisions[0]


def test_the_same_id_with_other_content_is_a_conflict(any_engine: RiskEngine) -> None:
    any_engine.submit(a_payment(), PATIENT_S).result()
    with pytest.raises(PayloadConflictError):
        any_engine.submit(a_payment(amount_minor=9), PATIENT_S).result()


def test_tenants_do_not_share_transaction_ids(any_engine: RiskEngine) -> None:
    any_engine.submit(a_payment(), PATIENT_S).result()
    other = any_engine.submit(replace(a_payment(amount_minor=9), tenant="shop"), PATIENT_S).result()
    assert other.tenant == "shop"


@pytest.mark.parametrize("method", ["find_decision", "find_user", "explain"])
def test_a_transaction_that_never_came_is_unknown(any_engine: RiskEngine, method: str) -> None:
    with pytest.raises(UnknownTransactionError):
        getattr(any_engine, method)("default", "t-404")


def test_an_expired_payment_is_answered_at_once_and_stays_answered(any_engine: RiskEngine) -> None:
    decision = any_engine.submit(a_payment(), 0.0).result()
    assert any_engine.submit(a_payment(), PATIENT_S).result() == decision


def test_an_answer_is_told_to_a_callback(any_engine: RiskEngine) -> None:
    pending = any_engine.submit(a_payment(), PATIENT_S)
    _wait_for(pending.on_answer)
    decision = pending.answer_now()
    assert pending.result() == decision == any_engine.find_decision("default", "t-1")


def test_a_callback_that_comes_after_the_answer_is_called_at_once(any_engine: RiskEngine) -> None:
    any_engine.submit(a_payment(), PATIENT_S).result()
    called: list[bool] = []
    any_engine.submit(a_payment(), PATIENT_S).on_answer(lambda: called.append(True))
    assert called


def test_an_answer_that_is_taken_early_stays_the_answer(any_engine: RiskEngine) -> None:
    pending = any_engine.submit(a_payment(), PATIENT_S)
    decision = pending.answer_now()
    _wait_for(pending.on_answer)
    assert pending.answer_now() == pending.result() == decision
    assert any_engine.submit(a_payment(), PATIENT_S).result() == decision


def test_an_answer_is_due_when_the_request_said(any_engine: RiskEngine) -> None:
    before = monotonic()
    due = any_engine.submit(a_payment(), PATIENT_S).due
    assert before <= due - PATIENT_S <= monotonic()


def test_a_conflict_with_an_answered_payment_needs_no_waiting(any_engine: RiskEngine) -> None:
    any_engine.submit(a_payment(), PATIENT_S).result()
    with pytest.raises(PayloadConflictError):
        any_engine.submit(a_payment(amount_minor=9), PATIENT_S).answer_now()


def test_events_offered_in_a_row_are_kept_in_their_order(any_engine: RiskEngine) -> None:
    events = [an_outcome(outcome_id=f"o-{n}") for n in range(100)]
    receipts = [any_engine.offer(event) for event in events]
    for receipt in receipts:
        _wait_for(receipt.on_settled)
    positions = [receipt.receipt_now().log_position for receipt in receipts]
    assert positions == list(range(positions[0], positions[0] + 100))


def test_events_offered_in_a_row_are_held_against_each_other(any_engine: RiskEngine) -> None:
    fix = Location("user-1", Position(50.0, 4.0), NOW)
    first, again, other = (any_engine.offer(event) for event in (fix, fix, replace(fix, mocked=True)))
    for receipt in (first, again, other):
        _wait_for(receipt.on_settled)
    kept = first.receipt_now()
    assert not kept.duplicate
    assert again.receipt_now() == Receipt(kept.log_position, duplicate=True)
    with pytest.raises(PayloadConflictError):
        other.receipt_now()


def test_an_event_is_kept_once(any_engine: RiskEngine) -> None:
    fix = Location("user-1", Position(50.0, 4.0), NOW)
    first, again = any_engine.publish(fix), any_engine.publish(fix)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again == Receipt(first.log_position, duplicate=True)
    with pytest.raises(PayloadConflictError):
        any_engine.publish(replace(fix, mocked=True))


def test_an_explanation_tells_payment_decision_and_outcomes(any_engine: RiskEngine) -> None:
    decision = any_engine.submit(a_payment(), PATIENT_S).result()
    any_engine.publish(an_outcome())
    # What one record changed can be read once the next one is in the log.
    any_engine.publish(Location("user-1", Position(50.0, 4.0), NOW))
    explanation = any_engine.explain("default", "t-1")
    assert explanation.payment == a_payment()
    assert explanation.decision == decision
    assert explanation.outcomes == (an_outcome(),)


def test_an_engine_that_answers_is_healthy(any_engine: RiskEngine) -> None:
    any_engine.submit(a_payment(), PATIENT_S).result()
    assert any_engine.health() is Health.SERVING


def _wait_for(tell: Callable[[Callable[[], None]], None]) -> None:
    told = Event()
    tell(told.set)
    assert told.wait(PATIENT_S)
