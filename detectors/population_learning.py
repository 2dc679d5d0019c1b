"""What one payment teaches about users in general, told before the user's own profile learns it."""

from collections.abc import MutableSequence
from math import log1p, sqrt
from typing import Final

from detectors.context import Context
from detectors.moments import learn, merge_mean, merge_moments
from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.population import CATEGORY_WITHIN, JOINT, LEARNED, RATE, WITHIN, Population
from detectors.population import DISTANCE as ALL_DISTANCE
from detectors.population import NEW as ALL_NEW
from detectors.population import RHYTHM as ALL_RHYTHM
from detectors.profile import AMOUNT, KINDS, NEW, UserProfile
from detectors.rhythm_state import learn_rhythm, merge_rhythm

MEMORY: Final = 20_000.0
_JOINT_MEMORY: Final = 1_000.0
"""Short: the scale of the joint score moves with every window of the trees."""
_KNOWN: Final = 3.0
"""Payments after which a user's own statistics say something about users in general."""
_RATE_AGE_D: Final = 7.0
_MOMENTS: Final = (
    (ALL_AMOUNT, MEMORY),
    (WITHIN, MEMORY),
    (ALL_DISTANCE, MEMORY),
    (CATEGORY_WITHIN, MEMORY),
    (JOINT, _JOINT_MEMORY),
)
_MEANS: Final = (RATE, *(ALL_NEW + 2 * kind for kind in range(len(KINDS))))


def teach_population(
    shared: MutableSequence[float],
    context: Context,
    log_amount: float | None,
    distance: float,
    read: tuple[float, ...],
) -> None:
    """Teach a population's norms, ``shared``, one payment of a user.

    ``distance`` is the usual kind of distance in km or -1, and ``read`` holds what ``detectors.learning``
    reads of the features.
    """
    user = context.user
    _, _, _, month, age_d, joint = read
    if log_amount is not None:
        _teach_amounts(context.category_at, user, shared, log_amount)
    if joint > 0.0:
        learn(shared, JOINT, joint, _JOINT_MEMORY)
    learn_rhythm(shared, ALL_RHYTHM, context.hour, context.weekday, MEMORY)
    if distance >= 0.0:
        learn(shared, ALL_DISTANCE, log1p(distance), MEMORY)
    if age_d >= _RATE_AGE_D:
        _mean(shared, RATE, month / (min(age_d, 30.0) * 86_400.0))
    for kind, new in enumerate(context.new):
        if new is not None and user.norms[NEW + 2 * kind] >= _KNOWN:
            _mean(shared, ALL_NEW + 2 * kind, 1.0 if new else 0.0)


def merge_population(population: Population, other: Population) -> None:
    """Take over what the users of another shard taught; ``other`` began without a prior."""
    shared, norms = population.norms, other.norms
    for at, memory in _MOMENTS:
        merge_moments(shared, at, norms[at], norms[at + 1], norms[at + 2], memory)
    for at in _MEANS:
        merge_mean(shared, at, norms[at], norms[at + 1], MEMORY)
    merge_rhythm(shared, ALL_RHYTHM, norms, ALL_RHYTHM)
    shared[LEARNED] += norms[LEARNED]
    population.add_masses(other)


def _teach_amounts(at: int, user: UserProfile, shared: MutableSequence[float], log_amount: float) -> None:
    own = user.norms
    learn(shared, ALL_AMOUNT, log_amount, MEMORY)
    _teach_spread(shared, WITHIN, own[AMOUNT], own[AMOUNT + 1], log_amount)
    if at:
        _teach_spread(shared, CATEGORY_WITHIN, own[at], own[at + 1], log_amount)


def _teach_spread(shared: MutableSequence[float], at: int, n: float, mean: float, log_amount: float) -> None:
    if n >= _KNOWN:
        # A deviation from a mean of n values is wider by 1 + 1/n.
        learn(shared, at, (log_amount - mean) / sqrt(1.0 + 1.0 / n), MEMORY)


def _mean(shared: MutableSequence[float], at: int, x: float) -> None:
    n = min(shared[at] + 1.0, MEMORY)
    shared[at] = n
    shared[at + 1] += (x - shared[at + 1]) / n
