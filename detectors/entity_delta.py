"""What many payments taught about a merchant or a category, summed up so that it merges into a profile.

Each member merges without looking at what is there, so deltas of different shards may come in any order:

- counts add, first and last times are a minimum and a maximum, bitmaps of users are joined by "or";
- moments of amounts are joined by the formula of Chan, Golub and LeVeque (1979); once a profile's memory is
  full older payments fade, as they do when one is learned after the other;
- times and amounts of a merchant's payments go into its velocity counters, which put late ones at their
  place.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Final

from detectors.fresh import NOBODY, Lesson
from detectors.moments import learn
from detectors.velocity import MAX_AMOUNT

_VERSION: Final = 1
_UNBOUNDED: Final = 1e9
_HEADER: Final = struct.Struct("<B?HIIIQfffH")


class EntityDelta:
    """What is to be added to one profile.

    Attributes
    ----------
    windows
        Whether each payment counts in velocity windows: for merchants, not for categories.
    amounts
        Count, mean and variance of the log amounts learned.
    times, minors
        When each payment was and how much, in the order in which they came.
    """

    __slots__ = ("amounts", "first_s", "last_s", "minors", "payments", "times", "users", "windows")

    def __init__(self, windows: bool) -> None:
        self.windows = windows
        self.payments = 0
        self.first_s = 0
        self.last_s = 0
        self.users = 0
        self.amounts = array("f", (0.0, 0.0, 0.0))
        self.times = array("I")
        self.minors = array("Q")

    def add(self, lesson: Lesson) -> None:
        """Sum up one payment more."""
        time_s = lesson.time_s
        if time_s:
            self.payments += 1
            self.first_s = min(time_s, self.first_s or time_s)
            self.last_s = max(time_s, self.last_s)
            if self.windows:
                self.times.append(time_s)
                self.minors.append(min(lesson.minor, MAX_AMOUNT))
                if lesson.user != NOBODY:
                    self.users |= 1 << lesson.user
        if isfinite(lesson.amount):
            learn(self.amounts, 0, lesson.amount, _UNBOUNDED)

    def pack(self, name: str) -> bytes:
        """The delta of the profile ``name`` as bytes."""
        raw = name.encode()
        header = _HEADER.pack(
            _VERSION,
            self.windows,
            len(raw),
            self.payments,
            self.first_s,
            self.last_s,
            self.users,
            *self.amounts,
            len(self.times),
        )
        return header + raw + self.times.tobytes() + self.minors.tobytes()


def sum_up(lessons: Iterable[Lesson]) -> dict[str, EntityDelta]:
    """The deltas of all merchants and categories, in the order in which they first came."""
    deltas: dict[str, EntityDelta] = {}
    for lesson in lessons:
        for name, windows in ((lesson.merchant, True), (lesson.category, False)):
            if name:
                delta = deltas.get(name)
                if delta is None:
                    delta = deltas[name] = EntityDelta(windows)
                delta.add(lesson)
    return deltas


def unpack_deltas(packed: bytes) -> Iterator[tuple[str, EntityDelta]]:
    """The deltas in ``packed``, each with the name of its profile.

    Raises
    ------
    ValueError
        When that is not what :meth:`EntityDelta.pack` wrote.
    """
    at = 0
    while at < len(packed):
        try:
            version, windows, length, *numbers = _HEADER.unpack_from(packed, at)
        except struct.error as error:
            raise ValueError(f"entity delta: cut short: {error}") from None
        if version != _VERSION:
            raise ValueError(f"entity delta: version {version} is unknown; allowed: {_VERSION}")
        delta = EntityDelta(windows)
        delta.payments, delta.first_s, delta.last_s, delta.users, n, mean, variance, times = numbers
        delta.amounts[:] = array("f", (n, mean, variance))
        begin = at + _HEADER.size
        name_end = begin + length
        times_end = name_end + 4 * times
        at = times_end + 8 * times
        if at > len(packed):
            raise ValueError("entity delta: cut short")
        name = packed[begin:name_end].decode()
        delta.times = array("I", packed[name_end:times_end])
        delta.minors = array("Q", packed[times_end:at])
        _check(name, delta)
        yield name, delta


def _check(name: str, delta: EntityDelta) -> None:
    n, mean, variance = delta.amounts
    if not (isfinite(n) and isfinite(mean) and isfinite(variance) and n >= 0.0 and variance >= 0.0):
        raise ValueError(f"entity delta: {name[:32]!r} has moments that no amounts have")
    if not name or len(delta.times) not in (0, delta.payments):
        raise ValueError(f"entity delta: {name[:32]!r} has {len(delta.times)} times of {delta.payments}")
