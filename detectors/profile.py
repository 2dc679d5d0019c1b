"""What is known of a user: compact, packed, versioned.

Facts (velocity, counters) count every payment; norms are learned only from payments that were let
through. All floats rest in one array of 32-bit numbers, so that a profile in memory and one that was
packed and read again are equal to the last bit.
"""

import struct
from array import array
from typing import Final

from detectors.ahead import Facts, pack_facts, unpack_facts
from detectors.entity import EntityProfile
from detectors.moments import learn
from detectors.rhythm_state import RHYTHM_SIZE, new_rhythm
from detectors.tokens import check_version
from detectors.velocity import Velocity
from geo import Position

__all__ = ["EntityProfile", "UserProfile"]

KINDS: Final = ("merchant", "mcc", "country", "device", "entry_mode", "channel")
"""What novelty looks at, in the order of the ``is_new_*`` features."""
MAX_SEEN: Final = 96
MAX_CATEGORIES: Final = 12
_RECENT: Final = 12

# Places in UserProfile.norms.
AMOUNT: Final = 0
GAP: Final = 3
DISTANCE: Final = 6
POSITION: Final = 9  # latitude, longitude, accuracy in metres
HOME: Final = 12  # latitude, longitude, count, mean distance in km
NEW: Final = 16  # per kind: count, share that was new
RHYTHM: Final = NEW + 2 * len(KINDS)
CATEGORIES: Final = RHYTHM + RHYTHM_SIZE  # rows of key, count, mean, variance
_ROW: Final = 4

_USER = struct.Struct("<BIIIIIHIBBB")
_VERSION: Final = 2
_WITHOUT_AHEAD: Final = 1
_MAX_U32: Final = 2**32 - 1


