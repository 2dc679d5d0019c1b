"""The intake: who answers first has answered, and nothing waits longer than it may."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Source,
    StepUpAdvice,
)
from alerting.engine import EngineUnavailableError, PayloadConflictError
from detectors.events import Payment
from flows.answer_journal import AnswerJournal
from flows.intake import Intake, IntakeParams, Mode
from flows.log import NewRecord
from flows.pending import FallbackEntry, Known, Submission, Twin

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADVICE = StepUpAdvice(ChallengeIndicator.NO_PREFERENCE, Exemption.NONE, None, None)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def payment(name: str = "t-1", amount_minor: int = 100) -> Payment:
    return Payment(name, "u-1", amount_minor, "EUR", NOON, "m-1")


def decision(of: Payment, source: Source = Source.ENGINE, cause: FallbackCause | None = None) -> Decision:
    action = Action.APPROVE if source is Source.ENGINE else Action.STEP_UP
    return Decision(
        f"d-{of.transaction_id}",
        of.transaction_id,
        of.tenant,
        of.user_id,
        of.event_time,
        action,
        0.0,
        0.0,
        (),
        (),
        ADVICE,
        "m",
        "p",
        "f",
        0,
        source,
        cause,
    )


class Make(Protocol):
    def __call__(
        self, params: IntakeParams | None = None, known: Decision | None = None, page_bytes: int = 65_536
    ) -> tuple[Intake, Clock]: ...


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an intake whose journal is ``answers`` in the test's folder."""

    def make(
        params: IntakeParams | None = None, known: Decision | None = None, page_bytes: int = 65_536
    ) -> tuple[Intake, Clock]:
        clock = Clock()

        def fall_back(of: Payment, cause: FallbackCause) -> Decision:
            return decision(of, Source.FALLBACK, cause)

        def find_known(_record: NewRecord, _payment: Payment) -> Decision | None:
            return known

        journal = AnswerJournal(tmp_path / "answers", page_bytes)
        intake = Intake(fall_back, find_known, lambda: 7, journal, params, clock)
        intake.mode = Mode.RUNNING
        return intake, clock

    return make


def noted(folder: Path) -> list[bytes]:
    """What a process that starts now would find in the journal."""
    return [payload for payload, _ in AnswerJournal(folder / "answers", 65_536).read()]


def submit(intake: Intake, of: Payment, deadline_s: float = 0.0) -> Submission:
    pending = intake.submit(of, deadline_s)
    assert isinstance(pending, Submission)
    return pending


def test_the_engines_answer_reaches_the_caller(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 9.0)
    (entry,) = intake.take(0.0)
    assert entry is pending
    intake.answer(pending, decision(payment()))
    assert pending.result() == decision(payment())


def test_a_passed_deadline_is_answered_by_the_fallback_and_logged_with_its_payment(make: Make) -> None:
    intake, _ = make()
    answer = submit(intake, payment()).result()
    assert (answer.source, answer.fallback_cause) == (Source.FALLBACK, FallbackCause.DEADLINE)
    (entry,) = intake.take(0.0)
    assert isinstance(entry, FallbackEntry)
    event = entry.record.event
    assert event.payment == payment()  # type: ignore[union-attr]
    assert event.payment_logged is False  # type: ignore[union-attr]
    assert event.event_id == payment().event_id


def test_a_deadline_after_the_flow_took_the_payment_is_logged_beside_it(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment())
    intake.take(0.0)
    answer = pending.result()
    intake.answer(pending, decision(payment()))
    assert pending.result() is answer
    (entry,) = intake.take(0.0)
    assert entry.record.event.payment_logged is True  # type: ignore[union-attr]
    assert entry.record.event.event_id == "fallback/default/t-1"


def test_a_deadline_while_old_records_are_read_again_says_stale_state(make: Make) -> None:
    intake, _ = make()
    intake.mode = Mode.CATCHING_UP
    assert submit(intake, payment()).result().fallback_cause is FallbackCause.STALE_STATE


def test_a_repeat_while_the_first_waits_shares_its_answer(make: Make) -> None:
    intake, _ = make()
    first = submit(intake, payment(), 9.0)
    twin = intake.submit(payment(), 9.0)
    assert isinstance(twin, Twin)
    assert intake.take(0.0) == [first]
    intake.answer(first, decision(payment()))
    assert twin.result() is first.result()


def test_a_twin_whose_deadline_comes_first_decides_for_both(make: Make) -> None:
    intake, _ = make()
    first = submit(intake, payment(), 9.0)
    answer = intake.submit(payment(), 0.0).result()
    assert answer.source is Source.FALLBACK
    assert first.result() is answer


def test_a_repeat_after_the_answer_gets_it_from_memory(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 9.0)
    intake.take(0.0)
    intake.answer(pending, decision(payment()))
    again = intake.submit(payment(), 9.0)
    assert isinstance(again, Known)
    assert again.result() == decision(payment())


@pytest.mark.parametrize("answered", [False, True])
def test_the_same_id_with_other_content_is_refused(make: Make, answered: bool) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 9.0)
    if answered:
        intake.take(0.0)
        intake.answer(pending, decision(payment()))
    with pytest.raises(PayloadConflictError):
        intake.submit(payment(amount_minor=999), 9.0)


