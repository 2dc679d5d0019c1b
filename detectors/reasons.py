"""What each reason's code means: versioned, because decisions keep codes for years."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from detectors.assessment import Family

REASONS_VERSION: Final = "reasons-1"


@dataclass(frozen=True, slots=True)
class ReasonSpec:
    """One entry of the registry.

    Parameters
    ----------
    code
        The name that evidence carries.
    family
        The finding of PSD2 RTS Art. 18 that it belongs to.
    title
        A few plain words for people.
    detector
        Which detector says so.
    """

    code: str
    family: Family
    title: str
    detector: str


_SPENDING, _DEVICE = Family.ABNORMAL_SPENDING, Family.UNUSUAL_DEVICE
_PATTERN, _PLACE, _PAYEE = (
    Family.KNOWN_FRAUD_PATTERN,
    Family.ABNORMAL_PAYER_LOCATION,
    Family.HIGH_RISK_PAYEE,
)

_ALL = (
    ReasonSpec("AMOUNT_HIGH", _SPENDING, "Amount above this user's usual level", "amount"),
    ReasonSpec("CATEGORY_AMOUNT_HIGH", _SPENDING, "Amount unusual for this category", "category_amount"),
    ReasonSpec("VELOCITY_COUNT", _SPENDING, "More payments than usual in a short time", "pace"),
    ReasonSpec("VELOCITY_SUM", _SPENDING, "More spent than usual in a short time", "pace"),
    ReasonSpec("CARD_BURST", _PATTERN, "Burst of payments on this card", "burst"),
    ReasonSpec("DEVICE_BURST", _PATTERN, "Burst of payments from this device", "burst"),
    ReasonSpec("DEVICE_SHARED", _DEVICE, "Device pays for many users", "burst"),
    ReasonSpec("MERCHANT_BURST", _PAYEE, "Burst of payments at this merchant", "burst"),
    ReasonSpec("RARE_HOUR", _SPENDING, "Unusual hour for this user", "rhythm"),
    ReasonSpec("RARE_WEEKDAY", _SPENDING, "Unusual day of the week for this user", "rhythm"),
    ReasonSpec("NEW_MERCHANT", _PAYEE, "First payment to this merchant", "novelty"),
    ReasonSpec("NEW_CATEGORY", _SPENDING, "First payment in this category", "novelty"),
    ReasonSpec("NEW_COUNTRY", _PLACE, "First payment in this country", "novelty"),
    ReasonSpec("NEW_DEVICE", _DEVICE, "First payment from this device", "novelty"),
    ReasonSpec("NEW_ENTRY_MODE", _PATTERN, "First payment with this way of reading the card", "novelty"),
    ReasonSpec("NEW_CHANNEL", _SPENDING, "First payment through this channel", "novelty"),
    ReasonSpec("IMPOSSIBLE_TRAVEL", _PLACE, "Too far from the last known position", "travel"),
    ReasonSpec("FAR_FROM_PAYER", _PLACE, "Merchant unusually far from the payer", "payer_distance"),
    ReasonSpec("FAR_FROM_HOME", _PLACE, "Merchant unusually far from home", "payer_distance"),
    ReasonSpec("MERCHANT_AMOUNT_HIGH", _PAYEE, "Amount unusual for this merchant", "merchant"),
    ReasonSpec("JOINT_UNUSUAL", _SPENDING, "Unusual combination of features", "joint"),
)

REASONS: Final[Mapping[str, ReasonSpec]] = MappingProxyType({spec.code: spec for spec in _ALL})
"""All reasons by code. Codes are only ever added; a changed meaning is a new code."""
