"""How much a visit of the past says about now: kernels over its age, its time of day and the gap before it.

Tables, because each is asked for every remembered visit: fading is exponential in steps of six hours, times
of day count by a Gaussian that goes around midnight, gaps by a Gaussian over their logarithm.
"""

from math import exp, log
from typing import Final

DAY_MIN: Final = 1_440
WEEK_MIN: Final = 10_080
STEP_MIN: Final = 360
"""The steps in which age counts."""
OLDEST: Final = 3 * 1_460
"""Steps after which all ages are alike: three years."""

_HALF_DAY_MIN: Final = DAY_MIN // 2
_PER_LOG: Final = 8
_WIDTH_OF_GAPS: Final = 0.7
_SHORT_GAPS: Final = 4_096


def _fading(days: float) -> tuple[float, ...]:
    return tuple(exp(-step * STEP_MIN / DAY_MIN / days) for step in range(OLDEST + 1))


def _around_the_clock(hours: float) -> tuple[float, ...]:
    near = [exp(-0.5 * (minutes / (60.0 * hours)) ** 2) for minutes in range(_HALF_DAY_MIN + 1)]
    return tuple(near[min(minutes, DAY_MIN - minutes)] for minutes in range(DAY_MIN))


FADE_120: Final = _fading(120.0)
"""By steps of age, fading to 1/e in 120 days."""
FADE_30: Final = _fading(30.0)
FADE_7: Final = _fading(7.0)
CLOSE: Final = _around_the_clock(1.0)
"""By the difference of two minutes of the day (also a negative one): a standard deviation of one hour."""
CLOSISH: Final = _around_the_clock(2.5)
ALIKE: Final = tuple(exp(-0.5 * (steps / _PER_LOG / _WIDTH_OF_GAPS) ** 2) for steps in range(60))
"""By the difference of two :func:`log_gap`."""

_LOG_GAPS: Final = tuple(round(_PER_LOG * log(minutes + 5.0)) for minutes in range(_SHORT_GAPS))


def log_gap(minutes: int) -> int:
    """The logarithm of a gap in eighths; five minutes more or less count little."""
    return _LOG_GAPS[minutes] if minutes < _SHORT_GAPS else round(_PER_LOG * log(minutes + 5.0))
