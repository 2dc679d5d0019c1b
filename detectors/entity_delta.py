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
        self.amounts = [0.0, 0.0, 0.0]
        self.times = array("I")
        self.minors = array("Q")

    def add(self, time_s: int, minor: int, user: int, amount: float) -> None:
        """Sum up one payment more; see :class:`detectors.fresh.Lesson`."""
        if time_s:
            self.payments += 1
            if time_s < self.first_s or not self.first_s:
                self.first_s = time_s
            if time_s > self.last_s:
                self.last_s = time_s
            if self.windows:
                self.times.append(time_s)
                self.minors.append(minor if minor < MAX_AMOUNT else MAX_AMOUNT)
                if user != NOBODY:
                    self.users |= 1 << user
        learn(self.amounts, 0, amount, _UNBOUNDED)  # which refuses what is not finite

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
    for merchant, category, time_s, minor, user, amount, _ in lessons:
        delta = deltas.get(merchant)
        if delta is None:
            delta = deltas[merchant] = EntityDelta(windows=True)
        delta.add(time_s, minor, user, amount)
        if category:
            delta = deltas.get(category)
            if delta is None:
                delta = deltas[category] = EntityDelta(windows=False)
            delta.add(time_s, minor, user, amount)
    return deltas


def unpack_deltas(packed: bytes) -> Iterator[tuple[str, EntityDelta]]:
    """The deltas in ``packed``, each with the name of its profile.

    Raises
    ------
    ValueError
        When that is not what :meth:`EntityDelta.pack` wrote.
    """
    at, end = 0, len(packed)
    while at < end:
        try:
            version, windows, length, *counts, n, mean, variance, times = _HEADER.unpack_from(packed, at)
        except struct.error as error:
            raise ValueError(f"entity delta: cut short: {error}") from None
        if version != _VERSION:
            raise ValueError(f"entity delta: version {version} is unknown; allowed: {_VERSION}")
        begin = at + _HEADER.size
        name_end = begin + length
        times_end = name_end + 4 * times
        at = times_end + 8 * times
        if at > end:
            raise ValueError("entity delta: cut short")
        name = packed[begin:name_end].decode()
        # Written so that what is not a number fails, too.
        if not (0.0 <= n < _UNBOUNDED and 0.0 <= variance < _UNBOUNDED and abs(mean) < _UNBOUNDED):
            raise ValueError(f"entity delta: {name[:32]!r} has moments that no amounts have")
        delta = EntityDelta.__new__(EntityDelta)
        delta.windows = windows
        delta.payments, delta.first_s, delta.last_s, delta.users = counts
        delta.amounts = [n, mean, variance]
        delta.times = array("I", packed[name_end:times_end])
        delta.minors = array("Q", packed[times_end:at])
        if not name or times != (delta.payments if windows else 0):
            raise ValueError(f"entity delta: {name[:32]!r} has {times} times of {delta.payments} payments")
        yield name, delta
