"""How rare is a number: tail probabilities as surprises, that is ``-log10`` of the tail.

All functions give 0 for the ordinary half and never more than :data:`MAX_SURPRISE`.
"""

from math import erfc, log, log10, sqrt
from typing import Final

MAX_SURPRISE: Final = 6.0
REPORT_FROM: Final = 1.0
"""Below this, one payment in ten is as unusual: a detector reports nothing."""

_LN10 = log(10.0)
_STEPS = 64
_MAX_Z = 4.75
_TABLE = tuple(-log10(0.5 * erfc(step / _STEPS / sqrt(2.0))) for step in range(int(_MAX_Z * _STEPS) + 2))


def high_surprise(z: float) -> float:
    """The surprise of a normal variate at least ``z`` standard deviations above its mean.

    >>> high_surprise(-1.0), round(high_surprise(2.326), 2), high_surprise(50.0)
    (0.0, 2.0, 6.0)
    """
    if not z > 0.0:
        return 0.0
    if z >= _MAX_Z:
        return MAX_SURPRISE
    place = z * _STEPS
    step = int(place)
    low = _TABLE[step]
    return low + (place - step) * (_TABLE[step + 1] - low)


def count_surprise(count: float, expected: float, evenness: float) -> float:
    """The surprise of ``count`` events or more where ``expected`` are usual.

    Chernoff's bound of the negative binomial tail: calm, because the true tail is smaller. ``evenness``
    is its shape: payments come in clusters, so small values keep ordinary clusters ordinary, and a large
    one tends to Poisson counts.

    >>> count_surprise(1, 2.0, 4.0), round(count_surprise(12, 1.0, 1e9), 1), count_surprise(500, 0.1, 4.0)
    (0.0, 6.0, 6.0)
    """
    if count <= expected:
        return 0.0
    together = count + evenness
    bound = count * log(count / expected) - together * log(together / (expected + evenness))
    return min(MAX_SURPRISE, bound / _LN10) if bound > 0.0 else 0.0


def chance_surprise(probability: float) -> float:
    """The surprise of an event with this probability.

    >>> chance_surprise(0.01), chance_surprise(0.0), chance_surprise(1.0)
    (2.0, 6.0, 0.0)
    """
    if probability <= 1e-6:
        return MAX_SURPRISE
    return -log10(probability) if probability < 1.0 else 0.0
