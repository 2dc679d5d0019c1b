"""The hour of the day and the day of the week, against when this user pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import RHYTHM as ALL_RHYTHM
from detectors.profile import RHYTHM
from detectors.rhythm_state import DAYS, HOURS, TOTAL, UNIT
from detectors.tails import REPORT_FROM, chance_surprise

_TOTAL: Final = RHYTHM + TOTAL
_UNIT: Final = RHYTHM + UNIT
_REPORTED: Final = 10.0**-REPORT_FROM
_ALL_TOTAL: Final = ALL_RHYTHM + TOTAL
_ALL_UNIT: Final = ALL_RHYTHM + UNIT


@dataclass(frozen=True, slots=True)
class RhythmParams:
    """Parameters of the rhythm.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    memory
        A user's rhythm rests on about this many payments.
    worth
        The population's rhythm counts like this many payments of the user.
    flat
        Payments spread evenly over all hours that the population's rhythm starts with.
    """

    weight: float = 1.0
    memory: float = 150.0
    worth: float = 12.0
    flat: float = 24.0


class RhythmDetector:
    """Finds payments at an hour, or on a day, at which this user and the others rarely pay.

    The surprise is the chance of any hour as rare as this one, or rarer.
    """

    name: Final = "rhythm"
    reasons: Final = (
        ReasonSpec("RARE_HOUR", Family.ABNORMAL_SPENDING, "Unusual hour for this user"),
        ReasonSpec("RARE_WEEKDAY", Family.ABNORMAL_SPENDING, "Unusual day of the week for this user"),
    )

    def __init__(self, params: RhythmParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the rarer of hour and day."""
        params, hour, weekday = self.params, context.hour, context.weekday
        own, shared = context.user.norms, context.population.norms
        mine, theirs = 1.0 / own[_UNIT], 1.0 / shared[_ALL_UNIT]
        whole = own[_TOTAL] * mine + params.worth
        mix = params.worth / (shared[_ALL_TOTAL] * theirs + params.flat)
        scales = (mine, mix * theirs)
        even = mix * params.flat
        at_hour = own[RHYTHM + hour] * mine + shared[ALL_RHYTHM + hour] * scales[1] + even / HOURS
        on_day = (
            own[RHYTHM + HOURS + weekday] * mine
            + shared[ALL_RHYTHM + HOURS + weekday] * scales[1]
            + even / DAYS
        )
        rare_hour = rare_day = 0.0
        # An hour with half of an even share, or a day with the reported share, is ordinary without adding up.
        if at_hour * HOURS < 0.5 * whole:
            tail = _rarer(own, shared, 0, HOURS, at_hour, scales, even / HOURS)
            rare_hour = chance_surprise(tail / whole)
        if on_day < _REPORTED * whole:
            tail = _rarer(own, shared, HOURS, DAYS, on_day, scales, even / DAYS)
            rare_day = chance_surprise(tail / whole)
        if rare_hour < REPORT_FROM and rare_day < REPORT_FROM:
            return None
        if rare_hour >= rare_day:
            return Evidence("RARE_HOUR", rare_hour, float(hour), unit="h")
        return Evidence("RARE_WEEKDAY", rare_day, float(weekday))


def _rarer(
    own: Sequence[float],
    shared: Sequence[float],
    first: int,
    length: int,
    limit: float,
    scales: tuple[float, float],
    even: float,
) -> float:
    """The mass of all places of a histogram that hold at most ``limit``."""
    mine, theirs = scales
    limit = (limit - even) * (1.0 + 1e-9)
    a, b = RHYTHM + first, ALL_RHYTHM + first
    mass = 0.0  # added one by one: ``sum`` rounds otherwise from Python 3.12 on
    for x, y in zip(own[a : a + length], shared[b : b + length], strict=True):
        here = x * mine + y * theirs
        if here <= limit:
            mass += here + even
    return mass
