"""Reasons that the policy itself gives, beside those that the detectors find.

A detector's reason says what is unusual; a policy's reason says which rule, list or limit hit. Both have a
code and one of the six families, so that a reader need not know where a reason came from. The codes here
and those of :mod:`detectors.reasons` never overlap.
"""

from dataclasses import dataclass

from alerting.decision import Action, Reason
from detectors.assessment import Assessment, Family
from detectors.events import Payment
from detectors.money import major_units
from detectors.reasons import REASONS

MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class PolicyReasonSpec:
    """One code of the policy's registry: its family and what it is called."""

    code: str
    family: Family
    title: str


POLICY_REASONS: dict[str, PolicyReasonSpec] = {
    spec.code: spec
    for spec in (
        PolicyReasonSpec("DENY_LIST", Family.KNOWN_FRAUD_PATTERN, "On a deny list"),
        PolicyReasonSpec("RULE", Family.KNOWN_FRAUD_PATTERN, "Rule matched"),
        PolicyReasonSpec("RULE_SPENDING", Family.ABNORMAL_SPENDING, "Rule on spending matched"),
        PolicyReasonSpec("RULE_DEVICE", Family.UNUSUAL_DEVICE, "Rule on the device matched"),
        PolicyReasonSpec("RULE_MALWARE", Family.MALWARE, "Rule on signs of malware matched"),
        PolicyReasonSpec("RULE_LOCATION", Family.ABNORMAL_PAYER_LOCATION, "Rule on the place matched"),
        PolicyReasonSpec("RULE_PAYEE", Family.HIGH_RISK_PAYEE, "Rule on the payee matched"),
        PolicyReasonSpec("VELOCITY_LIMIT", Family.ABNORMAL_SPENDING, "Velocity limit passed"),
        PolicyReasonSpec("SCORE", Family.ABNORMAL_SPENDING, "Unusual as a whole"),
        PolicyReasonSpec("NO_RATE", Family.ABNORMAL_SPENDING, "Amount not judged, no rate for its currency"),
    )
}
"""Every code that a policy can give as a reason."""

RULE_REASONS = tuple(code for code in POLICY_REASONS if code.startswith("RULE"))
"""The codes that a rule may choose from."""

_FAMILIES = {code: spec.family for code, spec in REASONS.items()}


@dataclass(frozen=True, slots=True)
class Hit:
    """A deny list, rule or limit that a payment ran into: its id, what it asks for, and why."""

    id: str
    action: Action
    reason: Reason


def policy_reason(code: str, subject: str, value: float = 1.0, usual_high: float | None = None) -> Reason:
    """A reason of the policy's own. It weighs 1: it decides by itself, whatever the score."""
    family = POLICY_REASONS[code].family
    return Reason(code, family, value, None, usual_high, "", subject, 1.0)


def no_rate_reason(payment: Payment) -> Reason:
    """Says that nothing was concluded from the amount, which is shown in its own currency."""
    amount = major_units(payment.amount_minor, payment.currency)
    return Reason("NO_RATE", POLICY_REASONS["NO_RATE"].family, amount, None, None, payment.currency, "", 0.0)


def evidence_reasons(assessment: Assessment, limit: int) -> tuple[Reason, ...]:
    """The weightiest evidence as reasons, at most ``limit``."""
    return tuple(
        Reason(e.code, _FAMILIES[e.code], e.value, e.usual_low, e.usual_high, e.unit, e.subject, weight)
        for e, weight in assessment.evidence[:limit]
    )
