"""Sudden volume on a card, a device or a merchant, beyond what this user's own pace explains."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.profile import EntityProfile
from detectors.tails import REPORT_FROM, count_surprise
from detectors.velocity import HORIZON_S, WINDOW_NAMES, WINDOWS

_WINDOWS: Final = (1, 2, 3)  # 10 min, 1 h, 1 day
_NO_OTHERS: Final = (1.0,) * len(WINDOWS)
"""What explains nothing but the payment itself."""


@dataclass(frozen=True, slots=True)
class BurstParams:
    """Parameters of bursts.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    worth
        What is supposed of an unknown card, device or merchant counts like this many payments.
    usual_per_day
        Payments a day that are supposed of an unknown one.
    evenness
        Shape of the negative binomial: busy hours are ordinary.
    sharing_users
        Users of one device that are ordinary, a family for example.
    """

    weight: float = 1.0
    worth: float = 3.0
    usual_per_day: float = 3.0
    evenness: float = 2.0
    sharing_users: float = 2.0


class BurstDetector:
    """Finds card testing, a device that pays for many users, and a merchant with sudden volume."""

    name: Final = "burst"
    reasons: Final = (
        ReasonSpec("CARD_BURST", Family.KNOWN_FRAUD_PATTERN, "Burst of payments on this card"),
        ReasonSpec("DEVICE_BURST", Family.KNOWN_FRAUD_PATTERN, "Burst of payments from this device"),
        ReasonSpec("DEVICE_SHARED", Family.UNUSUAL_DEVICE, "Device pays for many users"),
        ReasonSpec("MERCHANT_BURST", Family.HIGH_RISK_PAYEE, "Burst of payments at this merchant"),
    )

    def __init__(self, params: BurstParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the most surprising of the three."""
        if not context.counts:
            return None
        own = context.user_counts
        found = self._burst("MERCHANT_BURST", context.merchant, context.merchant_counts, _NO_OTHERS, context)
        if context.card is not None and context.card_counts[3] > own[3]:
            found = _stronger(
                found, self._burst("CARD_BURST", context.card, context.card_counts, own, context)
            )
        device = context.device
        if device is not None:
            if context.device_counts[3] > own[3]:
                found = _stronger(
                    found, self._burst("DEVICE_BURST", device, context.device_counts, own, context)
                )
            if device.users & (device.users - 1):
                found = _stronger(found, self._shared(device))
        return found

    def _burst(
        self,
        code: str,
        entity: EntityProfile,
        counts: tuple[float, ...],
        own: tuple[float, ...],
        context: Context,
    ) -> Evidence | None:
        params = self.params
        if counts[3] - own[3] < 2.0:
            return None
        best, found, usual = REPORT_FROM, -1, 0.0
        known_s = min(HORIZON_S, max(0, context.time_s - entity.first_s)) if entity.first_s else 0
        unknown_s = params.worth * 86_400.0 / params.usual_per_day
        for window in _WINDOWS:
            count = counts[window] - own[window]
            if count < 2.0:
                continue
            span = WINDOWS[window]
            outside_s = max(0, known_s - span) + unknown_s
            expected = (counts[5] - counts[window] + params.worth) / outside_s * span
            if count <= expected:
                continue
            surprise = count_surprise(count, expected, params.evenness)
            if surprise > best:
                best, found, usual = surprise, window, expected
        if found < 0:
            return None
        high = usual + 2.0 * sqrt(usual) + 1.0
        unit = "payments/" + WINDOW_NAMES[found]
        return Evidence(code, best, counts[found], 0.0, high, unit)

    def _shared(self, device: EntityProfile) -> Evidence | None:
        users, usual = device.distinct_users(), self.params.sharing_users
        surprise = count_surprise(users, usual, 1.0)
        if surprise < REPORT_FROM:
            return None
        return Evidence("DEVICE_SHARED", surprise, float(users), 1.0, usual, "users")


def _stronger(a: Evidence | None, b: Evidence | None) -> Evidence | None:
    if a is None or b is None:
        return a or b
    return a if a.surprise >= b.surprise else b