def test_a_conflict_with_the_log_reaches_the_caller(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 9.0)
    intake.take(0.0)
    intake.refuse(pending)
    with pytest.raises(PayloadConflictError):
        pending.result()


def test_beyond_the_bound_a_payment_is_answered_at_once_and_never_waits(make: Make) -> None:
    intake, _ = make(IntakeParams(max_waiting=2))
    waiting = [submit(intake, payment(f"t-{n}"), 9.0) for n in range(2)]
    answer = intake.submit(payment("t-9"), 9.0).result()
    assert answer.fallback_cause is FallbackCause.OVERLOAD
    assert intake.waiting == 2
    taken = intake.take(0.0)
    assert taken[:2] == waiting
    assert isinstance(taken[2], FallbackEntry)
    assert intake.waiting == 0


def test_a_payment_that_could_not_be_decided_in_time_is_refused_early(make: Make) -> None:
    intake, _ = make()
    for _ in range(200):
        intake.pacing.worked(payments=1, seconds=0.05)
    for n in range(3):
        submit(intake, payment(f"t-{n}"), 9.0)
    assert intake.submit(payment("t-9"), 0.1).result().fallback_cause is FallbackCause.OVERLOAD


def test_a_slow_flow_takes_fewer_payments_at_once(make: Make) -> None:
    intake, _ = make(IntakeParams(max_batch_s=0.01))
    for _ in range(200):
        intake.pacing.worked(payments=1, seconds=0.004)
    for n in range(10):
        submit(intake, payment(f"t-{n}"), 9.0)
    assert len(intake.take(0.0)) == 2


def test_under_overload_a_payment_that_was_decided_before_gets_that_answer(make: Make) -> None:
    intake, _ = make(IntakeParams(max_waiting=1), known=decision(payment("t-9")))
    submit(intake, payment("t-0"), 9.0)
    assert intake.submit(payment("t-9"), 9.0).result() == decision(payment("t-9"))


def test_when_answers_can_no_more_be_recorded_a_request_is_refused(make: Make) -> None:
    intake, _ = make(IntakeParams(max_unlogged=1))
    assert submit(intake, payment("t-0")).result().source is Source.FALLBACK
    with pytest.raises(EngineUnavailableError):
        submit(intake, payment("t-1")).result()


def test_a_dead_flow_answers_all_who_wait_and_all_who_come(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment("t-0"), 9.0)
    intake.fail_waiting(Mode.DOWN)
    assert pending.result().fallback_cause is FallbackCause.FAULT
    assert submit(intake, payment("t-1"), 9.0).result().fallback_cause is FallbackCause.FAULT
    with pytest.raises(EngineUnavailableError):
        intake.publish(payment("t-2"), 0.0)


def test_a_fallback_answer_is_remembered_until_and_after_it_is_on_record(make: Make) -> None:
    intake, _ = make()
    answer = submit(intake, payment()).result()
    twin = intake.submit(payment(), 9.0)
    assert twin.result() is answer
    (entry,) = intake.take(0.0)
    assert isinstance(entry, FallbackEntry)
    intake.recorded(entry)
    assert intake.submit(payment(), 9.0).result() is answer


def test_a_refused_payment_and_its_twin_get_one_answer(make: Make) -> None:
    intake, _ = make(IntakeParams(max_waiting=1))
    submit(intake, payment("t-0"), 9.0)
    refused = intake.submit(payment("t-9"), 9.0)
    intake.take(0.0)  # room again, before anybody reads the refused one's answer
    twin = intake.submit(payment("t-9"), 9.0)
    assert twin.answer_now() is refused.answer_now()
    assert refused.answer_now().fallback_cause is FallbackCause.OVERLOAD


def test_an_answer_given_in_the_belief_that_its_payment_is_logged_stands_in_for_it(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment())
    entries = intake.take(0.0)
    pending.result()
    intake.give_back(entries)
    logged = [entry.record.event.payment_logged for entry in intake.take(0.0)]  # type: ignore[union-attr]
    assert logged == [True, False]


def test_an_answer_is_noted_before_it_goes_out_and_dropped_once_the_log_has_it(
    make: Make, tmp_path: Path
) -> None:
    intake, _ = make()
    pending = submit(intake, payment())
    seen: list[list[bytes]] = []
    pending.on_answer(lambda: seen.append(noted(tmp_path)))
    pending.result()
    (entry,) = intake.take(0.0)
    assert isinstance(entry, FallbackEntry)
    assert seen == [[entry.record.payload]]
    intake.recorded(entry)
    assert noted(tmp_path) == []


def test_an_answer_that_can_not_be_noted_is_not_given(make: Make) -> None:
    intake, _ = make(page_bytes=64)
    with pytest.raises(EngineUnavailableError):
        submit(intake, payment()).result()
    assert intake.take(0.0) != []  # the payment itself still waits for the engine


def test_a_repeat_that_comes_too_late_for_the_flow_gets_the_answer_on_record(make: Make) -> None:
    intake, _ = make(known=decision(payment()))
    assert submit(intake, payment()).result() == decision(payment())
    assert intake.take(0.0) == []
