"""Two places too far apart: the speed needed since the last trusted position."""

from dataclasses import dataclass
from math import log10
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.tails import MAX_SURPRISE, REPORT_FROM


@dataclass(frozen=True, slots=True)
class TravelParams:
    """Parameters of travel.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    flight_kmh
        The speed from airport to airport that nobody exceeds.
    allowance_km
        Shorter ways prove nothing: positions of shops and masts are rough.
    """

    weight: float = 1.0
    flight_kmh: float = 900.0
    allowance_km: float = 20.0


_AT_FLIGHT_SPEED: Final = 4.0


class TravelDetector:
    """Finds payments that the user cannot, or hardly can, have travelled to.

    Both accuracy radii are taken off the way, and a gap below a minute counts as one (see
    ``geo.min_speed_kmh``). Flight speed is as rare as one payment in ten thousand; twice as fast is rarer
    still, a third of it is a fast train.
    """

    name: Final = "travel"
    reasons: Final = (
        ReasonSpec(
            "IMPOSSIBLE_TRAVEL", Family.ABNORMAL_PAYER_LOCATION, "Too far from the last known position"
        ),
    )

    def __init__(self, params: TravelParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the speed is near or beyond an airliner's."""
        params = self.params
        if context.travel_km < params.allowance_km:
            return None
        ratio = context.speed_kmh / params.flight_kmh
        if ratio < 1.0:
            surprise = _AT_FLIGHT_SPEED * ratio
        else:
            surprise = min(MAX_SURPRISE, _AT_FLIGHT_SPEED + 2.0 * log10(ratio))
        if surprise < REPORT_FROM:
            return None
        distance = f"{context.travel_km:.0f} km"
        usual_kmh = params.flight_kmh * REPORT_FROM / _AT_FLIGHT_SPEED
        return Evidence("IMPOSSIBLE_TRAVEL", surprise, context.speed_kmh, 0.0, usual_kmh, "km/h", distance)
