"""Mean and variance kept as three numbers (count, mean, variance) inside a packed array.

A River object per statistic would be several times as large as the whole rest of a profile, so the
numbers rest here and River's ``Var`` does the step where amounts are learned.
"""

from collections.abc import MutableSequence
from math import isfinite

from river.stats import Var

_HUGE = 1e30


def learn_amount(numbers: MutableSequence[float], at: int, x: float, memory: float) -> None:
    """Learn ``x`` into the count, mean and variance at ``numbers[at:at + 3]`` by a step of River's ``Var``.

    The count stops at ``memory``, so old values fade. What is not finite is refused: River would never
    recover from it.
    """
    if not isfinite(x):
        return
    var = Var._from_state(min(numbers[at], memory - 1.0), numbers[at + 1], numbers[at + 2])
    var.update(x)
    numbers[at] = var.n
    numbers[at + 1] = var.mean.get()
    numbers[at + 2] = var.get()


def learn(numbers: MutableSequence[float], at: int, x: float, memory: float) -> None:
    """Learn ``x`` like :func:`learn_amount` (Welford's formula, as in River), four times as fast."""
    if not -_HUGE < x < _HUGE:
        return
    before = numbers[at]
    if before > memory - 1.0:
        before = memory - 1.0
    n = before + 1.0
    off = x - numbers[at + 1]
    numbers[at] = n
    numbers[at + 1] += off / n
    if before > 0.0:
        numbers[at + 2] += (off * off * before / n - numbers[at + 2]) / before


def merge_moments(
    numbers: MutableSequence[float], at: int, n: float, mean: float, variance: float, memory: float
) -> None:
    """Join ``n`` values of this mean and variance to those at ``numbers[at:at + 3]``.

    The same as learning them one after the other (Chan, Golub and LeVeque 1979). What was there fades by as
    much as the count would exceed ``memory``.

    >>> numbers = [0.0, 0.0, 0.0]
    >>> for x in (1.0, 2.0):
    ...     learn(numbers, 0, x, 100.0)
    >>> merge_moments(numbers, 0, 2.0, 3.5, 0.5, 100.0)  # 3.0 and 4.0
    >>> numbers
    [4.0, 2.5, 1.6666666666666667]
    """
    if n <= 0.0:
        return
    before = max(0.0, min(numbers[at], memory - n))
    whole = before + n
    off = mean - numbers[at + 1]
    if whole > 1.0:
        inside = numbers[at + 2] * max(0.0, before - 1.0) + variance * max(0.0, n - 1.0)
        numbers[at + 2] = (inside + off * off * before * n / whole) / (whole - 1.0)
    numbers[at] = whole
    numbers[at + 1] += off * n / whole


def merge_mean(numbers: MutableSequence[float], at: int, n: float, mean: float, memory: float) -> None:
    """Join the mean of ``n`` values to the count and mean at ``numbers[at:at + 2]``."""
    if n > 0.0:
        whole = max(0.0, min(numbers[at], memory - n)) + n
        numbers[at] = whole
        numbers[at + 1] += (mean - numbers[at + 1]) * n / whole
