"""A user who is guided, and a merchant that they meet."""

from typing import NamedTuple

from alerting.delivery.person import Person
from alerting.proximity.outing import Outing
from detectors.directory import KnownMerchant
from detectors.habits.chances import Phase
from detectors.habits.habits import Habits
from detectors.habits.history import Place
from detectors.habits.intent import Basis, Chance, Encounter
from detectors.habits.measures import Measures


class Moment(NamedTuple):
    """What a user's habits say at one moment."""

    habits: Habits
    measures: Measures
    predicted: list[float]


class Guided(NamedTuple):
    """A user who is guided, at an event time; ``position`` is that of the log record that made it pass."""

    tenant: str
    user_id: str
    outing: Outing
    person: Person
    now_s: int
    position: int


class Meeting(NamedTuple):
    """A merchant that a user meets, and the chance that this is."""

    merchant: KnownMerchant
    place: Place
    distance_m: float
    met: Encounter
    phase: Phase
    chance: Chance
    probability: float

    @property
    def is_similar(self) -> bool:
        """Whether the merchant is only like those of the user."""
        return self.chance.basis is Basis.SIMILAR
