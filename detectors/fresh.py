"""What a shard learned that the others have not been told yet.

Models learn as ever; beside that, what is shared across users is noted here once more. Payments are kept as
they came and summed up when they are told (:mod:`detectors.entity_delta`), so that noting one costs next to
nothing and little is written after each payment. The population's statistics are kept as a second, empty
population.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from math import nan
from typing import Final, NamedTuple

from detectors.population import Population

_SCALE: Final = 65_535.0
_LESSON = struct.Struct("<HHIQBdB")
NOBODY: Final = 255


class Lesson(NamedTuple):
    """What one payment taught about its merchant and category.

    ``time_s`` is 0 when the payment was not counted, ``amount`` the log amount or NaN when it was not
    learned, ``user`` the user's place among 64, and ``vector`` what the joint model learned, or empty.
    """

    merchant: str
    category: str
    time_s: int
    minor: int
    user: int
    amount: float
    vector: bytes


class Fresh:
    """Collects what is learned until it is told.

    Attributes
    ----------
    population
        What was learned about users in general, without any prior.
    lessons
        What was learned about merchants and categories.
    """

    __slots__ = ("_amount", "_minor", "_time_s", "_user", "_vector", "lessons", "population")

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was noted: it is told."""
        self.population = Population.without_prior()
        self.lessons: list[Lesson] = []
        self.begin()

    def begin(self) -> None:
        """A payment is in hand now, and nothing is noted of it yet."""
        self._time_s, self._minor, self._user = 0, 0, NOBODY
        self._amount, self._vector = nan, b""

    def counted(self, time_s: int, minor: int, name: int) -> None:
        """The payment in hand counts: at that time, with that amount, of the user of this token."""
        self._time_s, self._minor, self._user = time_s, minor, name & 63

    def learned_amount(self, log_amount: float) -> None:
        """Merchant and category learned the amount of the payment in hand."""
        self._amount = log_amount

    def learned_vector(self, x: tuple[float, ...]) -> None:
        """The joint model learned a vector of numbers from 0 to 1."""
        self._vector = array("H", [int(number * _SCALE + 0.5) for number in x]).tobytes()

    def close(self, merchant: str, category: str) -> None:
        """The payment in hand, of this merchant and category, is done with."""
        if self._time_s or self._amount == self._amount:
            self.lessons.append(
                Lesson(merchant, category, self._time_s, self._minor, self._user, self._amount, self._vector)
            )
        self.begin()


def vectors_of(packed: bytes, size: int) -> Iterator[tuple[float, ...]]:
    """The vectors that :attr:`Lesson.vector` holds, one after the other."""
    numbers = array("H", packed)
    for at in range(0, len(numbers), size):
        yield tuple([number / _SCALE for number in numbers[at : at + size]])


def pack_lessons(lessons: Iterable[Lesson]) -> bytes:
    """Lessons as bytes."""
    packed: list[bytes] = []
    for merchant, category, time_s, minor, user, amount, vector in lessons:
        one, other = merchant.encode(), category.encode()
        packed += (
            _LESSON.pack(len(one), len(other), time_s, minor, user, amount, len(vector)),
            one,
            other,
            vector,
        )
    return b"".join(packed)


def unpack_lessons(packed: bytes, at: int = 0) -> list[Lesson]:
    """The lessons that :func:`pack_lessons` wrote, from place ``at`` on."""
    lessons = []
    while at < len(packed):
        one, other, time_s, minor, user, amount, vector = _LESSON.unpack_from(packed, at)
        at += _LESSON.size
        a, b = at + one, at + one + other
        merchant, category = packed[at:a].decode(), packed[a:b].decode()
        lessons.append(Lesson(merchant, category, time_s, minor, user, amount, packed[b : b + vector]))
        at = b + vector
    return lessons
