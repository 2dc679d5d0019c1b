"""Where somebody stops: stay points, found online by event time, whatever is there."""

import struct
from dataclasses import dataclass
from typing import Final

from geo.fixes import E7, Sample
from geo.plane import away_m
from geo.position import Position
from geo.transitions import Stopped, Transition, WentOn

_PACKED: Final = struct.Struct("<iiIIHBB")
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class StayParams:
    """What a stop is.

    Parameters
    ----------
    radius_m
        Fixes of one stop lie so near to its middle.
    stop_s
        After so long it is one,
    seen_s
        given fixes there over so long a time.
    away
        So many fixes in a row elsewhere end it,
    silence_s
        and so does silence.
    """

    radius_m: float = 75.0
    stop_s: int = 180
    seen_s: int = 60
    away: int = 3
    silence_s: int = 43_200


class StayPoint:
    """The place where a user is, or just was, and since when."""

    __slots__ = ("_away", "_count", "_lat_e7", "_lon_e7", "_seen_s", "_told", "since_s")

    def __init__(self) -> None:
        self.since_s = 0
        self._seen_s = 0
        self._lat_e7 = self._lon_e7 = 0
        self._count = 0
        self._away = 0
        self._told = False

    @property
    def stopped(self) -> bool:
        """Whether the user has stopped here."""
        return self._told

    @property
    def position(self) -> Position:
        """The middle of the fixes here."""
        return Position(self._lat_e7 / E7, self._lon_e7 / E7)

    def see(self, sample: Sample, params: StayParams, out: list[Transition]) -> None:
        """Take note of a fix."""
        if not self._count:
            self._begin(sample)
            return
        lat, lon = self._lat_e7 / E7, self._lon_e7 / E7
        away = away_m(lat, lon, sample.lat_e7 / E7, sample.lon_e7 / E7)
        if away <= params.radius_m or away <= sample.accuracy_dm / 10.0:
            self._here(sample)
            return
        self._away += 1
        if not self._told or self._away >= params.away:
            self._end(sample.time_s, out)
            self._begin(sample)

    def due_s(self, params: StayParams) -> int:
        """When something falls due without another fix; 0 for never."""
        if self._told:
            return self._seen_s + params.silence_s
        # One fix and silence is no stop yet: somebody may be on their way and out of reach.
        return self.since_s + params.stop_s if self._seen_s - self.since_s >= params.seen_s else 0

    def tick(self, time_s: int, params: StayParams, out: list[Transition]) -> None:
        """Do what is due."""
        due_s = self.due_s(params)
        if not due_s or due_s > time_s:
            return
        if self._told:
            self._end(time_s, out)
            self._count, self._told = 0, False
            self.since_s = self._seen_s = 0
        else:
            self._told = True
            out.append(Stopped(time_s, self.since_s, self.position))

    def pack(self) -> bytes:
        """The state as bytes."""
        return _PACKED.pack(
            self._lat_e7, self._lon_e7, self.since_s, self._seen_s, self._count, self._away, self._told
        )

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["StayPoint", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        self = cls()
        values = _PACKED.unpack_from(packed, offset)
        self._lat_e7, self._lon_e7, self.since_s, self._seen_s, self._count, self._away, told = values
        self._told = bool(told)
        return self, offset + _PACKED.size

    def _here(self, sample: Sample) -> None:
        self._seen_s = sample.time_s
        self._away = 0
        if self._count < _MOST:
            self._count += 1
        self._lat_e7 += round((sample.lat_e7 - self._lat_e7) / self._count)
        step = sample.lon_e7 - self._lon_e7
        if -1_800_000_000 < step < 1_800_000_000:  # the mean does not cross the antimeridian
            self._lon_e7 += round(step / self._count)

    def _begin(self, sample: Sample) -> None:
        self.since_s = self._seen_s = sample.time_s
        self._lat_e7, self._lon_e7 = sample.lat_e7, sample.lon_e7
        self._count, self._away, self._told = 1, 0, False

    def _end(self, time_s: int, out: list[Transition]) -> None:
        if self._told:
            out.append(WentOn(time_s, self.since_s, self._seen_s, self.position))
