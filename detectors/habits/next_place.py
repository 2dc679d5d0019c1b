"""Where will this user be next? A conditional logit over the user's own places and "somewhere new".

The weights are shared by all users of a shard and learned online, one visit at a time, by AdaGrad (Duchi,
Hazan and Singer 2011); what is personal are the measures (:mod:`detectors.habits.measures`). Conditional
logit: McFadden 1974.
"""

from array import array
from itertools import chain
from math import exp, fsum, sqrt
from operator import mul
from typing import Final, NamedTuple

from detectors.habits.measures import NAMES, NEW_NAMES, Measures
from detectors.tokens import check_version

RATE: Final = 0.18
"""AdaGrad's; of those tried, the one with the highest likelihood on the training parts of recorded visits."""
_SIZE: Final = len(NAMES)
_ALL: Final = _SIZE + len(NEW_NAMES)
_NEGLIGIBLE: Final = 1e-4
_VERSION: Final = 1


class Foreseen(NamedTuple):
    """How a visit had been foreseen.

    Attributes
    ----------
    rank
        1 when its place was the likeliest of the user's own; 0 when it was not among them.
    probability
        Given to its place, or to "somewhere new".
    top_probability
        Given to the likeliest of the user's own places.
    """

    rank: int
    probability: float
    top_probability: float


class NextPlaceModel:
    """Gives each place of a user the probability to be next, and learns from where they went."""

    __slots__ = ("_squares", "_weights")

    def __init__(self) -> None:
        self._weights = array("d", bytes(8 * _ALL))
        self._weights[0] = 1.0  # where nothing is learned yet: in proportion to the visits
        self._squares = array("d", [1.0] * _ALL)

    def predict(self, measures: Measures) -> list[float]:
        """The probability of each place to be next; the last one is that of somewhere new. They sum to 1."""
        weights, of_new = self._weights[:_SIZE], self._weights[_SIZE:]
        worth = [fsum(map(mul, weights, row)) for row in measures.places]
        worth.append(fsum(map(mul, of_new, measures.new)))
        highest = max(worth)
        shares = [exp(each - highest) for each in worth]
        whole = fsum(shares)
        return [share / whole for share in shares]

    def learn(self, measures: Measures, predicted: list[float], place: int | None) -> None:
        """Learn where the user went, None for somewhere new; ``predicted`` is what was said of it before."""
        slopes = [0.0] * _SIZE
        for row, probability in zip(measures.places, predicted, strict=False):
            if probability > _NEGLIGIBLE:
                for at, value in enumerate(row):
                    slopes[at] -= probability * value
        if place is not None:
            for at, value in enumerate(measures.places[place]):
                slopes[at] += value
        off = (place is None) - predicted[-1]
        weights, squares = self._weights, self._squares
        for at, slope in enumerate(chain(slopes, [off * value for value in measures.new])):
            squares[at] += slope * slope
            weights[at] += RATE * slope / sqrt(squares[at])

    def pack(self) -> bytes:
        """The model as bytes; the first one is the schema's version."""
        return bytes((_VERSION,)) + self._weights.tobytes() + self._squares.tobytes()

    @classmethod
    def unpack(cls, packed: bytes) -> "NextPlaceModel":
        """The model that :meth:`pack` wrote."""
        check_version("next-place model", packed[0], _VERSION)
        self = cls()
        self._weights = array("d", packed[1 : 1 + 8 * _ALL])
        self._squares = array("d", packed[1 + 8 * _ALL :])
        return self


def foreseen(predicted: list[float], place: int | None) -> Foreseen:
    """How well a prediction foresaw the place that was visited; of equals, the older place goes first.

    >>> foreseen([0.5, 0.3, 0.2], 1)
    Foreseen(rank=2, probability=0.3, top_probability=0.5)
    """
    own = predicted[:-1]
    top = max(own, default=0.0)
    if place is None:
        return Foreseen(0, predicted[-1], top)
    given = own[place]
    rank = 1 + len([each for each in own if each > given]) + own[:place].count(given)
    return Foreseen(rank, given, top)
