"""Will this user, who is near a place now, come to it soon? An online logistic regression over habits.

Weights are shared by all users of a shard; one set for places that the user knows, and one for places that
are only like those (same category or chain). A chance is judged when it comes, on features that are stored
with it, and learned when it has ended, so no judgement knows of what came after. Steps as AdaGrad takes them
(Duchi, Hazan and Singer 2011).
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import exp, fsum, log, log1p, sqrt
from operator import mul
from typing import Final, NamedTuple

from detectors.habits.conversions import Conversion
from detectors.habits.habits import Habits
from detectors.habits.history import Place
from detectors.habits.measures import Measures
from detectors.tokens import check_version

NAMES: Final = (
    "bias",
    "next_place_logit",
    "conversion_logit",
    "log_this_time",
    "log_hours_since",
    "log_ignored",
    "log_eta_min",
    "approach_confidence",
    "log_speed",
    "is_inside",
    "is_waiting",
    "is_same_chain",
)
"""What a chance is judged by."""
SIZE: Final = len(NAMES)

_PRIOR_OWN: Final = (-0.5, 0.8, 0.4, 0.4, 0.0, -0.3, -0.2, 0.2, 0.0, 0.3, -0.5, 0.0)
_PRIOR_SIMILAR: Final = (-2.0, 0.8, 0.4, 0.4, 0.0, -0.3, -0.2, 0.2, 0.0, 0.3, -0.5, 0.5)
_LOWEST: Final = 1e-4
_RARE: Final = 0.05
_UNSEEN: Final = 4.0
_WORTH: Final = 3.0
"""What is known of all places counts like so many chances of one."""
_FADING: Final = 0.998
_NEVER_SURE: Final = 15.0
_HEADER: Final = struct.Struct("<B2d")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class IntentParams:
    """How the model of intents learns; ``rate`` is AdaGrad's."""

    rate: float = 0.05


class Basis(IntEnum):
    """Why a place is thought of."""

    HABIT = 0
    """The user was there before."""
    SIMILAR = 1
    """The user was at places of its category or chain."""


class Encounter(NamedTuple):
    """How the user meets a place.

    Attributes
    ----------
    eta_min
        Minutes until they could be there; 0 inside.
    speed_mps
        How fast they move.
    confidence
        How surely their motion leads there, 0 to 1; 0 where that is unknown.
    is_inside
        Whether they are in its fence.
    is_waiting
        Whether they have been near for a while, so that only the time of day is new.
    """

    eta_min: float
    speed_mps: float = 0.0
    confidence: float = 0.0
    is_inside: bool = False
    is_waiting: bool = False


class Chance(NamedTuple):
    """A place that the user may come to; ``features`` as in :data:`NAMES`, in 32-bit precision."""

    basis: Basis
    features: "array[float]"


class IntentModel:
    """Gives a chance its probability to be taken within the time that chances are given."""

    __slots__ = ("_came", "_passed", "_rate", "_squares", "_weights")

    def __init__(self, params: IntentParams | None = None) -> None:
        self._rate = (params or IntentParams()).rate
        self._weights = array("d", _PRIOR_OWN + _PRIOR_SIMILAR)
        self._squares = array("d", [1.0] * (2 * SIZE))
        self._came, self._passed = 1.0, 8.0  # few who pass come in

    def chance(
        self, habits: Habits, place: Place, measures: Measures, predicted: Sequence[float], met: Encounter
    ) -> Chance | None:
        """The chance that a user's meeting with a place is; None where nothing of theirs is like it.

        ``measures`` and ``predicted`` are those of the moment, see :func:`~detectors.habits.measures.measure`
        and :class:`~detectors.habits.next_place.NextPlaceModel`.
        """
        history = habits.history
        number = history.find(place.token)
        same_chain = history.of_chain(place.chain)
        if number is not None:
            basis, alike = Basis.HABIT, [number]
        else:
            basis, alike = Basis.SIMILAR, sorted({*history.of_category(place.mcc), *same_chain})
        if not alike:
            return None
        anywhere = habits.conversion_anywhere
        own = habits.conversion(place.token)
        since = min(measures.places[each][-1] for each in alike)
        features = (
            1.0,
            0.5 * _logit(fsum(predicted[each] for each in alike)),
            _logit(self._conversion(own, anywhere)),
            0.5 * log(fsum(measures.this_time[each] for each in alike) + _RARE),
            min(since, _UNSEEN),
            log1p(own.ignored if number is not None else anywhere.ignored),
            log1p(met.eta_min),
            met.confidence,
            log(met.speed_mps + 0.3),
            float(met.is_inside),
            float(met.is_waiting),
            float(bool(same_chain)),
        )
        return Chance(basis, array("f", features))

    def probability(self, chance: Chance) -> float:
        """How probably the user comes."""
        start = SIZE * chance.basis
        worth = fsum(map(mul, self._weights[start : start + SIZE], chance.features))
        return 1.0 / (1.0 + exp(-max(-_NEVER_SURE, min(worth, _NEVER_SURE))))

    def learn(self, chance: Chance, came: bool) -> None:
        """Learn how a chance ended."""
        self._came = self._came * _FADING + came
        self._passed = self._passed * _FADING + (not came)
        off = came - self.probability(chance)
        for at, value in enumerate(chance.features, SIZE * chance.basis):
            slope = off * value
            self._squares[at] += slope * slope
            self._weights[at] += self._rate * slope / sqrt(self._squares[at])

    def _conversion(self, own: Conversion, anywhere: Conversion) -> float:
        """The share of chances that are taken here, leaning on the user's elsewhere and on all users'."""
        general = self._came / (self._came + self._passed)
        theirs = (anywhere.came + _WORTH * general) / (anywhere.came + anywhere.passed + _WORTH)
        return (own.came + _WORTH * theirs) / (own.came + own.passed + _WORTH)

    def pack(self) -> bytes:
        """The model as bytes; the first one is the schema's version."""
        header = _HEADER.pack(_VERSION, self._came, self._passed)
        return header + self._weights.tobytes() + self._squares.tobytes()

    @classmethod
    def unpack(cls, packed: bytes, params: IntentParams | None = None) -> "IntentModel":
        """The model that :meth:`pack` wrote."""
        version, came, passed = _HEADER.unpack_from(packed)
        check_version("intent model", version, _VERSION)
        self = cls(params)
        self._came, self._passed = came, passed
        middle = _HEADER.size + 16 * SIZE
        self._weights = array("d", packed[_HEADER.size : middle])
        self._squares = array("d", packed[middle:])
        return self


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LOWEST), 1.0 - _LOWEST)
    return log(bounded / (1.0 - bounded))
