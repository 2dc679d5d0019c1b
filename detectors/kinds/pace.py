"""The user's payments per time and spending per time, against the user's own pace."""

from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import RATE
from detectors.tails import REPORT_FROM, count_surprise, high_surprise
from detectors.velocity import HORIZON_S, WINDOW_NAMES, WINDOWS

_COUNTED: Final = (1, 2, 3, 4)  # 10 min, 1 h, 1 day, 7 days
_SUMMED: Final = (3, 4)  # 1 day, 7 days
_MAX_SPREAD: Final = 1.5
_MIN_RATE: Final = 1e-9


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
    reasons: Final = (
        ReasonSpec("VELOCITY_COUNT", Family.ABNORMAL_SPENDING, "More payments than usual in a short time"),
        ReasonSpec("VELOCITY_SUM", Family.ABNORMAL_SPENDING, "More spent than usual in a short time"),
    )

    def __init__(self, params: PaceParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the most surprising window."""
        if not context.counts or context.user_counts[4] <= 1.0:
            return None
        usual = context.population.norms[RATE + 1]
        known_s = context.time_s - context.user.first_s
        rates = (
            self.params.worth,
            known_s if known_s < HORIZON_S else HORIZON_S,
            self.params.worth / (usual if usual > _MIN_RATE else _MIN_RATE),
        )
        counts = context.user_counts
        # The windows that nothing but this payment is in need no expectation.
        expected = [_expected(counts, w, rates) if counts[w] > 1.0 else 0.0 for w in _COUNTED]
        count = self._count(context, expected)
        total = self._sum(context, expected) if context.comparable else None
        if count is None or total is None:
            return count or total
        return count if count.surprise >= total.surprise else total

    def _count(self, context: Context, all_expected: list[float]) -> Evidence | None:
        evenness, counts = self.params.evenness, context.user_counts
        best, found, usual = REPORT_FROM, -1, 0.0
        for window, expected in zip(_COUNTED, all_expected, strict=True):
            before = counts[window] - 1.0
            if before <= 2.0 * expected:
                continue  # never reaches REPORT_FROM
            surprise = count_surprise(before, expected, evenness)
            if surprise > best:
                best, found, usual = surprise, window, expected
        if found < 0:
            return None
        unit = "payments/" + WINDOW_NAMES[found]
        return Evidence("VELOCITY_COUNT", best, counts[found], 0.0, usual + 2.0 * sqrt(usual) + 1.0, unit)

    def _sum(self, context: Context, all_expected: list[float]) -> Evidence | None:
        counts, sums = context.user_counts, context.user_sums
        spread = context.spread if context.spread < _MAX_SPREAD else _MAX_SPREAD
        mean = exp(context.level + 0.5 * spread * spread)
        best, found, high = REPORT_FROM, -1, 0.0
        for window in _SUMMED:
            if counts[window] <= 1.0:
                continue
            payments = 1.0 + all_expected[window - _COUNTED[0]]
            over = sums[window] - mean * payments
            if over <= 0.0:
                continue
            deviation = mean * sqrt(payments) * exp(0.5 * spread * spread)
            surprise = high_surprise(over / deviation)
            if surprise > best:
                best, found, high = surprise, window, mean * payments + 1.645 * deviation
        if found < 0:
            return None
        unit = f"{context.currency}/{WINDOW_NAMES[found]}"
        return Evidence("VELOCITY_SUM", best, sums[found], 0.0, high, unit)


def _expected(counts: tuple[float, ...], window: int, rates: tuple[float, int, float]) -> float:
    """The payments to expect in the window, by the rate outside of it."""
    worth, known_s, unknown_s = rates
    span_s = WINDOWS[window]
    outside_s = known_s - span_s if known_s > span_s else 0
    return (counts[5] - counts[window] + worth) * span_s / (outside_s + unknown_s)
