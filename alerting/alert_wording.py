"""Alerts in plain words, for people who read terminals and explanations."""

from typing import Final

from alerting.alerts import Alert, PaymentDetails, ProximityDetails
from alerting.decision import Action
from alerting.wording import amount_words, reason_line

_DEEDS: Final = {
    Action.APPROVE: "approved",
    Action.STEP_UP: "waits for strong authentication",
    Action.REVIEW: "held for review",
    Action.DECLINE: "declined",
}
_DAYS: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def alert_line(alert: Alert) -> str:
    """What an alert says, in one line.

    >>> from alerting.alerts import Basis
    >>> near = ProximityDetails("m-7", "Corner cafe", 180.0, 0.62, Basis.HABIT, None, 140.0, 4, 510)
    >>> proximity_line(near)
    'Corner cafe in 180 m, there in 2 min; usual: Fridays 08:30; 62 % likely'
    """
    details = alert.details
    return payment_line(details) if isinstance(details, PaymentDetails) else proximity_line(details)


def payment_line(paid: PaymentDetails) -> str:
    """A payment, what became of it, and the first reason."""
    amount = amount_words(paid.amount_minor, paid.currency)
    line = f"{paid.transaction_id} {amount} to {paid.merchant_id} {_DEEDS[paid.action]}"
    if paid.fallback_cause is not None:
        return f"{line} by the fallback ({paid.fallback_cause})"
    return f"{line}: {reason_line(paid.reasons[0])}" if paid.reasons else line


def proximity_line(near: ProximityDetails) -> str:
    """A merchant, how far it is, and why that is worth a word."""
    eta = "" if near.eta_s is None else f", there in {max(1, round(near.eta_s / 60))} min"
    parts = [f"{near.merchant_name} in {near.distance_m:,.0f} m{eta}", _usual(near)]
    likely = f"{near.probability:.0%}".replace("%", " %")
    return "; ".join(part for part in (*parts, f"{likely} likely") if part)


def _usual(near: ProximityDetails) -> str:
    if near.usual_minute is None:
        return ""
    day = "" if near.usual_weekday is None else f"{_DAYS[near.usual_weekday]} "
    return f"usual: {day}{near.usual_minute // 60:02}:{near.usual_minute % 60:02}"
