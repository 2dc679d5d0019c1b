"""Builders of alerts."""

from datetime import UTC, datetime, timedelta

from alerting.alerts import (
    Alert,
    AlertKind,
    Basis,
    PaymentDetails,
    Priority,
    ProximityDetails,
    alert_id,
)
from alerting.decision import Action, ChallengeIndicator, Reason, Source
from detectors.assessment import Family

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HIGH = Reason("AMOUNT_HIGH", Family.ABNORMAL_SPENDING, 1250.0, 8.0, 60.0, "EUR", "", 0.7)


def a_payment_alert(
    number: int = 1,
    user: str = "u-1",
    kind: AlertKind = AlertKind.STEP_UP_REQUEST,
    tenant: str = "default",
    lives_s: int = 600,
    position: int | None = None,
) -> Alert:
    """A request to challenge a payment, or a finding on it."""
    at = NOON + timedelta(seconds=number)
    step_up = kind is AlertKind.STEP_UP_REQUEST
    return Alert(
        alert_id=alert_id(kind, tenant, user, f"d-{number}"),
        kind=kind,
        tenant=tenant,
        user_id=user,
        event_time=at,
        not_after=at + timedelta(seconds=lives_s),
        priority=Priority.URGENT if step_up else Priority.HIGH,
        collapse_key=f"payment/t-{number}",
        log_position=number if position is None else position,
        payment=PaymentDetails(
            decision_id=f"d-{number}",
            transaction_id=f"t-{number}",
            merchant_id="m-1",
            amount_minor=125_000,
            currency="EUR",
            action=Action.STEP_UP if step_up else Action.DECLINE,
            score=81.5,
            reasons=(HIGH,),
            rule_ids=("large",),
            challenge=ChallengeIndicator.CHALLENGE_MANDATED,
            source=Source.ENGINE,
        ),
    )


def a_proximity_alert(number: int = 1, user: str = "u-1", tenant: str = "default") -> Alert:
    """A merchant that is near."""
    at = NOON + timedelta(seconds=number)
    return Alert(
        alert_id=alert_id(AlertKind.PROXIMITY, tenant, user, f"enter/{number}"),
        kind=AlertKind.PROXIMITY,
        tenant=tenant,
        user_id=user,
        event_time=at,
        not_after=at + timedelta(minutes=20),
        priority=Priority.NORMAL,
        collapse_key="proximity/m-7",
        log_position=number,
        supersedes="a-0",
        proximity=ProximityDetails(
            merchant_id="m-7",
            merchant_name="Corner café",
            distance_m=180.5,
            probability=0.62,
            basis=Basis.HABIT,
            chain_id="cafés",
            eta_s=140.0,
            usual_weekday=4,
            usual_minute=510,
        ),
    )
