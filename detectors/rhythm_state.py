"""When payments happen: a fading histogram of hours of the day and days of the week, in 33 numbers.

A profile or the population holds it inside its packed array, from place ``at`` on.
"""

from array import array
from typing import Final

HOURS: Final = 24
DAYS: Final = 7
RHYTHM_SIZE: Final = HOURS + DAYS + 2
_TOTAL: Final = HOURS + DAYS
_UNIT: Final = _TOTAL + 1
_MAX_UNIT: Final = 1024.0
_BESIDE: Final = 0.25
"""Half of a payment's weight falls on its hour, a quarter on either hour beside it."""


def new_rhythm(numbers: "array[float]", at: int) -> None:
    """Make the zeros at ``at`` an empty rhythm."""
    numbers[at + _UNIT] = 1.0


def learn_rhythm(numbers: "array[float]", at: int, hour: int, weekday: int, memory: float) -> None:
    """Learn a payment; the last ``memory`` payments count, the older ones fade.

    New payments weigh more instead of old ones being scaled down; now and then all is scaled back.
    """
    unit = numbers[at + _UNIT]
    numbers[at + hour] += 0.5 * unit
    numbers[at + (hour + 1) % HOURS] += _BESIDE * unit
    numbers[at + (hour - 1) % HOURS] += _BESIDE * unit
    numbers[at + HOURS + weekday] += unit
    numbers[at + _TOTAL] += unit
    unit *= 1.0 + 1.0 / memory
    numbers[at + _UNIT] = unit
    if unit > _MAX_UNIT:
        for place in range(at, at + RHYTHM_SIZE):
            numbers[place] /= unit


def weight(numbers: "array[float]", at: int) -> float:
    """How many payments the rhythm rests on, the faded ones counted as parts."""
    return numbers[at + _TOTAL] / numbers[at + _UNIT]
