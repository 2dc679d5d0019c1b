"""The amount against the user's own level."""

from dataclasses import dataclass
from math import exp
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.tails import REPORT_FROM, high_surprise


@dataclass(frozen=True, slots=True)
class AmountParams:
    """``memory``: a user's level rests on about this many payments; older ones fade."""

    weight: float = 1.0
    memory: float = 120.0


class AmountDetector:
    """Finds amounts high for this user. An unknown user is held against the population."""

    name: Final = "amount"
    reasons: Final = (
        ReasonSpec("AMOUNT_HIGH", Family.ABNORMAL_SPENDING, "Amount above this user's usual level"),
    )

    def __init__(self, params: AmountParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the amount is far above the user's level."""
        surprise = high_surprise(context.amount_z)
        if surprise < REPORT_FROM:
            return None
        low = exp(context.level - 1.645 * context.spread)
        high = exp(context.level + 1.645 * context.spread)
        return Evidence("AMOUNT_HIGH", surprise, context.amount_ref, low, high, context.currency)