class UserProfile:
    """One user: velocity counters, amount level, rhythm, what was seen, last position, home area.

    Attributes
    ----------
    ahead
        Payments and positions whose time is not believed yet.
    first_s, last_s
        First and last payment attempt, in seconds of event time; 0 when there was none.
    payments
        Payment attempts so far.
    position_s
        When the last trusted position was taken; 0 when there is none.
    since_sca_count, since_sca_eur_minor
        Payments, and their sum in euro cents, since the last strong authentication.
    early_outcomes
        Outcomes that came before their payment and wait for it.
    time_zone
        The user's IANA time zone; empty means the default one.
    """

    __slots__ = (
        "ahead",
        "early_outcomes",
        "first_s",
        "last_s",
        "norms",
        "payments",
        "position_s",
        "seen",
        "since_sca_count",
        "since_sca_eur_minor",
        "time_zone",
        "velocity",
    )

    def __init__(self) -> None:
        self.velocity = Velocity()
        self.norms = array("f", bytes(4 * CATEGORIES))
        new_rhythm(self.norms, RHYTHM)
        self.seen = array("I")  # most recent first
        self.first_s = 0
        self.last_s = 0
        self.payments = 0
        self.position_s = 0
        self.since_sca_count = 0
        self.since_sca_eur_minor = 0
        self.early_outcomes = 0
        self.time_zone = ""
        self.ahead: Facts = ()

    @classmethod
    def new(cls) -> "UserProfile":
        """The profile of a user who was never seen."""
        return cls()

    def category(self, key: int) -> int:
        """Where the category's count, mean and variance are in ``norms``; 0 when it is unknown."""
        norms = self.norms
        try:
            return CATEGORIES + _ROW * norms[CATEGORIES::_ROW].index(key) + 1
        except ValueError:
            return 0

    def learn_category(self, key: int, x: float, memory: float, at: int | None = None) -> None:
        """Learn an amount of the category; the least used category makes room for a new one.

        ``at`` is what :meth:`category` says, where that was asked already.
        """
        if at is None:
            at = self.category(key)
        norms = self.norms
        if not at:
            counts = norms[CATEGORIES + 1 :: _ROW]
            if len(counts) < MAX_CATEGORIES:
                at = len(norms) + 1
                norms.extend((float(key), 0.0, 0.0, 0.0))
            else:
                row = CATEGORIES + _ROW * counts.index(min(counts))
                norms[row : row + _ROW] = array("f", (float(key), 0.0, 0.0, 0.0))
                at = row + 1
        learn(norms, at, x, memory)

    def saw(self, name: int) -> bool:
        """Remember a token as seen just now; whether it was new."""
        return self.saw_all((name,))[0]

    def saw_all(self, names: tuple[int, ...]) -> list[bool]:
        """Remember tokens as seen just now, one after the other; which were new. A 0 is no token."""
        seen, found = self.seen, []
        for name in names:
            is_new = False
            if name:
                try:
                    place = seen.index(name)
                except ValueError:
                    is_new = True
                    seen.insert(0, name)
                    if len(seen) > MAX_SEEN:
                        seen.pop()
                else:
                    if place > _RECENT:  # among the first few the order does not matter
                        seen.insert(0, seen.pop(place))
            found.append(is_new)
        return found

    @property
    def position(self) -> Position | None:
        """The last trusted position."""
        if not self.position_s:
            return None
        norms = self.norms
        return Position(norms[POSITION], norms[POSITION + 1], norms[POSITION + 2])

    def move(self, position: Position, time_s: int, accuracy_m: float) -> None:
        """Take ``position`` as the last one, unless a newer one is known."""
        if time_s < self.position_s:
            return
        self.position_s = time_s
        norms = self.norms
        norms[POSITION] = position.lat
        norms[POSITION + 1] = position.lon
        norms[POSITION + 2] = accuracy_m

    @property
    def home(self) -> Position | None:
        """The middle of the area where the user mostly is."""
        norms = self.norms
        return Position(norms[HOME], norms[HOME + 1]) if norms[HOME + 2] > 0.0 else None

    def learn_home(self, position: Position, away_km: float, memory: float) -> None:
        """Move the home area a little towards ``position``, which is ``away_km`` from it (-1 unknown)."""
        norms = self.norms
        n = min(norms[HOME + 2] + 1.0, memory)
        norms[HOME + 2] = n
        if away_km >= 0.0:
            norms[HOME + 3] += (away_km - norms[HOME + 3]) / n
        norms[HOME] += (position.lat - norms[HOME]) / n
        east = (position.lon - norms[HOME + 1] + 180.0) % 360.0 - 180.0 if n > 1.0 else position.lon
        lon = norms[HOME + 1] + east / n if n > 1.0 else position.lon
        norms[HOME + 1] = (lon + 180.0) % 360.0 - 180.0 if abs(lon) > 180.0 else lon

    def spent_without_sca(self, eur_minor: int) -> None:
        """Count a payment that passed without strong authentication."""
        self.since_sca_count += 1
        self.since_sca_eur_minor += eur_minor

    def authenticated(self) -> None:
        """Start the low-value counters again: the user passed strong authentication."""
        self.since_sca_count = 0
        self.since_sca_eur_minor = 0

    def pack(self) -> bytes:
        """The profile as bytes; the first one is the schema's version."""
        zone = self.time_zone.encode()
        return b"".join(
            (
                _USER.pack(
                    _VERSION if self.ahead else _WITHOUT_AHEAD,
                    self.first_s,
                    self.last_s,
                    self.position_s,
                    min(self.payments, _MAX_U32),
                    min(self.since_sca_eur_minor, _MAX_U32),
                    min(self.since_sca_count, 65_535),
                    min(self.early_outcomes, _MAX_U32),
                    len(zone),
                    len(self.seen),
                    len(self.norms),
                ),
                zone,
                self.seen.tobytes(),
                self.norms.tobytes(),
                self.velocity.pack(),
                pack_facts(self.ahead),
            )
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "UserProfile":
        """The profile that :meth:`pack` wrote."""
        self = cls.__new__(cls)
        (
            version,
            self.first_s,
            self.last_s,
            self.position_s,
            self.payments,
            self.since_sca_eur_minor,
            self.since_sca_count,
            self.early_outcomes,
            zone,
            seen,
            norms,
        ) = _USER.unpack_from(packed)
        check_version("user profile", version, _WITHOUT_AHEAD, _VERSION)
        at = _USER.size + zone
        self.time_zone = packed[_USER.size : at].decode()
        end = at + 4 * seen
        self.seen = array("I", packed[at:end])
        at, end = end, end + 4 * norms
        self.norms = array("f", packed[at:end])
        self.velocity, end = Velocity.unpack(packed, end)
        self.ahead = unpack_facts(packed[end:])
        return self
