"""When somebody becomes a victim, and of what."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from replay.simulator.chance import pick_by, seeded, wait

PAYMENTS_PER_DAY: Final = 2.2
"""What a person makes on average; rates of fraud are set against it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of fraud: its share of all episodes and how many payments one has on average."""

    name: str
    weight: float
    payments: float


@dataclass(frozen=True, slots=True)
class Episode:
    """One fraud against one person, starting on ``day``."""

    day: int
    pattern: str


PATTERNS: Final = (
    Pattern("stolen_card_burst", 24, 5.0),
    Pattern("account_takeover", 18, 3.0),
    Pattern("card_not_present", 28, 7.0),
    Pattern("skimming", 14, 3.0),
    Pattern("gift_card_drain", 16, 6.0),
)
OTHER_SHARE: Final = 0.2
"""What compromised merchants and friendly fraud add, as a share of all fraud."""

_WEIGHTS: Final = list(accumulate(pattern.weight for pattern in PATTERNS))
_MEAN_PAYMENTS: Final = sum(p.weight * p.payments for p in PATTERNS) / _WEIGHTS[-1]


def plan_episodes(seed: int, user: int, days: tuple[int, int], fraud_rate: float) -> tuple[Episode, ...]:
    """All frauds against one person, in order of time."""
    per_day = fraud_rate * (1.0 - OTHER_SHARE) * PAYMENTS_PER_DAY / _MEAN_PAYMENTS
    if per_day <= 0.0:
        return ()
    chance = seeded(seed, "episodes", user)
    found = []
    # Two free days first: a fraud against somebody without a past looks like nothing.
    day = days[0] + 2.0 + wait(chance, 1.0 / per_day)
    while day < days[1]:
        found.append(Episode(int(day), pick_by(chance, PATTERNS, _WEIGHTS).name))
        day += 2.0 + wait(chance, 1.0 / per_day)
    return tuple(found)
