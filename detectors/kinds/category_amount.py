"""The amount against what is usual in this category, for the user and for everybody."""

from dataclasses import dataclass
from math import exp
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.tails import REPORT_FROM, high_surprise


@dataclass(frozen=True, slots=True)
class CategoryAmountParams:
    """``weight``: below one, because it shares the amount with the ``amount`` detector."""

    weight: float = 0.7
    memory: float = 40.0


class CategoryAmountDetector:
    """Finds amounts high for the category: fuel for 20 is usual where a flight for 20 is not."""

    name: Final = "category_amount"
    reasons: Final = (
        ReasonSpec("CATEGORY_AMOUNT_HIGH", Family.ABNORMAL_SPENDING, "Amount unusual for this category"),
    )

    def __init__(self, params: CategoryAmountParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the amount is far above the category's level."""
        if context.payment.mcc is None:
            return None
        surprise = high_surprise(context.category_z)
        if surprise < REPORT_FROM:
            return None
        low = exp(context.category_level - 1.645 * context.category_spread)
        high = exp(context.category_level + 1.645 * context.category_spread)
        return Evidence(
            "CATEGORY_AMOUNT_HIGH",
            surprise,
            context.amount_ref,
            low,
            high,
            context.currency,
            context.payment.mcc,
        )
