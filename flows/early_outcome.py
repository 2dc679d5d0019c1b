"""What outcomes said of a payment that is still to come, as state."""

from dataclasses import dataclass
from typing import Final, Self

_VERSION: Final = b"\x02"


@dataclass(frozen=True, slots=True)
class EarlyOutcome:
    """What the outcomes so far said: it is cleared, its user was authenticated, it is a fraud."""

    clears: bool
    authenticated: bool
    accuses: bool = False

    def pack(self) -> bytes:
        """The entry as bytes."""
        return _VERSION + bytes((self.clears, self.authenticated, self.accuses))

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The entry that :meth:`pack` wrote; version 1 knew no accusations."""
        return cls(*map(bool, raw[1:]))


class Accusation:
    """Somebody reported the payment as a fraud, and nobody took that back."""

    def pack(self) -> bytes:
        """The entry as bytes."""
        return b"\x01"

    @classmethod
    def unpack(cls, _raw: bytes) -> Self:
        """The entry that :meth:`pack` wrote."""
        return cls()
