"""The intake: who answers first has answered, and nothing waits longer than it may."""

from pathlib import Path

import pytest

from alerting.decision import (
    FallbackAnswered,
    FallbackCause,
    Source,
)
from alerting.engine import EngineUnavailableError, PayloadConflictError
from flows.frames import Kind
from flows.intake import IntakeParams, Mode
from flows.pending import FallbackEntry, Known, Submission, Twin
from tests.flows.intakes_made import (
    Clock,
    Make,
    Shard,
    close_lines,
    decision,
    event_of,
    make,
    noted,
    payment,
    submit,
)

__all__ = ["close_lines", "make"]  # fixtures


def test_the_engines_answer_reaches_the_caller(make: Make) -> None:
    intake, shard = make()
    pending = submit(intake, payment(), 9.0)
    (came,) = shard.take()
    assert (came.kind, event_of(came)) == (Kind.PAYMENT, payment())
    shard.decide(came, decision(payment()))
    assert pending.result() == decision(payment())


def test_who_stood_still_long_past_the_deadline_answers_no_more_and_logs_nothing(
    make: Make, tmp_path: Path
) -> None:
    intake, _ = make()
    pending = submit(intake, payment(), 0.1)
    assert isinstance(intake.clock, Clock)
    intake.clock.now += 1.2
    with pytest.raises(EngineUnavailableError, match="stood still"):
        pending.answer_now()
    assert noted(tmp_path) == []


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


def test_where_others_answer_too_a_repeat_is_asked_again_and_their_answer_counts(make: Make) -> None:
    intake, shard = make(alone=False)
    submit(intake, payment(), 9.0)
    shard.decide(shard.take()[0], decision(payment()))
    again = submit(intake, payment(), 9.0)
    theirs = decision(payment(), Source.FALLBACK, FallbackCause.FAULT)
    shard.decide(shard.take()[0], theirs)
    assert again.result() == theirs
    assert intake.remembered(again.record.event_key) == theirs


def test_where_others_answer_too_and_nothing_is_heard_a_repeat_gets_the_answer_of_before(make: Make) -> None:
    intake, shard = make(alone=False)
    submit(intake, payment(), 9.0)
    shard.decide(shard.take()[0], decision(payment()))
    assert submit(intake, payment(), 0.0).result() == decision(payment())


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
