"""What a user's history says of each known place at one moment: the features that habits are judged by."""

from math import log
from typing import Final, NamedTuple

from detectors.habits.history import History, week_minute
from detectors.habits.kernels import (
    ALIKE,
    CLOSE,
    CLOSISH,
    DAY_MIN,
    FADE_7,
    FADE_30,
    FADE_120,
    OLDEST,
    STEP_MIN,
    log_gap,
)

NAMES: Final = (
    "log_count",
    "log_faded_120d",
    "log_faded_30d",
    "log_faded_7d",
    "log_this_time",
    "log_about_this_time_alike_day",
    "log_this_time_same_weekday",
    "log_this_time_alike_day_30d",
    "log_after_last_place",
    "log_after_last_place_about_this_time",
    "log_after_last_place_alike_gap",
    "log_alike_gap",
    "log_after_last_two_places",
    "log_after_last_place_this_time_alike_day",
    "is_last_place",
    "is_last_place_by_gap",
    "is_place_before_last",
    "log_hours_since",
)
"""What a place is measured by. *Alike* days are both weekdays or both of a weekend; gaps are the times since
the visit before, whatever its place."""
NEW_NAMES: Final = ("is_new", "log_share_new", "log_share_new_about_this_time", "log_visits")
"""What "somewhere new" is measured by."""

_SELDOM: Final = 0.1
_START: Final = (_SELDOM, _SELDOM, *(0.05,) * 11)
"""What the thirteen sums of a place begin with, so that they have logarithms."""
_ABOUT: Final = 4
_NEW_PRIOR: Final = 0.3
_UNSEEN: Final = 4.0
"""For a place whose visits are all forgotten: seen long ago."""
_WEEKEND: Final = 5


class Measures(NamedTuple):
    """One row of ``NAMES`` for each place, and ``NEW_NAMES`` for somewhere new.

    ``this_time`` has for each place how many of its visits were at about this time on alike days, fading in
    120 days.
    """

    places: list[tuple[float, ...]]
    new: tuple[float, ...]
    this_time: list[float]


def measure(history: History, minute: int, offset_quarters: int) -> Measures:
    """Measure every place at a moment. Without any visit there is nothing to measure: no rows.

    ``minute`` counts from 1970 in UTC, ``offset_quarters`` as in :class:`~detectors.habits.history.History`.
    Visits after the moment count as of it.
    """
    if not len(history):
        return Measures([], (1.0, 0.0, 0.0, 0.0), [])
    sums, seen, of_all = _sum_up(history, minute, week_minute(minute, offset_quarters))
    last = history.place_of(-1)
    before_last = history.place_of(-2) if len(history) > 1 else None
    gap = log(max(0, minute - history.minutes[-1]) + 5.0) / 5.0
    places: list[tuple[float, ...]] = [
        (
            log(history.count(place) + _SELDOM),
            *map(log, row),
            1.0 if place == last else 0.0,
            gap if place == last else 0.0,
            1.0 if place == before_last else 0.0,
            _UNSEEN if seen[place] < 0 else log(max(0, minute - seen[place]) / 60.0 + 1.0) / 3.0,
        )
        for place, row in enumerate(sums)
    ]
    faded, about, new_faded, new_about = of_all
    new = (1.0, log(new_faded / faded), log(new_about / about), log(len(history) + 1.0) / 3.0)
    return Measures(places, new, [row[_ABOUT] - _START[_ABOUT] for row in sums])


def _sum_up(
    history: History, minute: int, local: int
) -> tuple[list[list[float]], list[int], tuple[float, float, float, float]]:
    """Per place the sums of all kernels, and its last visit; of all places, and of their first visits, two.

    Written out in one loop: it is run at every visit, once for each remembered one.
    """
    spots = history.spots()
    sums, seen = [list(_START) for _ in range(history.places)], [-1] * history.places
    last, before_last = spots[-1][0], spots[-2][0] if len(spots) > 1 else -1
    gap = log_gap(max(0, minute - history.minutes[-1]))
    weekday, time = divmod(local, DAY_MIN)
    is_weekend = weekday >= _WEEKEND
    faded = about = 1.0
    new_faded = new_about = _NEW_PRIOR
    previous, previous_2, previous_min = -1, -1, None
    for (place, is_new), at, ahead in zip(spots, history.minutes, history.offsets, strict=True):
        step = min(max((minute - at) // STEP_MIN, 0), OLDEST)
        day, its_time = divmod(week_minute(at, ahead), DAY_MIN)
        by_120, by_30, close = FADE_120[step], FADE_30[step], CLOSE[its_time - time]
        near, nearish = close * by_120, CLOSISH[its_time - time] * by_120
        alike = (day >= _WEEKEND) == is_weekend
        row = sums[place]
        row[0] += by_120
        row[1] += by_30
        row[2] += FADE_7[step]
        row[3] += near
        if alike:
            row[4] += nearish
            row[6] += close * by_30
            if day == weekday:
                row[5] += near
        by_gap = 0.0
        if previous_min is not None:
            apart = abs(log_gap(at - previous_min) - gap)
            by_gap = ALIKE[apart] * by_120 if apart < len(ALIKE) else 0.0
            row[10] += by_gap
        if previous == last:
            row[7] += by_120
            row[8] += nearish
            row[9] += by_gap
            if previous_2 == before_last:
                row[11] += by_120
            if alike:
                row[12] += close * by_30
        faded += by_30
        about += nearish
        if is_new:
            new_faded += by_30
            new_about += nearish
        previous_2, previous, previous_min = previous, place, at
        seen[place] = at
    return sums, seen, (faded, about, new_faded, new_about)
