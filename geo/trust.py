"""Which fixes of a user are believed: no teleport there and back, no ping-pong between two devices.

What a device says of its own accuracy is not enough: a phone that lies on a desk may claim 2 m and be 200 m
off. So a fix that the motion so far does not lead to is held back until a second one agrees with it; a jump
that nothing on Earth makes, until a third one does. A single wrong fix never gets through.
"""

import struct
from dataclasses import dataclass
from typing import Final

from geo.fixes import E7, SAMPLE_SIZE, Distrust, Sample, pack_sample, unpack_sample
from geo.plane import away_m

_NOBODY: Final = Sample(0, 0, 0, 0, 0, 0, 0)
_DOUBT: Final = struct.Struct("<B")
_RIVAL: Final = struct.Struct("<B2i")
_AWAY: Final = 3
"""Of a rival's fixes: one, some, some and the last one far away."""


@dataclass(frozen=True, slots=True)
class TrustParams:
    """What is believed at once, and what needs to be confirmed.

    Parameters
    ----------
    sudden_mps, spurt
        Within ``sudden_s`` of the last fix a user gets up to so fast, or to ``spurt`` times their speed and
        5 m/s more, without surprise.
    ground_mps, air_mps
        As fast may a user have been over ten minutes, and over a longer time.
    confirming, confirming_impossible
        So many fixes in a row that agree are believed; where the jump was faster than ``air_mps``, so many.
    device_silence_s
        Another device of the user takes over after such a silence of the one that is followed,
    device_way_m
        or when two of its fixes say that it has made such a way while the other one stood still.
    """

    sudden_s: int = 30
    sudden_mps: float = 12.0
    spurt: float = 2.5
    ground_mps: float = 90.0
    air_mps: float = 300.0
    confirming: int = 2
    confirming_impossible: int = 3
    device_silence_s: int = 900
    device_way_m: float = 400.0


class Trust:
    """The last fix of a user that was believed, one that is in doubt, and another device if there is one.

    Attributes
    ----------
    last
        The last fix that was believed; its time is 0 before the first.
    before
        The fix from which the user came to that one, if that is known.
    anew
        Whether that was in doubt itself, so that what was known of their motion is void.

    The latter two belong to the judgement, not to the state: they are of use right after it.
    """

    __slots__ = ("_doubt", "_doubts", "_rival", "_rivals", "_start", "anew", "before", "last")

    def __init__(self) -> None:
        self.last = _NOBODY
        self.before: Sample | None = None
        self.anew = False
        self._doubt = _NOBODY
        self._doubts = 0
        self._rival = _NOBODY
        self._rivals = 0
        self._start = (0, 0)

    def judge(self, sample: Sample, speed_mps: float, params: TrustParams) -> Distrust | None:
        """Believe a fix, given the user's speed so far; or why not."""
        last = self.last
        if not last.time_s:
            self._believe(sample, None)
            return None
        is_other = sample.device != last.device
        if is_other and not self._takes_over(sample, params):
            return Distrust.OTHER_DEVICE
        gap_s = sample.time_s - last.time_s
        if gap_s <= 0:
            return Distrust.DUPLICATE
        # After a silence no other device gets farther than the one that was followed.
        has_way = is_other and gap_s <= params.device_silence_s
        if has_way or _pace(last, sample) <= _limit(gap_s, speed_mps, params):
            self._believe(sample, None if is_other else last)
            return None
        return self._doubted(sample, speed_mps, params)

    def pack(self) -> bytes:
        """The state as bytes."""
        parts = [pack_sample(self.last), _DOUBT.pack(self._doubts), _RIVAL.pack(self._rivals, *self._start)]
        if self._doubts:
            parts.append(pack_sample(self._doubt))
        if self._rivals:
            parts.append(pack_sample(self._rival))
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["Trust", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        self = cls()
        self.last = unpack_sample(packed, offset)
        offset += SAMPLE_SIZE
        (self._doubts,) = _DOUBT.unpack_from(packed, offset)
        offset += _DOUBT.size
        self._rivals, *start = _RIVAL.unpack_from(packed, offset)
        self._start = (start[0], start[1])
        offset += _RIVAL.size
        if self._doubts:
            self._doubt = unpack_sample(packed, offset)
            offset += SAMPLE_SIZE
        if self._rivals:
            self._rival = unpack_sample(packed, offset)
            offset += SAMPLE_SIZE
        return self, offset

    def _believe(self, sample: Sample, before: Sample | None, anew: bool = False) -> None:
        if sample.device != self.last.device:
            self._rivals = 0
            self._rival = _NOBODY
            self._start = (0, 0)
        self.last, self.before, self.anew = sample, before, anew
        self._doubt, self._doubts = _NOBODY, 0

    def _doubted(self, sample: Sample, speed_mps: float, params: TrustParams) -> Distrust | None:
        """Nothing leads here from the last fix: believed once enough others say the same."""
        last, doubt = self.last, self._doubt
        agree = self._doubts and _pace(doubt, sample) <= _limit(
            max(1, sample.time_s - doubt.time_s), max(speed_mps, _pace(last, sample)), params
        )
        self._doubts = self._doubts + 1 if agree else 1
        self._doubt = sample
        impossible = _pace(last, sample) > params.air_mps
        if self._doubts < (params.confirming_impossible if impossible else params.confirming):
            return Distrust.JUMP if impossible else Distrust.SUDDEN
        self._believe(sample, doubt, anew=True)
        return None

    def _takes_over(self, sample: Sample, params: TrustParams) -> bool:
        """Whether another device is the one to follow from now on."""
        last, rival = self.last, self._rival
        if sample.time_s - last.time_s > params.device_silence_s:
            return True
        waited_s = sample.time_s - rival.time_s
        if rival.device == sample.device and 0 <= waited_s <= params.device_silence_s:
            stood = away_m(self._start[0] / E7, self._start[1] / E7, last.lat, last.lon) - last.accuracy_m
            if stood < 0.25 * params.device_way_m:
                # The way counts from the rival's first fix, so that one stays.
                way = away_m(rival.lat, rival.lon, sample.lat, sample.lon)
                way -= rival.accuracy_m + sample.accuracy_m
                was_away = self._rivals >= _AWAY
                is_away = way > params.device_way_m and self._rivals > 1
                self._rivals = _AWAY if is_away else 2
                return is_away and was_away  # one fix may be wrong
        self._rivals, self._rival, self._start = 1, sample, (last.lat_e7, last.lon_e7)
        return False


def _pace(a: Sample, b: Sample) -> float:
    """The least speed in m/s from one fix to the other: both circles count in the user's favour."""
    way_m = away_m(a.lat_e7 / E7, a.lon_e7 / E7, b.lat_e7 / E7, b.lon_e7 / E7)
    way_m -= (a.accuracy_dm + b.accuracy_dm) / 10.0
    return way_m / max(1, b.time_s - a.time_s) if way_m > 0.0 else 0.0


def _limit(gap_s: int, speed_mps: float, params: TrustParams) -> float:
    if gap_s <= params.sudden_s:
        return max(params.sudden_mps, params.spurt * speed_mps + 5.0)
    return params.ground_mps if gap_s <= 600 else params.air_mps
