"""Reasons and decisions in plain words, for people who read terminals and explanations."""

from typing import Final

from alerting.decision import Decision, Reason, Source
from alerting.reasons import POLICY_REASONS
from detectors.money import MINOR_DIGITS, major_units
from detectors.reasons import REASONS

_TITLES: Final = {spec.code: spec.title for spec in REASONS.values()} | {
    spec.code: spec.title for spec in POLICY_REASONS.values()
}


def reason_line(reason: Reason) -> str:
    """One reason in one line: what it is, what was seen, what is usual.

    >>> from detectors.assessment import Family
    >>> high = Reason("AMOUNT_HIGH", Family.ABNORMAL_SPENDING, 1250.0, 8.0, 60.0, "EUR", "", 0.7)
    >>> reason_line(high)
    "Amount above this user's usual level: 1,250.00 EUR; usually 8.00 to 60.00 EUR"
    """
    title, subject, usual = _TITLES[reason.code], reason.subject, _usual(reason)
    seen = _quantity(reason.value, reason.unit) if reason.unit or usual else ""
    if usual:
        return f"{title}: {seen}{f' ({subject})' if subject else ''}; usually {usual}"
    if seen and subject:
        return f"{title}: {subject} ({seen})"
    return f"{title}: {seen or subject}" if seen or subject else title


def decision_line(decision: Decision) -> str:
    """A decision in one line: the action, its score or the cause of the fallback, and the first reason."""
    if decision.source is Source.FALLBACK:
        return f"{decision.action.value} by fallback ({decision.fallback_cause})"
    line = f"{decision.action.value} at {decision.score:.2f}"
    return f"{line}: {reason_line(decision.reasons[0])}" if decision.reasons else line


def _usual(reason: Reason) -> str:
    low, high, unit = reason.usual_low, reason.usual_high, reason.unit
    if low is not None and high is not None:
        return f"{_number(low, unit)} to {_quantity(high, unit)}"
    if high is not None:
        return f"at most {_quantity(high, unit)}"
    return "" if low is None else f"at least {_quantity(low, unit)}"


def _quantity(value: float, unit: str) -> str:
    return f"{_number(value, unit)} {unit}".rstrip()


def _number(value: float, unit: str) -> str:
    """As many digits as a reader needs: money to its minor unit, other numbers to about two digits.

    >>> _number(1250.0, "EUR/day"), _number(1250.0, "JPY"), _number(900.0, "km/h"), _number(0.051, "")
    ('1,250.00', '1,250', '900', '0.051')
    """
    digits = MINOR_DIGITS.get(unit.partition("/")[0])
    if digits is not None:
        return f"{value:,.{digits}f}"
    if abs(value) >= 1_000.0 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1.0 else f"{value:.2g}"


def amount_words(amount_minor: int, currency: str) -> str:
    """An amount as people write it.

    >>> amount_words(46_693, "EUR"), amount_words(1_250, "JPY")
    ('466.93 EUR', '1,250 JPY')
    """
    return f"{major_units(amount_minor, currency):,.{MINOR_DIGITS[currency]}f} {currency}"
