"""All that is known of one user's habits: visits, and what became of chances to make one."""

import struct
from typing import Final

from detectors.habits.conversions import Conversion, Conversions
from detectors.habits.history import History, Place

ANYWHERE: Final = 0xFF
"""Stands for all places together among the conversions."""
_LENGTH: Final = struct.Struct("<H")


class Habits:
    """One user's habits, in about a kilobyte.

    Attributes
    ----------
    history
        The last visits and their places.
    """

    __slots__ = ("_conversions", "history")

    def __init__(self) -> None:
        self.history = History()
        self._conversions = Conversions()

    def visit(self, place: Place, minute: int, offset_quarters: int) -> None:
        """Remember a visit; see :meth:`History.visit`."""
        is_new = self.history.find(place.token) is None
        number = self.history.visit(place, minute, offset_quarters)
        if is_new:
            self._conversions.forget(number)

    def conversion(self, token: int) -> Conversion:
        """What became of the chances to visit a place."""
        number = self.history.find(token)
        return Conversion() if number is None else self._conversions.of(number)

    @property
    def conversion_anywhere(self) -> Conversion:
        """What became of all chances."""
        return self._conversions.of(ANYWHERE)

    def chance_ended(self, token: int, came: bool, alerted: bool) -> None:
        """Learn whether the user came to a place; where it is none of theirs, only all chances learn it."""
        self._conversions.learn(ANYWHERE, came, alerted)
        number = self.history.find(token)
        if number is not None:
            self._conversions.learn(number, came, alerted)

    def pack(self) -> bytes:
        """The habits as bytes; the schema's version is in the first one."""
        history = self.history.pack()
        return history[:1] + _LENGTH.pack(len(history)) + history[1:] + self._conversions.pack()

    @classmethod
    def unpack(cls, packed: bytes) -> "Habits":
        """The habits that :meth:`pack` wrote."""
        (length,) = _LENGTH.unpack_from(packed, 1)
        start, end = 1 + _LENGTH.size, _LENGTH.size + length
        self = cls()
        self.history = History.unpack(packed[:1] + packed[start:end])
        self._conversions = Conversions.unpack(packed[end:])
        return self
