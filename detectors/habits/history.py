"""Where a user was and when: a bounded history of visits, packed."""

import struct
from array import array
from bisect import bisect_right
from typing import Final, NamedTuple

from detectors.habits.kernels import WEEK_MIN
from detectors.tokens import check_version

MAX_VISITS: Final = 112
MAX_PLACES: Final = 64
"""At most 127, so that a place and a flag fit into a byte."""
_NEW: Final = 0x80
_PLACE: Final = 0x7F
_MONDAY_MIN: Final = 3 * 1_440
"""The first minute of 1970 was on a Thursday."""
_MAX_COUNT: Final = 65_535
_HEADER: Final = struct.Struct("<BHB")
_VERSION: Final = 1


class Place(NamedTuple):
    """What is known of a place: a 32-bit name, category code and a name of its chain; 0 where unknown."""

    token: int
    mcc: int = 0
    chain: int = 0


def week_minute(minute: int, offset_quarters: int) -> int:
    """The minute of the local week, from Monday 00:00 on.

    ``minute`` counts from 1970 in UTC; local clocks are ``offset_quarters`` times 15 minutes ahead.

    >>> week_minute(0, 4)  # Thursday, one o'clock
    4380
    """
    return (minute + 15 * offset_quarters + _MONDAY_MIN) % WEEK_MIN


class History:
    """One user's last visits and the places of these.

    A visit is a minute (UTC, from 1970), how far ahead local clocks were then (so that clocks put forward or
    back don't move a habit), a place, and whether that place was new. Places have numbers from 0 on; when
    there are too many, one gives up its number and its visits are forgotten.

    Attributes
    ----------
    minutes, offsets
        Of the visits, oldest first; ``offsets`` in quarters of an hour.
    """

    __slots__ = ("_chains", "_counts", "_mccs", "_spots", "_tokens", "minutes", "offsets")

    def __init__(self) -> None:
        self.minutes = array("I")
        self.offsets = array("b")
        self._spots = array("B")
        self._tokens = array("I")
        self._mccs = array("H")
        self._chains = array("I")
        self._counts = array("H")

    def __len__(self) -> int:
        return len(self.minutes)

    @property
    def places(self) -> int:
        """How many places have numbers."""
        return len(self._tokens)

    def place_of(self, visit: int) -> int:
        """The number of the place of a visit."""
        return self._spots[visit] & _PLACE

    def spots(self) -> list[tuple[int, bool]]:
        """The place of each visit, and whether it was new then."""
        return [(spot & _PLACE, spot >= _NEW) for spot in self._spots]

    def last_minute(self, place: int) -> int | None:
        """When the user was at a place last, as far as that is remembered."""
        for visit in range(len(self) - 1, -1, -1):
            if self.place_of(visit) == place:
                return self.minutes[visit]
        return None

    def count(self, place: int) -> int:
        """How often the user was at a place, also before what is remembered visit by visit."""
        return self._counts[place]

    @property
    def tokens(self) -> "array[int]":
        """The names of all places, by number."""
        return self._tokens

    def find(self, token: int) -> int | None:
        """The number of a place."""
        try:
            return self._tokens.index(token)
        except ValueError:
            return None

    @property
    def has_kinds(self) -> bool:
        """Whether the category or the chain of any place is known."""
        return any(self._mccs) or any(self._chains)

    def has_like(self, place: Place) -> bool:
        """Whether a place of the same category or chain is among them."""
        return (place.mcc != 0 and place.mcc in self._mccs) or (
            place.chain != 0 and place.chain in self._chains
        )

    def of_category(self, mcc: int) -> list[int]:
        """The places of a category."""
        return [place for place, known in enumerate(self._mccs) if known == mcc and mcc]

    def of_chain(self, chain: int) -> list[int]:
        """The places of a chain."""
        return [place for place, known in enumerate(self._chains) if known == chain and chain]

    def visit(self, place: Place, minute: int, offset_quarters: int) -> int:
        """Remember a visit, also one that comes late; the number of its place.

        A late visit that is older than all that is remembered, where no more are kept, only counts.
        """
        number = self.find(place.token)
        is_new = number is None
        if number is None:
            number = self._number(place)
        elif place.mcc or place.chain:
            self._mccs[number], self._chains[number] = place.mcc, place.chain
        self._counts[number] = min(self._counts[number] + 1, _MAX_COUNT)
        at = bisect_right(self.minutes, minute)
        self.minutes.insert(at, minute)
        self.offsets.insert(at, offset_quarters)
        self._spots.insert(at, number | (_NEW if is_new else 0))
        if len(self.minutes) > MAX_VISITS:
            self._forget([0])
        return number

    def _number(self, place: Place) -> int:
        if len(self._tokens) < MAX_PLACES:
            self._tokens.append(place.token)
            self._mccs.append(place.mcc)
            self._chains.append(place.chain)
            self._counts.append(0)
            return len(self._tokens) - 1
        number = self._least()
        self._forget([visit for visit in range(len(self)) if self.place_of(visit) == number])
        self._tokens[number], self._mccs[number], self._chains[number] = place
        self._counts[number] = 0
        return number

    def _least(self) -> int:
        """The place that is missed least: with no visit remembered and few ever, or unseen for longest."""
        last = [-1] * len(self._tokens)
        for visit, minute in enumerate(self.minutes):
            last[self.place_of(visit)] = minute
        return min(range(len(last)), key=lambda place: (last[place], self._counts[place]))

    def _forget(self, visits: list[int]) -> None:
        for visit in reversed(visits):
            del self.minutes[visit], self.offsets[visit], self._spots[visit]

    def pack(self) -> bytes:
        """The history as bytes; the first one is the schema's version."""
        visits = (self.minutes, self.offsets, self._spots)
        places = (self._tokens, self._mccs, self._chains, self._counts)
        return b"".join(
            (
                _HEADER.pack(_VERSION, len(self), self.places),
                *(column.tobytes() for column in (*visits, *places)),
            )
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "History":
        """The history that :meth:`pack` wrote."""
        version, visits, places = _HEADER.unpack_from(packed)
        check_version("visits", version, _VERSION)
        self = cls()
        at = _HEADER.size
        columns = (
            (self.minutes, self.offsets, self._spots),
            (
                self._tokens,
                self._mccs,
                self._chains,
                self._counts,
            ),
        )
        for count, some in zip((visits, places), columns, strict=True):
            for column in some:
                end = at + count * column.itemsize
                column.frombytes(packed[at:end])
                at = end
        return self
