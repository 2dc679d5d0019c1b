"""Position fixes of one user, put into the order of event time.

Fixes overtake each other on their way: a request is repeated, a batch comes late. So each waits for a few
seconds of event time (``FixParams.lateness_s``) before anything looks at it, and those that wait leave in the
order of their own times. Within that bound the order of arrival changes nothing. A fix that comes later still
is refused; it would change what has been acted on.
"""

import struct
from bisect import insort
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from zlib import crc32

from geo.position import Position

E7: Final = 1e7
"""Degrees are kept in whole steps of a ten-millionth: one centimetre."""
_UNKNOWN: Final = 0xFFFF_FFFF
_SAMPLE: Final = struct.Struct("<IIIiiII")
_HEAD: Final = struct.Struct("<IIB")


@dataclass(frozen=True, slots=True)
class FixParams:
    """Which fixes are taken, and how long they wait for those that they overtook.

    Parameters
    ----------
    lateness_s
        A fix may be less than so many seconds older than the newest one and still finds its place. 0: nothing
        waits, and whatever is older than the newest is refused.
    max_accuracy_m
        A fix whose circle is wider says too little.
    assumed_accuracy_m
        The circle of a fix that states none.
    least_accuracy_m
        No circle is believed to be smaller.
    max_waiting
        So many fixes wait at most; the oldest goes on when one more comes.
    """

    lateness_s: int = 5
    max_accuracy_m: float = 1_000.0
    assumed_accuracy_m: float = 20.0
    least_accuracy_m: float = 5.0
    max_waiting: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.lateness_s <= 3_600:
            raise ValueError(f"lateness_s: {self.lateness_s!r} is out of range; allowed: 0..3600 seconds")
        if not 1 <= self.max_waiting <= 255:
            raise ValueError(f"max_waiting: {self.max_waiting!r} is out of range; allowed: 1..255")


class Fix(NamedTuple):
    """Where a device says that it is.

    ``time_s`` is event time in whole seconds since 1970; ``device`` tells the devices of one user apart.
    """

    position: Position
    time_s: int
    speed_mps: float | None = None
    heading_deg: float | None = None
    mocked: bool = False
    device: str = ""


class Distrust(StrEnum):
    """Why a fix was not believed."""

    MOCKED = "MOCKED"
    """The device says itself that the position is made up."""
    COARSE = "COARSE"
    """Its circle is too wide to say anything."""
    LATE = "LATE"
    """It came later than the bound allows."""
    DUPLICATE = "DUPLICATE"
    """The device has another fix for this second."""
    SUDDEN = "SUDDEN"
    """Not where the user's motion led; believed as soon as a second one agrees with it."""
    JUMP = "JUMP"
    """Farther from where the user just was than anybody travels; believed when several agree with it."""
    OTHER_DEVICE = "OTHER_DEVICE"
    """The user is followed by another device."""


class Sample(NamedTuple):
    """A fix in whole numbers, as it is kept: decimetres, ten-millionths of degrees, cm/s, 1/100 degrees.

    Samples sort by time, then by device, then the more exact one first.
    """

    time_s: int
    device: int
    accuracy_dm: int
    lat_e7: int
    lon_e7: int
    speed_cms: int
    heading_cd: int

    @property
    def lat(self) -> float:
        return self.lat_e7 / E7

    @property
    def lon(self) -> float:
        return self.lon_e7 / E7

    @property
    def accuracy_m(self) -> float:
        return self.accuracy_dm / 10.0

    @property
    def position(self) -> Position:
        return Position(self.lat_e7 / E7, self.lon_e7 / E7, self.accuracy_dm / 10.0)

    @property
    def velocity(self) -> tuple[float, float] | None:
        """The speed in m/s and the heading in degrees that the device reports, if it does."""
        if self.speed_cms == _UNKNOWN or self.heading_cd == _UNKNOWN:
            return None
        return self.speed_cms / 100.0, self.heading_cd / 100.0


class FixQueue:
    """The fixes of one user that wait for their turn.

    Attributes
    ----------
    newest_s
        What time it is, by the fixes that came and by what :class:`~geo.presence.Presence` was told.
    released_s
        The time that was acted on last; whatever is not newer is late.

    Examples
    --------
    >>> queue, here = FixQueue(), Position(50.85, 4.35)
    >>> [queue.put(Fix(here, time_s), FixParams()) for time_s in (100, 103, 101)]
    [None, None, None]
    >>> queue.take().time_s, queue.take().time_s
    (100, 101)
    >>> queue.put(Fix(here, 101), FixParams())
    <Distrust.LATE: 'LATE'>
    """

    __slots__ = ("_waiting", "newest_s", "released_s")

    def __init__(self) -> None:
        self._waiting: list[Sample] = []
        self.newest_s = 0
        self.released_s = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first_s(self) -> int | None:
        """The time of the fix whose turn is next."""
        return self._waiting[0].time_s if self._waiting else None

    def put(self, fix: Fix, params: FixParams) -> Distrust | None:
        """Let a fix wait; or why it may not."""
        if fix.mocked:
            return Distrust.MOCKED
        accuracy_m = fix.position.accuracy_m
        if accuracy_m is None:
            accuracy_m = params.assumed_accuracy_m
        elif accuracy_m > params.max_accuracy_m:
            return Distrust.COARSE
        time_s = fix.time_s
        if time_s <= self.released_s:
            return Distrust.LATE
        sample = _sample(fix, max(accuracy_m, params.least_accuracy_m))
        waiting = self._waiting
        if not waiting or sample > waiting[-1]:
            waiting.append(sample)
        elif sample in waiting:
            return Distrust.DUPLICATE
        else:
            insort(waiting, sample)
        if time_s > self.newest_s:
            self.newest_s = time_s
        return None

    def due_s(self, params: FixParams) -> int:
        """Up to which time fixes have their turn, by what has been seen so far."""
        due_s = self.newest_s - params.lateness_s
        excess = len(self._waiting) - params.max_waiting
        return max(due_s, self._waiting[excess - 1].time_s) if excess > 0 else due_s

    def take(self) -> Sample:
        """The fix whose turn is next; nothing older is taken from now on."""
        sample = self._waiting.pop(0)
        self.released_s = sample.time_s
        return sample

    def pack(self) -> bytes:
        """The state as bytes."""
        head = _HEAD.pack(self.newest_s, self.released_s, len(self._waiting))
        return head + b"".join(pack_sample(sample) for sample in self._waiting)

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["FixQueue", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        self = cls()
        self.newest_s, self.released_s, count = _HEAD.unpack_from(packed, offset)
        offset += _HEAD.size
        for _ in range(count):
            self._waiting.append(unpack_sample(packed, offset))
            offset += _SAMPLE.size
        return self, offset


SAMPLE_SIZE: Final = _SAMPLE.size


def pack_sample(sample: Sample) -> bytes:
    """A sample as ``SAMPLE_SIZE`` bytes."""
    return _SAMPLE.pack(*sample)


def unpack_sample(packed: bytes, offset: int) -> Sample:
    """The sample that :func:`pack_sample` wrote."""
    return Sample._make(_SAMPLE.unpack_from(packed, offset))


def _sample(fix: Fix, accuracy_m: float) -> Sample:
    position, _, speed_mps, heading_deg, _, device = fix
    return Sample(
        fix.time_s,
        crc32(device.encode()) if device else 0,
        round(accuracy_m * 10.0),
        round(position.lat * E7),
        round(position.lon * E7),
        _UNKNOWN if speed_mps is None else round(speed_mps * 100.0),
        _UNKNOWN if heading_deg is None else round(heading_deg * 100.0),
    )
