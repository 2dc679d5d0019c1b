"""When a user is usually at a place: for people to read."""

from math import atan2, cos, pi, sin
from typing import Final

from detectors.habits.history import History, week_minute
from detectors.habits.kernels import DAY_MIN

_NEAR_MIN: Final = 180
_FEWEST: Final = 3


def usual_time(history: History, place: int, local_minute: int) -> tuple[int | None, int] | None:
    """The weekday (Monday is 0; None for more than one) and the minute of the day of visits around this time.

    ``local_minute`` counts in the local week. None where fewer than three visits were within three hours of
    this time of day. The minute is their mean on the circle of the day.

    Examples
    --------
    >>> from detectors.habits.history import Place
    >>> history = History()
    >>> for week in range(4):
    ...     place = history.visit(Place(1), 4 * 1440 + week * 10080 + 510, 0)
    >>> usual_time(history, place, 500)
    (0, 510)
    """
    time = local_minute % DAY_MIN
    days, east, north = set(), 0.0, 0.0
    count = 0
    for visit in range(len(history)):
        if history.place_of(visit) != place:
            continue
        day, at = divmod(week_minute(history.minutes[visit], history.offsets[visit]), DAY_MIN)
        apart = abs(at - time)
        if min(apart, DAY_MIN - apart) > _NEAR_MIN:
            continue
        angle = 2.0 * pi * at / DAY_MIN
        east, north = east + sin(angle), north + cos(angle)
        days.add(day)
        count += 1
    if count < _FEWEST:
        return None
    minute = round(atan2(east, north) / (2.0 * pi) * DAY_MIN) % DAY_MIN
    return (days.pop() if len(days) == 1 else None), minute
