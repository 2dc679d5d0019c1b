"""How far the payer is from the merchant, or the merchant from where the user lives."""

from dataclasses import dataclass
from math import expm1, log1p, sqrt
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import DISTANCE as ALL_DISTANCE
from detectors.profile import DISTANCE
from detectors.tails import REPORT_FROM, high_surprise


@dataclass(frozen=True, slots=True)
class PayerDistanceParams:
    """Parameters of the distance.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    memory
        A user's usual distance rests on about this many payments.
    worth
        The population's distance counts like this many payments of the user.
    """

    weight: float = 1.0
    memory: float = 100.0
    worth: float = 5.0


class PayerDistanceDetector:
    """Finds payments farther away than usual for this user, on the logarithm of the distance."""

    name: Final = "payer_distance"
    reasons: Final = (
        ReasonSpec("FAR_FROM_PAYER", Family.ABNORMAL_PAYER_LOCATION, "Merchant unusually far from the payer"),
        ReasonSpec("FAR_FROM_HOME", Family.ABNORMAL_PAYER_LOCATION, "Merchant unusually far from home"),
    )

    def __init__(self, params: PayerDistanceParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the distance is far above the usual one."""
        distance = context.usual_distance_km
        if distance < 0.0:
            return None
        own, shared = context.user.norms, context.population.norms
        n, worth = own[DISTANCE], self.params.worth
        known = n + worth
        level = (n * own[DISTANCE + 1] + worth * shared[ALL_DISTANCE + 1]) / known
        variance = (n * own[DISTANCE + 2] + worth * shared[ALL_DISTANCE + 2]) / known
        spread = sqrt(max(variance, 0.1) * (1.0 + 1.0 / known))
        surprise = high_surprise((log1p(distance) - level) / spread)
        if surprise < REPORT_FROM:
            return None
        code = "FAR_FROM_PAYER" if context.distance_km >= 0.0 else "FAR_FROM_HOME"
        return Evidence(code, surprise, distance, 0.0, expm1(level + 1.645 * spread), "km")
