"""The intake: who answers first has answered, and nothing waits longer than it may."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackAnswered,
    FallbackCause,
    Source,
    StepUpAdvice,
)
from alerting.engine import EngineUnavailableError, PayloadConflictError
from detectors.events import Location, Payment
from flows.answer_journal import AnswerJournal
from flows.codec import BadRecord, Event, decode_event
from flows.frames import Frame, Kind, Line, Worked, read_record
from flows.intake import Intake, IntakeParams, Mode
from flows.log import NewRecord
from flows.pending import FallbackEntry, Known, Submission, Twin
from geo import Position

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


_LINES: list[Line] = []


@pytest.fixture(autouse=True)
def _close_lines() -> Iterator[None]:
    yield
    while _LINES:
        _LINES.pop().close()


class Shard:
    """The other end of an intake's line."""

    def __init__(self, intake: Intake) -> None:
        ours, theirs = socket.socketpair()
        self.intake, self.line, self._theirs = intake, Line(theirs), Line(ours)
        _LINES.extend((self.line, self._theirs))
        intake.dispatch.attach(self._theirs)

    def take(self) -> list[Frame]:
        return self.line.receive(0.0)

    def worked(self, payments: int, seconds: float) -> None:
        self.intake.dispatch.worked(Worked(1, payments, seconds, 0))

    def decide(self, came: Frame, of: Decision) -> None:
        entry = self.intake.dispatch.settle(came.ticket)
        assert isinstance(entry, Submission)
        self.intake.answer(entry, of)


def event_of(came: Frame) -> Event:
    event = decode_event(read_record(came.body)[3], "the line")
    assert not isinstance(event, BadRecord)
    return event


class Make(Protocol):
    def __call__(
        self, params: IntakeParams | None = None, known: Decision | None = None, page_bytes: int = 65_536
    ) -> tuple[Intake, Shard]: ...


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an intake whose journal is ``answers`` in the test's folder."""

    def make(
        params: IntakeParams | None = None, known: Decision | None = None, page_bytes: int = 65_536
    ) -> tuple[Intake, Shard]:
        clock = Clock()

        def fall_back(of: Payment, cause: FallbackCause) -> Decision:
            return decision(of, Source.FALLBACK, cause)

        def find_known(_record: NewRecord, _payment: Payment) -> Decision | None:
            return known

        journal = AnswerJournal(tmp_path / "answers", page_bytes)
        intake = Intake(fall_back, find_known, lambda: 7, journal, params, clock)
        intake.mode = Mode.RUNNING
        return intake, Shard(intake)

    return make


def noted(folder: Path) -> list[bytes]:
    """What a process that starts now would find in the journal."""
    return [payload for payload, _ in AnswerJournal(folder / "answers", 65_536).read()]


def submit(intake: Intake, of: Payment, deadline_s: float = 0.0) -> Submission:
    pending = intake.submit(of, deadline_s)
    assert isinstance(pending, Submission)
    return pending


def test_the_engines_answer_reaches_the_caller(make: Make) -> None:
    intake, shard = make()
    pending = submit(intake, payment(), 9.0)
    (came,) = shard.take()
    assert (came.kind, event_of(came)) == (Kind.PAYMENT, payment())
    shard.decide(came, decision(payment()))
    assert pending.result() == decision(payment())


def test_a_passed_deadline_is_answered_by_the_fallback_and_logged_with_its_payment(make: Make) -> None:
    intake, shard = make()
    answer = submit(intake, payment()).result()
    assert (answer.source, answer.fallback_cause) == (Source.FALLBACK, FallbackCause.DEADLINE)
    event = event_of(shard.take()[-1])
    assert isinstance(event, FallbackAnswered)
    assert event.payment == payment()
    assert event.event_id == payment().event_id


def test_an_answer_of_the_engine_that_comes_behind_the_fallbacks_changes_nothing(make: Make) -> None:
    intake, shard = make()
    pending = submit(intake, payment())
    (came,) = shard.take()
    answer = pending.result()
    shard.decide(came, decision(payment()))
    assert pending.result() is answer


