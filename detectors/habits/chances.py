"""Chances of a user that have not ended yet, with the features that they were judged by."""

import struct
from array import array
from typing import Final, NamedTuple

from detectors.habits.intent import SIZE, Basis, Chance
from detectors.tokens import check_version

MAX_OPEN: Final = 8
_HEADER: Final = struct.Struct("<BB")
_ROW: Final = struct.Struct("<IIBB")
_VERSION: Final = 1


class OpenChance(NamedTuple):
    """A chance to visit the place ``token`` before ``until_s``, in seconds of event time.

    ``alerted`` says that the user was told of it.
    """

    token: int
    until_s: int
    chance: Chance
    alerted: bool


class OpenChances:
    """One user's open chances, the one that ends first in front; one for each place."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[OpenChance] = []

    def __len__(self) -> int:
        return len(self._open)

    def find(self, token: int) -> OpenChance | None:
        """The open chance at a place."""
        return next((each for each in self._open if each.token == token), None)

    def open(self, new: OpenChance) -> OpenChance | None:
        """Add a chance, in the place of one at the same place; what must make room for it, if anything."""
        self._open = [each for each in self._open if each.token != new.token]
        self._open.append(new)
        self._open.sort(key=lambda each: (each.until_s, each.token))
        return self._open.pop(0) if len(self._open) > MAX_OPEN else None

    def take(self, token: int) -> OpenChance | None:
        """The open chance at a place, which it is no more."""
        found = self.find(token)
        if found is not None:
            self._open.remove(found)
        return found

    def ended(self, now_s: int) -> list[OpenChance]:
        """The chances whose time is over; they are not open any more."""
        over = [each for each in self._open if each.until_s <= now_s]
        del self._open[: len(over)]
        return over

    @property
    def due_s(self) -> int | None:
        """When the next chance ends."""
        return self._open[0].until_s if self._open else None

    def pack(self) -> bytes:
        """The chances as bytes; the first one is the schema's version."""
        rows = [
            _ROW.pack(each.token, each.until_s, each.chance.basis, each.alerted)
            + each.chance.features.tobytes()
            for each in self._open
        ]
        return _HEADER.pack(_VERSION, len(rows)) + b"".join(rows)

    @classmethod
    def unpack(cls, packed: bytes) -> "OpenChances":
        """The chances that :meth:`pack` wrote."""
        version, count = _HEADER.unpack_from(packed)
        check_version("open chances", version, _VERSION)
        self, at = cls(), _HEADER.size
        for _ in range(count):
            token, until_s, basis, alerted = _ROW.unpack_from(packed, at)
            end = at + _ROW.size + 4 * SIZE
            features = array("f", packed[at + _ROW.size : end])
            self._open.append(OpenChance(token, until_s, Chance(Basis(basis), features), bool(alerted)))
            at = end
        return self
