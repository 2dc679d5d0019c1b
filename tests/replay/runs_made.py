"""Small runs for the tests of this folder."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Reason,
    Source,
    StepUpAdvice,
    decision_id,
)
from detectors.assessment import Family
from detectors.events import Outcome, OutcomeKind, Payment, ThreeDSStatus, Verdict
from replay.decisions import DecisionWriter, OutcomeWriter

MONDAY: Final = datetime(2026, 3, 2, tzinfo=UTC)
ADVICE: Final = StepUpAdvice(ChallengeIndicator.NO_PREFERENCE, Exemption.NONE, None, None)
REASON: Final = Reason("AMOUNT_HIGH", Family.ABNORMAL_SPENDING, 90.0, 1.0, None, "EUR", "", 0.75)


def a_decision(number: int, **changes: Any) -> Decision:
    """The decision on payment ``t-<number>``, made at that log position, that many minutes into the week."""
    decision = Decision(
        decision_id=decision_id("default", f"t-{number}"),
        transaction_id=f"t-{number}",
        tenant="default",
        user_id=f"u-{number % 5}",
        event_time=MONDAY + timedelta(minutes=number),
        action=Action.APPROVE,
        score=float(number % 100),
        raw_score=number / 7,
        reasons=(REASON,) * (number % 3),
        rule_ids=("r1",) if number % 4 == 0 else (),
        step_up=ADVICE,
        model_version="m1",
        policy_version="p1",
        feature_version="f1",
        log_position=number,
    )
    return replace(decision, **changes)


def a_fallback(number: int, position: int) -> Decision:
    """The fallback's decision that took the place of ``a_decision(number)``."""
    return a_decision(
        number,
        action=Action.REVIEW,
        reasons=(),
        source=Source.FALLBACK,
        fallback_cause=FallbackCause.DEADLINE,
        log_position=position,
    )


def payment_of(decision: Decision, amount_minor: int = 1000, currency: str = "EUR") -> Payment:
    return Payment(
        decision.transaction_id, decision.user_id, amount_minor, currency, decision.event_time, "m"
    )


def an_outcome(
    number: int,
    verdict: Verdict = Verdict.FRAUD,
    kind: OutcomeKind = OutcomeKind.FRAUD_REPORT,
    days: float = 7.0,
    name: str = "",
) -> Outcome:
    """What is said of payment ``t-<number>`` some days after it."""
    return Outcome(
        outcome_id=f"o-{number}{name}",
        transaction_id=f"t-{number}",
        user_id=f"u-{number % 5}",
        outcome_kind=kind,
        verdict=verdict,
        event_time=MONDAY + timedelta(minutes=number, days=days),
        three_ds_status=ThreeDSStatus.Y if kind is OutcomeKind.STEP_UP else None,
    )


def a_run(folder: Path, decisions: Iterable[Decision], outcomes: Iterable[Outcome] = ()) -> Path:
    """A run's folder with these decisions and outcomes, all payments of 10 EUR."""
    with DecisionWriter(folder) as writer:
        for decision in decisions:
            writer.write(decision, payment_of(decision))
    with OutcomeWriter(folder) as out:
        for position, outcome in enumerate(outcomes, start=1_000_000):
            out.write(outcome, position)
    return folder