def test_a_payment_that_was_answered_while_it_waited_is_not_sent(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch=1))
    for n in range(2):
        submit(intake, payment(f"t-{n}"), 9.0)
    submit(intake, payment("t-2")).result()
    came = shard.take()
    for each in came:
        shard.decide(each, decision(payment()))
    shard.worked(2, 0.0002)
    assert [Kind(each.kind) for each in shard.take()] == [Kind.FALLBACK]
    assert intake.waiting == 0


def test_a_deadline_while_old_records_are_read_again_says_stale_state(make: Make) -> None:
    intake, _ = make()
    intake.mode = Mode.CATCHING_UP
    assert submit(intake, payment()).result().fallback_cause is FallbackCause.STALE_STATE


def test_a_repeat_while_the_first_waits_shares_its_answer(make: Make) -> None:
    intake, shard = make()
    first = submit(intake, payment(), 9.0)
    twin = intake.submit(payment(), 9.0)
    assert isinstance(twin, Twin)
    (came,) = shard.take()
    shard.decide(came, decision(payment()))
    assert twin.result() is first.result()


def test_a_twin_whose_deadline_comes_first_decides_for_both(make: Make) -> None:
    intake, _ = make()
    first = submit(intake, payment(), 9.0)
    answer = intake.submit(payment(), 0.0).result()
    assert answer.source is Source.FALLBACK
    assert first.result() is answer


def test_a_repeat_after_the_answer_gets_it_from_memory(make: Make) -> None:
    intake, shard = make()
    submit(intake, payment(), 9.0)
    shard.decide(shard.take()[0], decision(payment()))
    again = intake.submit(payment(), 9.0)
    assert isinstance(again, Known)
    assert again.result() == decision(payment())


@pytest.mark.parametrize("answered", [False, True])
def test_the_same_id_with_other_content_is_refused(make: Make, answered: bool) -> None:
    intake, shard = make()
    submit(intake, payment(), 9.0)
    if answered:
        shard.decide(shard.take()[0], decision(payment()))
    with pytest.raises(PayloadConflictError):
        intake.submit(payment(amount_minor=999), 9.0)


def test_a_conflict_with_the_log_reaches_the_caller(make: Make) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 9.0)
    intake.refuse(pending)
    with pytest.raises(PayloadConflictError):
        pending.result()


def test_beyond_the_bound_a_payment_is_answered_at_once_and_never_waits(make: Make) -> None:
    intake, shard = make(IntakeParams(max_waiting=2))
    for n in range(2):
        submit(intake, payment(f"t-{n}"), 9.0)
    answer = intake.submit(payment("t-9"), 9.0).result()
    assert answer.fallback_cause is FallbackCause.OVERLOAD
    assert intake.waiting == 2
    assert [came.kind for came in shard.take()] == [Kind.PAYMENT, Kind.PAYMENT, Kind.FALLBACK]


def test_a_payment_that_could_not_be_decided_in_time_is_refused_early(make: Make) -> None:
    intake, shard = make()
    for _ in range(200):
        shard.worked(payments=1, seconds=0.05)
    for n in range(3):
        submit(intake, payment(f"t-{n}"), 9.0)
    assert intake.submit(payment("t-9"), 0.1).result().fallback_cause is FallbackCause.OVERLOAD


def test_no_more_is_sent_than_a_slow_flow_works_off_in_two_short_batches(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch_s=0.01))
    for _ in range(200):
        shard.worked(payments=1, seconds=0.004)
    for n in range(10):
        submit(intake, payment(f"t-{n}"), 9.0)
    came = shard.take()
    assert len(came) == 4
    shard.decide(came[0], decision(payment()))
    shard.worked(payments=1, seconds=0.004)
    assert len(shard.take()) == 1


def test_one_stall_hardly_moves_the_estimate(make: Make) -> None:
    intake, shard = make()
    for _ in range(200):
        shard.worked(payments=1, seconds=0.0002)
    shard.worked(payments=1, seconds=0.5)
    for n in range(100):
        submit(intake, payment(f"t-{n}"), 9.0)
    assert len(shard.take()) > 50


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
    intake, shard = make()
    answer = submit(intake, payment()).result()
    twin = intake.submit(payment(), 9.0)
    assert twin.result() is answer
    entry = intake.dispatch.settle(shard.take()[-1].ticket)
    assert isinstance(entry, FallbackEntry)
    intake.recorded(entry)
    assert intake.submit(payment(), 9.0).result() == answer


