"""The payment against the merchant's own normal."""

from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.profile import AMOUNT
from detectors.tails import REPORT_FROM, high_surprise


@dataclass(frozen=True, slots=True)
class MerchantParams:
    """Parameters of the merchant's own normal.

    Parameters
    ----------
    weight
        Below one, because it shares the amount with the ``amount`` detector.
    memory
        The merchant's level rests on about this many payments.
    worth
        The population counts like this many payments of the merchant.
    """

    weight: float = 0.7
    memory: float = 2_000.0
    worth: float = 20.0


class MerchantDetector:
    """Finds amounts high for this merchant or terminal."""

    name: Final = "merchant"
    reasons: Final = (
        ReasonSpec("MERCHANT_AMOUNT_HIGH", Family.HIGH_RISK_PAYEE, "Amount unusual for this merchant"),
    )

    def __init__(self, params: MerchantParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the merchant rarely takes as much."""
        if not context.comparable:
            return None
        own, shared = context.merchant.norms, context.population.norms
        n, worth = own[AMOUNT], self.params.worth
        known = n + worth
        level = (n * own[AMOUNT + 1] + worth * shared[ALL_AMOUNT + 1]) / known
        variance = (n * own[AMOUNT + 2] + worth * shared[ALL_AMOUNT + 2]) / known
        spread = sqrt(max(variance, 0.04))
        surprise = high_surprise((context.log_amount - level) / spread)
        if surprise < REPORT_FROM:
            return None
        low, high = exp(level - 1.645 * spread), exp(level + 1.645 * spread)
        return Evidence("MERCHANT_AMOUNT_HIGH", surprise, context.amount_ref, low, high, context.currency)
