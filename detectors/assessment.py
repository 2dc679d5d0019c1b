"""What the detectors conclude of one payment: values only; wording comes later."""

from dataclasses import dataclass, field
from enum import StrEnum

from detectors.context import Context


class Family(StrEnum):
    """The six findings that PSD2 RTS (EU 2018/389) Art. 18(2)(c) asks a risk analysis to look for."""

    ABNORMAL_SPENDING = "ABNORMAL_SPENDING"
    UNUSUAL_DEVICE = "UNUSUAL_DEVICE"
    MALWARE = "MALWARE"
    KNOWN_FRAUD_PATTERN = "KNOWN_FRAUD_PATTERN"
    ABNORMAL_PAYER_LOCATION = "ABNORMAL_PAYER_LOCATION"
    HIGH_RISK_PAYEE = "HIGH_RISK_PAYEE"


@dataclass(frozen=True, slots=True)
class ReasonSpec:
    """What a detector can say: codes are only ever added, and a changed meaning is a new code.

    Parameters
    ----------
    code
        The name that evidence carries; decisions keep it for years.
    family
        The finding of PSD2 RTS Art. 18 that it belongs to.
    title
        A few plain words for people.
    """

    code: str
    family: Family
    title: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one detector finds a payment unusual.

    Parameters
    ----------
    code
        The reason's code in :mod:`detectors.reasons`.
    surprise
        How rare this is, in decimal digits: 2.0 means that about one payment in a hundred is as unusual.
    value, usual_low, usual_high
        What was seen and the usual range of the same quantity, in ``unit``; ``None`` where no range exists.
    unit
        The unit of the three, such as ``"EUR"``, ``"km"``, ``"payments/h"``; empty for plain numbers.
    subject
        What the value is about when it is not a number, such as a country code or a category.
    """

    code: str
    surprise: float
    value: float
    usual_low: float | None = None
    usual_high: float | None = None
    unit: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The score of one payment and what it rests on.

    ``score`` is 0..100: ``score = 25 * s`` where one payment in ``10**s`` scores as high, so 50 is one in a
    hundred, 75 one in a thousand and 100 one in ten thousand or rarer. ``raw_score`` is the uncalibrated
    sum behind it. ``evidence`` is sorted by falling ``weight`` and each weight is that evidence's share of
    ``raw_score``. ``features`` are the numbers that later learning uses, in the order of
    ``detectors.features.NAMES``. ``context`` is what the detectors saw, for learning right afterwards.
    """

    score: float
    raw_score: float
    evidence: tuple[tuple[Evidence, float], ...]
    features: tuple[float, ...]
    context: Context | None = field(default=None, compare=False, repr=False)
