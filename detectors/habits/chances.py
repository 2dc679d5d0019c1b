"""Chances of a user that have not ended yet, with the features that they were judged by."""

import struct
from array import array
from enum import IntEnum
from typing import Final, NamedTuple

from detectors.habits.intent import SIZE, Basis, Chance
from detectors.tokens import check_version

MAX_OPEN: Final = 12
_HEADER: Final = struct.Struct("<BB")
_ROW: Final = struct.Struct("<IIBBB")
_ALERTED: Final = 1
_FIRST: Final = 2
_VERSION: Final = 1
_ALWAYS_S: Final = 2**32 - 1


class Phase(IntEnum):
    """When on a user's way a chance was judged; each phase of one way is a chance of its own."""

    APPROACHING = 0
    ALMOST_THERE = 1
    INSIDE = 2
    NEAR_BY = 3
    SCOUTED = 4


class OpenChance(NamedTuple):
    """A chance to visit the place ``token`` before ``until_s``, in seconds of event time.

    ``alerted`` says that the user was told of it, ``is_first`` that it is the first of its way.
    """

    token: int
    phase: Phase
    until_s: int
    chance: Chance
    alerted: bool = False
    is_first: bool = True


class OpenChances:
    """One user's open chances, the one that ends first in front; one for each place and phase."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[OpenChance] = []

    def __len__(self) -> int:
        return len(self._open)

    def at(self, token: int) -> list[OpenChance]:
        """The open chances at a place."""
        return [each for each in self._open if each.token == token]

    def begin(self, new: OpenChance) -> OpenChance | None:
        """Add a chance, in the stead of one of the same place and phase; what makes room for it, if any."""
        self._open = [each for each in self._open if each[:2] != new[:2]]
        self._open.append(new)
        self._open.sort(key=lambda each: (each.until_s, each.token, each.phase))
        return self._open.pop(0) if len(self._open) > MAX_OPEN else None

    def told(self, token: int) -> None:
        """The user was told of the chances at a place."""
        self._open = [each._replace(alerted=True) if each.token == token else each for each in self._open]

    def take(self, token: int, first_s: int = 0, last_s: int = _ALWAYS_S) -> list[OpenChance]:
        """The open chances at a place that end between two times; they are open no more."""
        found = [each for each in self.at(token) if first_s <= each.until_s <= last_s]
        self._open = [each for each in self._open if each not in found]
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
            _ROW.pack(
                each.token,
                each.until_s,
                each.phase,
                each.chance.basis,
                _ALERTED * each.alerted | _FIRST * each.is_first,
            )
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
            token, until_s, phase, basis, flags = _ROW.unpack_from(packed, at)
            end = at + _ROW.size + 4 * SIZE
            features = array("f", packed[at + _ROW.size : end])
            chance = Chance(Basis(basis), features)
            is_told, is_first = bool(flags & _ALERTED), bool(flags & _FIRST)
            self._open.append(OpenChance(token, Phase(phase), until_s, chance, is_told, is_first))
            at = end
        return self
