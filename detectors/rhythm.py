"""The hour of the day and the day of the week, against when this user pays."""

from array import array
from dataclasses import dataclass
from typing import Final

from detectors.assessment import Evidence
from detectors.context import Context
from detectors.population import RHYTHM as ALL_RHYTHM
from detectors.profile import RHYTHM
from detectors.rhythm_state import DAYS, HOURS, weight
from detectors.tails import REPORT_FROM, chance_surprise


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
    codes: Final = ("RARE_HOUR", "RARE_WEEKDAY")

    def __init__(self, params: RhythmParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the rarer of hour and day."""
        own, shared = context.user.norms, context.population.norms
        n, total = weight(own, RHYTHM), weight(shared, ALL_RHYTHM)
        hour = self._rarity(own, shared, 0, HOURS, context.hour, n, total)
        day = self._rarity(own, shared, HOURS, DAYS, context.weekday, n, total)
        surprise = hour if hour >= day else day
        if surprise < REPORT_FROM:
            return None
        if hour >= day:
            return Evidence("RARE_HOUR", surprise, float(context.hour), unit="h")
        return Evidence("RARE_WEEKDAY", surprise, float(context.weekday))

    def _rarity(
        self,
        own: "array[float]",
        shared: "array[float]",
        first: int,
        length: int,
        here: int,
        n: float,
        total: float,
    ) -> float:
        """The surprise of a place in one histogram; quickly 0 when the place is an ordinary one."""
        params = self.params
        mine = n / own[RHYTHM + HOURS + DAYS] if n else 0.0
        theirs = total / shared[ALL_RHYTHM + HOURS + DAYS] if total else 0.0
        even = params.flat / length
        scale = params.worth / (total + params.flat)
        a, b = RHYTHM + first, ALL_RHYTHM + first
        limit = own[a + here] * mine + scale * (shared[b + here] * theirs + even)
        all_mass = n + params.worth
        if limit * length > all_mass:
            return 0.0
        limit *= 1.0 + 1e-9
        own_scale, shared_scale, even_scale = mine, scale * theirs, scale * even
        tail = 0.0
        for x, y in zip(own[a : a + length], shared[b : b + length], strict=True):
            mass = x * own_scale + y * shared_scale + even_scale
            if mass <= limit:
                tail += mass
        return chance_surprise(tail / all_mass)