def test_a_fallback_answer_goes_to_the_next_shard_process_until_one_has_logged_it(make: Make) -> None:
    intake, first = make()
    submit(intake, payment()).result()
    assert [came.kind for came in first.take()] == [Kind.PAYMENT, Kind.FALLBACK]
    lost = intake.dispatch.detach()
    assert [type(entry) for entry in lost] == [Submission]
    assert [came.kind for came in Shard(intake).take()] == [Kind.FALLBACK]
    assert intake.waiting == 0


def test_a_refused_payment_and_its_twin_get_one_answer(make: Make) -> None:
    intake, shard = make(IntakeParams(max_waiting=1))
    submit(intake, payment("t-0"), 9.0)
    refused = intake.submit(payment("t-9"), 9.0)
    shard.decide(shard.take()[0], decision(payment("t-0")))  # room again, before anybody reads the answer
    twin = intake.submit(payment("t-9"), 9.0)
    assert twin.answer_now() is refused.answer_now()
    assert refused.answer_now().fallback_cause is FallbackCause.OVERLOAD


def test_an_answer_is_noted_before_it_goes_out_and_dropped_once_the_log_has_it(
    make: Make, tmp_path: Path
) -> None:
    intake, shard = make()
    pending = submit(intake, payment())
    seen: list[list[bytes]] = []
    pending.on_answer(lambda: seen.append(noted(tmp_path)))
    pending.result()
    entry = intake.dispatch.settle(shard.take()[-1].ticket)
    assert isinstance(entry, FallbackEntry)
    assert seen == [[entry.record.payload]]
    intake.recorded(entry)
    assert noted(tmp_path) == []


def test_an_answer_that_can_not_be_noted_is_not_given(make: Make) -> None:
    intake, shard = make(page_bytes=64)
    with pytest.raises(EngineUnavailableError):
        submit(intake, payment()).result()
    assert [came.kind for came in shard.take()] == [Kind.PAYMENT]  # the engine may still answer


def test_a_repeat_that_comes_too_late_for_the_flow_gets_the_answer_on_record(make: Make) -> None:
    intake, shard = make(known=decision(payment()))
    assert submit(intake, payment()).result() == decision(payment())
    assert [came.kind for came in shard.take()] == [Kind.PAYMENT]


def event(number: int) -> Location:
    return Location(f"u-{number}", Position(50.0, 8.0), NOON)


def test_a_payment_does_not_stand_in_line_behind_a_flood_of_events(make: Make) -> None:
    intake, shard = make()
    for number in range(100):
        intake.offer(event(number))
    submit(intake, payment(), 9.0)
    kinds = [Kind(came.kind) for came in shard.take()]
    assert kinds == [Kind.EVENT] * 16 + [Kind.PAYMENT]
    assert intake.dispatch.queued == 84


def test_events_move_on_however_many_payments_wait(make: Make) -> None:
    intake, shard = make(IntakeParams(max_batch=1))
    for number in range(9):
        submit(intake, payment(f"t-{number}"), 9.0)
    intake.offer(event(0))
    assert [Kind(came.kind) for came in shard.take()] == [Kind.PAYMENT, Kind.PAYMENT, Kind.EVENT]


def test_no_more_is_sent_than_the_socket_holds_while_nobody_reads(make: Make) -> None:
    intake, shard = make()
    shard.line.close()  # the fixture's line has a large buffer; this one has the smallest there is
    intake.dispatch.detach()
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    line, other = Line(ours), Line(theirs)
    _LINES.extend((line, other))
    line.buffer_bytes = 10_000
    intake.dispatch.attach(line)
    for number in range(100):
        submit(intake, payment(f"t-{number}"), 9.0)
    assert 1 <= len(other.receive(0.0)) < 5


def test_a_payment_that_nobody_waits_for_any_more_starts_anew_behind_a_death(make: Make) -> None:
    intake, shard = make()
    submit(intake, payment(), 9.0)
    intake.dispatch.detach()
    intake.fail_waiting(Mode.DOWN)
    intake.mode = Mode.RUNNING
    again = submit(intake, payment(), 9.0)
    shard = Shard(intake)
    shard.decide(shard.take()[0], decision(payment()))
    assert again.result() == decision(payment())
