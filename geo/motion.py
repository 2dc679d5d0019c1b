"""How somebody moves, from where they were last: velocity, straightness, speed now."""

import struct
from array import array
from dataclasses import dataclass
from math import cos, exp, radians, sin
from typing import Final

from geo.plane import length_m

_PACKED: Final = struct.Struct("<4f")


@dataclass(frozen=True, slots=True)
class MotionParams:
    """How quickly the estimate follows, and when it begins anew.

    Parameters
    ----------
    memory_s
        What happened so long ago counts a third.
    max_gap_s
        After a longer silence nothing is known of the motion but the average over it.
    """

    memory_s: float = 20.0
    max_gap_s: int = 120


class Motion:
    """The velocity of one user as a weighted mean over the last seconds, by event time.

    Noise of a device at rest goes in circles and cancels out: its velocity is small, though its pace is not.

    Examples
    --------
    >>> motion = Motion()
    >>> for _ in range(20):
    ...     motion.add(5, 0.0, 7.0, None, MotionParams())
    >>> round(motion.speed_mps, 1), round(motion.straightness, 2)
    (1.4, 1.0)
    """

    __slots__ = ("_means",)

    def __init__(self) -> None:
        self._means = array("f", (0.0, 0.0, 0.0, 0.0))  # east, north, pace, pace now; metres per second

    @property
    def east_mps(self) -> float:
        return self._means[0]

    @property
    def north_mps(self) -> float:
        return self._means[1]

    @property
    def speed_mps(self) -> float:
        """How quickly the user gets away from where they are."""
        return length_m(self._means[0], self._means[1])

    @property
    def pace_mps(self) -> float:
        """How quickly the user moves, wherever to; noise of the fixes adds to it."""
        return self._means[2]

    @property
    def pace_now_mps(self) -> float:
        """The same over the last few seconds."""
        return self._means[3]

    @property
    def straightness(self) -> float:
        """Speed over pace: 1 on a straight way, near 0 at rest."""
        pace = self._means[2]
        return min(1.0, self.speed_mps / pace) if pace > 0.0 else 0.0

    def add(
        self,
        gap_s: int,
        east_m: float,
        north_m: float,
        reported: tuple[float, float] | None,
        params: MotionParams,
    ) -> None:
        """A way of so many metres took so many seconds; ``reported`` are speed and heading, if known."""
        east, north = east_m / gap_s, north_m / gap_s
        if reported is not None and gap_s <= params.memory_s:
            speed, heading = reported[0], radians(reported[1])
            east, north = 0.5 * (east + speed * sin(heading)), 0.5 * (north + speed * cos(heading))
        pace = length_m(east, north)
        means = self._means
        if gap_s > params.max_gap_s or not means[2]:
            means[0], means[1], means[2], means[3] = east, north, pace, pace
            return
        kept = exp(-gap_s / params.memory_s)
        kept_now = kept * kept * kept
        means[0] = east + (means[0] - east) * kept
        means[1] = north + (means[1] - north) * kept
        means[2] = pace + (means[2] - pace) * kept
        means[3] = pace + (means[3] - pace) * kept_now

    def forget(self) -> None:
        """The user is somewhere else: nothing is known of their motion."""
        self._means = array("f", (0.0, 0.0, 0.0, 0.0))

    def pack(self) -> bytes:
        """The state as 16 bytes."""
        return _PACKED.pack(*self._means)

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["Motion", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        self = cls()
        self._means = array("f", _PACKED.unpack_from(packed, offset))
        return self, offset + _PACKED.size
