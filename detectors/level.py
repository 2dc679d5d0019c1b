"""What amount to expect: a user's own level, shrunk to the population's while the user is little known.

Levels are natural logarithms of amounts in the reference currency. The shrinkage is empirical Bayes: how
many payments the population is worth is the ratio of the spread within a user to that between users.
"""

from math import sqrt
from typing import Final

from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.population import CATEGORY_WITHIN, WITHIN, Population
from detectors.profile import AMOUNT, EntityProfile, UserProfile

_SPREAD_WORTH: Final = 6.0
"""The population's spread counts like this many payments of the user."""
_CATEGORY_WORTH: Final = 10.0
_CELL_WORTH: Final = 3.0
_MIN_VARIANCE: Final = 0.04
_USER_SHARE: Final = 0.5
"""How much of a user's general level shows in a category: halfway between all of it and nothing."""


def user_level(user: UserProfile, population: Population) -> tuple[float, float]:
    """The user's expected log amount and the standard deviation to expect around it."""
    shared, own = population.norms, user.norms
    within = max(shared[WITHIN + 2], _MIN_VARIANCE)
    between = max(shared[ALL_AMOUNT + 2] - within, 0.05 * within)
    worth = within / between
    n = own[AMOUNT]
    known = n + worth
    level = (n * own[AMOUNT + 1] + worth * shared[ALL_AMOUNT + 1]) / known
    variance = (n * own[AMOUNT + 2] + _SPREAD_WORTH * within) / (n + _SPREAD_WORTH)
    return level, sqrt(max(variance, _MIN_VARIANCE) * (1.0 + 1.0 / known))


def category_level(
    user: UserProfile, at: int, category: EntityProfile | None, population: Population, user_at: float
) -> tuple[float, float]:
    """The log amount to expect of the user in a category, and its standard deviation.

    ``at`` is where the user's norms of the category are (0 nowhere) and ``user_at`` the user's general
    level. Before the user's own payments in the category speak, the
    category's level among all users does, moved by half of what the user differs in general.
    """
    shared, own = population.norms, user.norms
    centre = shared[ALL_AMOUNT + 1]
    if category is None:
        general, n = centre, 0.0
        around = shared[ALL_AMOUNT + 2]
    else:
        n = category.norms[AMOUNT]
        known = n + _CATEGORY_WORTH
        general = (n * category.norms[AMOUNT + 1] + _CATEGORY_WORTH * centre) / known
        around = (n * category.norms[AMOUNT + 2] + _CATEGORY_WORTH * shared[ALL_AMOUNT + 2]) / known
    expected = general + _USER_SHARE * (user_at - centre)
    n = own[at] if at else 0.0
    within = max(min(around, shared[CATEGORY_WITHIN + 2]), _MIN_VARIANCE)
    if n <= 0.0:
        return expected, sqrt(max(around, _MIN_VARIANCE))
    known = n + _CELL_WORTH
    level = (n * own[at + 1] + _CELL_WORTH * expected) / known
    variance = (n * own[at + 2] + _SPREAD_WORTH * within) / (n + _SPREAD_WORTH)
    return level, sqrt(max(variance, _MIN_VARIANCE) * (1.0 + 1.0 / known))
