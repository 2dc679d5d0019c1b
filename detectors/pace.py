"""The user's payments per time and spending per time, against the user's own pace."""

from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

from detectors.assessment import Evidence
from detectors.context import Context
from detectors.population import RATE
from detectors.tails import REPORT_FROM, count_surprise, high_surprise
from detectors.velocity import HORIZON_S, WINDOW_NAMES, WINDOWS

_COUNTED: Final = (1, 2, 3, 4)  # 10 min, 1 h, 1 day, 7 days
_SUMMED: Final = (3, 4)  # 1 day, 7 days
_MAX_SPREAD: Final = 1.5


@dataclass(frozen=True, slots=True)
class PaceParams:
    """Parameters of the pace.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    worth
        The population's rate counts like this many payments of the user.
    evenness
        How evenly payments come (shape of the negative binomial): shopping comes in clusters.
    """

    weight: float = 1.0
    worth: float = 2.0
    evenness: float = 2.0


class PaceDetector:
    """Finds more payments, or more money, in a window than the user's rate explains."""

    name: Final = "pace"
    codes: Final = ("VELOCITY_COUNT", "VELOCITY_SUM")

    def __init__(self, params: PaceParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the most surprising window."""
        if not context.counts or not context.user_counts[4]:
            return None
        count = self._count(context)
        total = self._sum(context) if context.spends else None
        if count is None or total is None:
            return count or total
        return count if count.surprise >= total.surprise else total

    def _rate(self, context: Context, window: int) -> float:
        """The payments per second to expect, learned outside the window."""
        worth = self.params.worth
        usual = max(context.population.norms[RATE + 1], 1e-9)
        outside = context.user_counts[5] - context.user_counts[window]
        known_s = min(HORIZON_S, max(0, context.time_s - context.user.first_s)) - WINDOWS[window]
        return (outside + worth) / (max(0, known_s) + worth / usual)

    def _count(self, context: Context) -> Evidence | None:
        best, found, usual = REPORT_FROM, -1, 0.0
        for window in _COUNTED:
            before = context.user_counts[window]
            if not before:
                continue
            expected = self._rate(context, window) * WINDOWS[window]
            surprise = count_surprise(before, expected, self.params.evenness)
            if surprise > best:
                best, found, usual = surprise, window, expected
        if found < 0:
            return None
        seen = float(context.user_counts[found] + 1)
        unit = "payments/" + WINDOW_NAMES[found]
        return Evidence("VELOCITY_COUNT", best, seen, 0.0, usual + 2.0 * sqrt(usual) + 1.0, unit)

    def _sum(self, context: Context) -> Evidence | None:
        spread = min(context.spread, _MAX_SPREAD)
        mean = exp(context.level + 0.5 * spread * spread)
        best, found, high = REPORT_FROM, -1, 0.0
        for window in _SUMMED:
            before = context.user_counts[window]
            if not before:
                continue
            payments = 1.0 + self._rate(context, window) * WINDOWS[window]
            expected = mean * payments
            total = (context.user_sums[window] + context.minor_ref) / 100.0
            if total <= expected:
                continue
            deviation = mean * sqrt(payments * exp(spread * spread))
            surprise = high_surprise((total - expected) / deviation)
            if surprise > best:
                best, found, high = surprise, window, expected + 1.645 * deviation
        if found < 0:
            return None
        total = (context.user_sums[found] + context.minor_ref) / 100.0
        unit = f"{context.currency}/{WINDOW_NAMES[found]}"
        return Evidence("VELOCITY_SUM", best, total, 0.0, high, unit)
