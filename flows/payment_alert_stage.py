"""The stage that makes decisions into alerts: a challenge to be made, or a finding to be told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerting.alerts import (
    Alert,
    AlertKind,
    Candidate,
    PaymentDetails,
    Priority,
    Sent,
    Suppressed,
    alert_id,
)
from alerting.decision import Action, Decision, Source
from alerting.delivery.reasons import Suppression
from detectors.events import Payment
from flows.outputs import Decided

_KINDS: Final = {
    Action.STEP_UP: AlertKind.STEP_UP_REQUEST,
    Action.REVIEW: AlertKind.FRAUD_ALERT,
    Action.DECLINE: AlertKind.FRAUD_ALERT,
}
_PRIORITIES: Final = {
    Action.STEP_UP: Priority.URGENT,
    Action.REVIEW: Priority.NORMAL,
    Action.DECLINE: Priority.HIGH,
}


@dataclass(frozen=True, slots=True)
class PaymentAlertParams:
    """For how long an alert of a decision is worth sending.

    Parameters
    ----------
    fraud_alert_s
        A fraud alert, counted from the payment. A step-up request lives as long as its advice says.
    """

    fraud_alert_s: int = 86_400


class PaymentAlertStage:
    """Gives at most one candidate for each decision.

    A payment has two decisions where the engine's came too late for its caller. Both are looked at, each at
    its place in the log. A request to challenge counts whoever decided, since a caller may wait for it; the
    second of one payment is suppressed. A fraud is told on the engine's word alone: that the fallback held
    or refused a payment says that there was no time, not that anything was found.

    Parameters
    ----------
    decided_before
        The engine's own decision on the payment of a fallback's answer, where it stands earlier in the log.
    """

    def __init__(
        self,
        decided_before: Callable[[Decided], Decision | None],
        params: PaymentAlertParams | None = None,
    ) -> None:
        self._decided_before = decided_before
        self._lifetime = timedelta(seconds=(params or PaymentAlertParams()).fraud_alert_s)

    def of_decision(self, decided: Decided) -> list[Candidate]:
        """What is to be told of a decision."""
        decision = decided.decision
        kind = _KINDS.get(decision.action)
        if kind is None:
            return []
        alert = self._alert(kind, decided)
        reason = self._reason_against(kind, decided)
        return [Sent(alert) if reason is None else Suppressed(alert, reason)]

    def _reason_against(self, kind: AlertKind, decided: Decided) -> Suppression | None:
        if decided.decision.source is Source.ENGINE:
            return None
        if kind is AlertKind.FRAUD_ALERT:
            return Suppression.NOT_JUDGED
        before = self._decided_before(decided)
        if before is not None and before.action is Action.STEP_UP:
            return Suppression.ALREADY_RAISED
        return None

    def _alert(self, kind: AlertKind, decided: Decided) -> Alert:
        decision = decided.decision
        return Alert(
            alert_id=alert_id(kind, decision.tenant, decision.user_id, decision.decision_id),
            kind=kind,
            tenant=decision.tenant,
            user_id=decision.user_id,
            event_time=decision.event_time,
            not_after=self._not_after(kind, decision),
            priority=_PRIORITIES[decision.action],
            collapse_key=f"payment/{decision.transaction_id}",
            log_position=decided.position,
            payment=_details(decision, decided.payment),
        )

    def _not_after(self, kind: AlertKind, decision: Decision) -> datetime:
        expires_at = decision.step_up.expires_at
        if kind is AlertKind.STEP_UP_REQUEST and expires_at is not None:
            return expires_at
        return decision.event_time + self._lifetime


def _details(decision: Decision, payment: Payment) -> PaymentDetails:
    return PaymentDetails(
        decision_id=decision.decision_id,
        transaction_id=decision.transaction_id,
        merchant_id=payment.merchant_id,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        action=decision.action,
        score=decision.score,
        reasons=decision.reasons,
        rule_ids=decision.rule_ids,
        challenge=decision.step_up.challenge,
        source=decision.source,
        fallback_cause=decision.fallback_cause,
    )
