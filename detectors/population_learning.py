"""What one payment teaches about users in general, told before the user's own profile learns it."""

from math import log1p, sqrt
from typing import Final

from detectors.context import Context
from detectors.moments import learn
from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.population import CATEGORY_WITHIN, JOINT, RATE, WITHIN, Population
from detectors.population import DISTANCE as ALL_DISTANCE
from detectors.population import NEW as ALL_NEW
from detectors.population import RHYTHM as ALL_RHYTHM
from detectors.profile import AMOUNT, NEW, UserProfile
from detectors.rhythm_state import learn_rhythm

MEMORY: Final = 20_000.0
_JOINT_MEMORY: Final = 1_000.0
"""Short: the scale of the joint score moves with every window of the trees."""
_KNOWN: Final = 3.0
"""Payments after which a user's own statistics say something about users in general."""
_RATE_AGE_D: Final = 7.0


def teach_population(
    context: Context, log_amount: float | None, distance: float, read: tuple[float, ...]
) -> None:
    """Teach the population one payment of a user.

    ``distance`` is the usual kind of distance in km or -1, and ``read`` holds what ``detectors.learning``
    reads of the features.
    """
    user, population = context.user, context.population
    shared = population.norms
    _, _, _, month, age_d, joint = read
    if log_amount is not None:
        _teach_amounts(context.category_at, user, population, log_amount)
    if joint > 0.0:
        learn(shared, JOINT, joint, _JOINT_MEMORY)
    learn_rhythm(shared, ALL_RHYTHM, context.hour, context.weekday, MEMORY)
    if distance >= 0.0:
        learn(shared, ALL_DISTANCE, log1p(distance), MEMORY)
    if age_d >= _RATE_AGE_D:
        _mean(population, RATE, month / (min(age_d, 30.0) * 86_400.0))
    for kind, new in enumerate(context.new):
        if new is not None and user.norms[NEW + 2 * kind] >= _KNOWN:
            _mean(population, ALL_NEW + 2 * kind, 1.0 if new else 0.0)


def _teach_amounts(at: int, user: UserProfile, population: Population, log_amount: float) -> None:
    shared, own = population.norms, user.norms
    learn(shared, ALL_AMOUNT, log_amount, MEMORY)
    _teach_spread(population, WITHIN, own[AMOUNT], own[AMOUNT + 1], log_amount)
    if at:
        _teach_spread(population, CATEGORY_WITHIN, own[at], own[at + 1], log_amount)


def _teach_spread(population: Population, at: int, n: float, mean: float, log_amount: float) -> None:
    if n >= _KNOWN:
        # A deviation from a mean of n values is wider by 1 + 1/n.
        learn(population.norms, at, (log_amount - mean) / sqrt(1.0 + 1.0 / n), MEMORY)


def _mean(population: Population, at: int, x: float) -> None:
    shared = population.norms
    n = min(shared[at] + 1.0, MEMORY)
    shared[at] = n
    shared[at + 1] += (x - shared[at + 1]) / n
