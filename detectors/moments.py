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
