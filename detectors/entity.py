"""What is known of a merchant or its terminal, of a card, a device or a category."""

import struct
from array import array
from math import log
from typing import Final

from detectors.ahead import Facts, pack_facts, unpack_facts
from detectors.entity_delta import EntityDelta
from detectors.moments import learn, merge_moments
from detectors.tokens import check_version
from detectors.velocity import Velocity

_ENTITY = struct.Struct("<BIIIQB")
_VERSION: Final = 2
_WITHOUT_AHEAD: Final = 1
_MAX_U32: Final = 2**32 - 1


class EntityProfile:
    """A merchant or its terminal, a card, a device or a category: velocity, amounts, hours, users.

    Attributes
    ----------
    ahead
        Payments whose time is not believed yet.
    norms
        Count, mean and variance of the log amount; then the rhythm where one is learned.
    users
        A bitmap of 64 places that the users fall on: see :meth:`distinct_users`.
    """

    __slots__ = ("ahead", "first_s", "last_s", "norms", "payments", "users", "velocity")

    def __init__(self) -> None:
        self.velocity = Velocity()
        self.norms = array("f", (0.0, 0.0, 0.0))
        self.first_s = 0
        self.last_s = 0
        self.payments = 0
        self.users = 0
        self.ahead: Facts = ()

    @classmethod
    def new(cls) -> "EntityProfile":
        """The profile of something that was never seen."""
        return cls()

    def distinct_users(self) -> int:
        """How many different users there were, by linear counting: about right up to 20, at least 64 beyond.

        >>> from detectors.tokens import token
        >>> entity = EntityProfile()
        >>> for user in ("u-1", "u-2", "u-1"):
        ...     entity.saw_user(token(0, user))
        >>> entity.distinct_users()
        2
        """
        return _DISTINCT[self.users.bit_count()]

    def saw_user(self, name: int) -> None:
        """Count the user of this token."""
        self.users |= 1 << (name & 63)

    def learn_amount(self, log_amount: float, memory: float) -> None:
        """Learn the amount of a payment that was let through."""
        learn(self.norms, 0, log_amount, memory)

    def merge(self, delta: EntityDelta, memory: float) -> None:
        """Take over what another shard saw and learned."""
        if delta.payments:
            self.payments += delta.payments
            self.first_s = min(delta.first_s, self.first_s or delta.first_s)
            self.last_s = max(delta.last_s, self.last_s)
        self.users |= delta.users
        add = self.velocity.add
        for time_s, minor in zip(delta.times, delta.minors, strict=True):
            add(time_s, minor)
        n, mean, variance = delta.amounts
        merge_moments(self.norms, 0, n, mean, variance, memory)

    def pack(self) -> bytes:
        """The profile as bytes; the first one is the schema's version."""
        return (
            _ENTITY.pack(
                _VERSION if self.ahead else _WITHOUT_AHEAD,
                self.first_s,
                self.last_s,
                min(self.payments, _MAX_U32),
                self.users,
                len(self.norms),
            )
            + self.norms.tobytes()
            + self.velocity.pack()
            + pack_facts(self.ahead)
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "EntityProfile":
        """The profile that :meth:`pack` wrote."""
        self = cls.__new__(cls)
        header = _ENTITY.unpack_from(packed)
        version, self.first_s, self.last_s, self.payments, self.users, norms = header
        check_version("entity profile", version, _WITHOUT_AHEAD, _VERSION)
        end = _ENTITY.size + 4 * norms
        self.norms = array("f", packed[_ENTITY.size : end])
        self.velocity, end = Velocity.unpack(packed, end)
        self.ahead = unpack_facts(packed[end:])
        return self


def _distinct_table() -> tuple[int, ...]:
    # Linear counting (Whang et al. 1990): n = -m ln(share of places still empty).
    return (*(round(-64 * log(1.0 - used / 64)) for used in range(64)), 267)


_DISTINCT: Final = _distinct_table()
