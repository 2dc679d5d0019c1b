"""When payments happen: a fading histogram of hours of the day and days of the week, in 33 numbers.

A profile or the population holds it inside its packed array, from place ``at`` on.
"""

from collections.abc import MutableSequence, Sequence
from typing import Final

HOURS: Final = 24
DAYS: Final = 7
RHYTHM_SIZE: Final = HOURS + DAYS + 2
TOTAL: Final = HOURS + DAYS
UNIT: Final = TOTAL + 1
__MAX_UNIT: Final = 1024.0
_BESIDE: Final = 0.25
"""Half of a payment's weight falls on its hour, a quarter on either hour beside it."""


def new_rhythm(numbers: MutableSequence[float], at: int) -> None:
    """Make the zeros at ``at`` an empty rhythm."""
    numbers[at + UNIT] = 1.0


def learn_rhythm(numbers: MutableSequence[float], at: int, hour: int, weekday: int, memory: float) -> None:
    """Learn a payment; the last ``memory`` payments count, the older ones fade.

    New payments weigh more instead of old ones being scaled down; now and then all is scaled back.
    """
    unit = numbers[at + UNIT]
    numbers[at + hour] += 0.5 * unit
    numbers[at + (hour + 1) % HOURS] += _BESIDE * unit
    numbers[at + (hour - 1) % HOURS] += _BESIDE * unit
    numbers[at + HOURS + weekday] += unit
    numbers[at + TOTAL] += unit
    _set_unit(numbers, at, unit * (1.0 + 1.0 / memory))


def merge_rhythm(numbers: MutableSequence[float], at: int, other: Sequence[float], other_at: int) -> None:
    """Join the payments of another rhythm of the same memory, as if they had been learned just now."""
    unit = numbers[at + UNIT]
    for place in range(TOTAL + 1):
        numbers[at + place] += unit * other[other_at + place]
    _set_unit(numbers, at, unit * other[other_at + UNIT])


def _set_unit(numbers: MutableSequence[float], at: int, unit: float) -> None:
    numbers[at + UNIT] = unit
    if unit > __MAX_UNIT:
        for place in range(at, at + RHYTHM_SIZE):
            numbers[place] /= unit
