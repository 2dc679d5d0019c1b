"""Decisions become alerts: which, for how long, and what is kept back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerting.alerts import AlertKind, Priority
from alerting.decision import Action, FallbackAnswered, FallbackCause
from alerting.delivery.reasons import Suppression
from detectors.events import Location, Payment
from flows.codec import decode_alert, encode_alert
from flows.outputs import AlertRaised, Output, TaskFault
from flows.policy_file import default_policy_text
from flows.shard_time import ShardTime
from flows.store import MemoryStore
from geo import Position
from tests.flows.shards_made import NOON, Shard, decided, payment, policy

RULES = default_policy_text() + "".join(
    f"""
[[rules]]
id = "{action}"
when = "mcc == '{mcc}'"
action = "{action}"
"""
    for action, mcc in (("STEP_UP", "0001"), ("REVIEW", "0002"), ("DECLINE", "0003"))
)
MCC = {Action.STEP_UP: "0001", Action.REVIEW: "0002", Action.DECLINE: "0003", Action.APPROVE: "5411"}


def a_shard(store: MemoryStore | None = None) -> Shard:
    shard = Shard(store=store)
    if shard.task.position < shard.log.end:
        shard.add()
    shard.add(policy(RULES))
    return shard


def of(action: Action, number: int = 1) -> Payment:
    return payment(number, mcc=MCC[action])


def late(paid: Payment, action: Action) -> FallbackAnswered:
    return FallbackAnswered(paid, action, FallbackCause.DEADLINE, "p", payment_logged=True)


def alerts(outputs: list[Output]) -> list[AlertRaised]:
    return [output for output in outputs if isinstance(output, AlertRaised)]


def test_an_approved_payment_raises_nothing() -> None:
    assert alerts(a_shard().add(of(Action.APPROVE))) == []


def test_a_step_up_becomes_a_request_that_expires_with_its_advice() -> None:
    shard = a_shard()
    outputs = shard.add(of(Action.STEP_UP))
    (made,), (decision,) = alerts(outputs), [d.decision for d in decided(outputs)]
    assert (made.position, made.seq, made.suppressed) == (shard.log.end, 0, None)
    alert = made.alert
    assert (alert.kind, alert.priority) == (AlertKind.STEP_UP_REQUEST, Priority.URGENT)
    assert (alert.tenant, alert.user_id, alert.event_time) == ("default", "u-1", decision.event_time)
    assert alert.not_after == decision.step_up.expires_at
    assert alert.payment is not None
    assert (alert.payment.decision_id, alert.payment.amount_minor) == (decision.decision_id, 1_037)


@pytest.mark.parametrize(
    ("action", "priority"), [(Action.REVIEW, Priority.NORMAL), (Action.DECLINE, Priority.HIGH)]
)
def test_a_payment_that_is_held_or_refused_becomes_a_fraud_alert(action: Action, priority: Priority) -> None:
    (made,) = alerts(a_shard().add(of(action)))
    assert (made.alert.kind, made.alert.priority) == (AlertKind.FRAUD_ALERT, priority)
    assert made.alert.not_after == made.alert.event_time + timedelta(days=1)


def test_a_request_by_the_fallback_alone_is_sent() -> None:
    paid = of(Action.APPROVE)
    answered = replace(late(paid, Action.STEP_UP), payment_logged=False)
    (made,) = alerts(a_shard().add(answered))
    assert (made.alert.kind, made.suppressed) == (AlertKind.STEP_UP_REQUEST, None)


@pytest.mark.parametrize("action", [Action.REVIEW, Action.DECLINE])
def test_what_the_fallback_holds_or_refuses_is_no_finding(action: Action) -> None:
    (made,) = alerts(a_shard().add(replace(late(of(Action.APPROVE), action), payment_logged=False)))
    assert (made.alert.kind, made.suppressed) == (AlertKind.FRAUD_ALERT, Suppression.NOT_JUDGED)


@pytest.mark.parametrize("stored", [False, True])
def test_engine_and_fallback_ask_for_one_challenge_once(stored: bool) -> None:
    shard = a_shard()
    (first,) = alerts(shard.add(of(Action.STEP_UP)))
    if stored:
        shard.commit()
    (second,) = alerts(shard.add(late(of(Action.STEP_UP), Action.STEP_UP)))
    assert first.alert.alert_id == second.alert.alert_id
    assert (first.suppressed, second.suppressed) == (None, Suppression.ALREADY_RAISED)


def test_the_fallbacks_challenge_of_what_the_engine_approved_is_sent() -> None:
    shard = a_shard()
    shard.add(of(Action.APPROVE))
    (made,) = alerts(shard.add(late(of(Action.APPROVE), Action.STEP_UP)))
    assert made.suppressed is None


def test_a_finding_of_the_engine_stands_beside_the_fallbacks_challenge() -> None:
    shard = a_shard()
    (finding,) = alerts(shard.add(of(Action.DECLINE)))
    (request,) = alerts(shard.add(late(of(Action.DECLINE), Action.STEP_UP)))
    assert (finding.suppressed, request.suppressed) == (None, None)
    assert finding.alert.alert_id != request.alert.alert_id


def test_alerts_are_stored_with_the_slice_that_made_them() -> None:
    store = MemoryStore()
    shard = a_shard(store)
    (made,) = alerts(shard.add(of(Action.STEP_UP), of(Action.APPROVE, 2)))
    assert store.alert_rows((0, 0), 10) == []
    shard.commit()
    (row,) = store.alert_rows((0, 0), 10)
    assert (row.position, row.alert_id, row.suppressed) == (made.position, made.alert.alert_id, None)
    assert decode_alert(row.alert) == made.alert
    assert encode_alert(decode_alert(row.alert)) == row.alert == made.encoded
    assert decode_alert(row.alert).event_time.tzinfo is made.alert.event_time.tzinfo


def test_a_fault_in_the_stage_leaves_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = a_shard()

    def fail(_decided: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(shard.task._alert_stages, "decided", fail)
    outputs = shard.add(of(Action.STEP_UP))
    assert [d.decision.action for d in decided(outputs)] == [Action.STEP_UP]
    assert [o.reason for o in outputs if isinstance(o, TaskFault)] == ["RuntimeError: broken"]


def test_the_shards_time_is_stored_and_moves_with_locations_too() -> None:
    store = MemoryStore()
    shard = a_shard(store)
    shard.add(of(Action.APPROVE), Location("u-9", Position(50.0, 4.0), NOON + timedelta(hours=1)))
    shard.commit()
    assert ShardTime.unpack(store.states["clock"]).now == NOON + timedelta(hours=1)
