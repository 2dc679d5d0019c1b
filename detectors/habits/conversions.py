"""What became of earlier chances: how often a user who could have come to a place did come, fading."""

import struct
from array import array
from typing import Final, NamedTuple

_FADING: Final = 0.95
"""What an earlier chance still counts when the next one has ended."""
_IGNORED_FADING: Final = 0.9
_HEADER: Final = struct.Struct("<B")
_WIDTH: Final = 3


class Conversion(NamedTuple):
    """Chances that were taken and not taken, and alerts that were ignored, each fading."""

    came: float = 0.0
    passed: float = 0.0
    ignored: float = 0.0


class Conversions:
    """Conversions by the number of a place; what never had a chance takes no room."""

    __slots__ = ("_numbers", "_places")

    def __init__(self) -> None:
        self._places = array("B")
        self._numbers = array("f")

    def of(self, place: int) -> Conversion:
        """What is known of a place."""
        at = self._at(place)
        return Conversion() if at < 0 else Conversion(*self._numbers[at : at + _WIDTH])

    def learn(self, place: int, came: bool, alerted: bool) -> None:
        """A chance has ended; ``alerted`` says that the user had been told."""
        at = self._at(place)
        if at < 0:
            at = len(self._numbers)
            self._places.append(place)
            self._numbers.extend((0.0, 0.0, 0.0))
        numbers = self._numbers
        numbers[at] = numbers[at] * _FADING + came
        numbers[at + 1] = numbers[at + 1] * _FADING + (not came)
        if alerted:
            numbers[at + 2] = 0.0 if came else numbers[at + 2] * _IGNORED_FADING + 1.0

    def forget(self, place: int) -> None:
        """The number now means another place."""
        at = self._at(place)
        if at >= 0:
            del self._places[at // _WIDTH], self._numbers[at : at + _WIDTH]

    def _at(self, place: int) -> int:
        try:
            return self._places.index(place) * _WIDTH
        except ValueError:
            return -1

    def pack(self) -> bytes:
        """The conversions as bytes."""
        return _HEADER.pack(len(self._places)) + self._places.tobytes() + self._numbers.tobytes()

    @classmethod
    def unpack(cls, packed: bytes) -> "Conversions":
        """The conversions that :meth:`pack` wrote."""
        self = cls()
        (count,) = _HEADER.unpack_from(packed)
        at = _HEADER.size + count
        self._places.frombytes(packed[_HEADER.size : at])
        self._numbers.frombytes(packed[at : at + 4 * _WIDTH * count])
        return self
