"""One user and one fence: outside, coming in, inside, going out.

A single fix never moves anybody in or out: it takes a second one, or time in which none says otherwise. Who
is in leaves by a wider circle than the one they came in by, and only when the whole circle of the fix is
outside that. What is between the two circles changes nothing.
"""

import struct
from typing import Final

from geo.fences import Near
from geo.fixes import Sample
from geo.inside import FenceParams, chance_inside, is_inside, is_outside
from geo.transitions import Cause, Dwell, Enter, Exit, Passed, Transition

OUTSIDE: Final = 0
ENTERING: Final = 1
INSIDE: Final = 2

Out = list[Transition]

_HEAD: Final = struct.Struct("<BH3I")
_TRACKED: Final = struct.Struct("<4I2BIHB")


class FenceState:
    """One user's standing towards one fence.

    Attributes
    ----------
    phase
        ``OUTSIDE``, ``ENTERING`` or ``INSIDE``.
    since_s, seen_s
        When they were first and last seen inside.
    approached_s, near_s, left_s
        When they approached it, were almost there, and left it last; 0 for never, or forgotten.
    """

    __slots__ = (
        "_dwelt",
        "_fixes_in",
        "_fixes_out",
        "_near_dm",
        "_out_s",
        "_sure",
        "_wait_s",
        "approached_s",
        "fence_id",
        "left_s",
        "near_s",
        "phase",
        "seen_s",
        "since_s",
    )

    def __init__(self, fence_id: str) -> None:
        self.fence_id = fence_id
        self.phase = OUTSIDE
        self.since_s = self.seen_s = 0
        self.approached_s = self.near_s = self.left_s = 0
        self._out_s = 0  # of the first of the last fixes outside
        self._fixes_in = self._fixes_out = 0
        self._wait_s = 0  # for how long a fix inside stands alone before it is believed
        self._near_dm = 0  # of the last fix inside
        self._sure = 0  # of that one, in thousandths
        self._dwelt = False

    @property
    def inside(self) -> bool:
        return self.phase == INSIDE

    @property
    def tracked(self) -> bool:
        """Whether every fix counts; otherwise there is nothing but memory."""
        return self.phase != OUTSIDE

    def see(self, near: Near, sample: Sample, speed_mps: float, params: FenceParams, out: Out) -> None:
        """Take note of a fix that is so near to the fence's centre."""
        if self.phase == INSIDE:
            self._while_inside(near, sample, params, out)
        elif is_inside(near, sample.accuracy_dm / 10.0, params):
            self._seen_inside(near, sample, speed_mps, params, out)
        elif self.phase == ENTERING:
            self._seen_outside(near, sample, params, out)

    def due_s(self, params: FenceParams) -> int:
        """When something falls due without another fix; 0 for never."""
        if self.phase == ENTERING:
            return (self._out_s if self._fixes_out else self.seen_s) + self._wait_s
        if self.phase == OUTSIDE:
            return 0
        if self._fixes_out:
            return self._out_s + params.exit_wait_s
        if self._dwelt:
            return self.seen_s + params.silence_s
        return min(self.since_s + params.dwell_s, self.seen_s + params.silence_s)

    def tick(self, time_s: int, params: FenceParams, out: Out) -> None:
        """Do what is due."""
        due_s = self.due_s(params)
        if not due_s or due_s > time_s:
            return
        if self.phase == ENTERING:
            if self._fixes_out:
                self._pass(time_s, out)
            else:
                self._enter(time_s, out)
        elif self._fixes_out:
            self.leave(time_s, Cause.TIME, out)
        elif time_s >= self.seen_s + params.silence_s:
            self.leave(time_s, Cause.SILENCE, out)
        else:
            self._dwelt = True
            out.append(Dwell(self.fence_id, time_s, self.since_s))

    def leave(self, time_s: int, cause: Cause, out: Out) -> None:
        """The user is not in the fence any more."""
        if self.phase == INSIDE:
            out.append(Exit(self.fence_id, time_s, self.since_s, self.seen_s, cause))
            self.left_s = self.seen_s
        self._outside()

    def forget(self, time_s: int, again_s: int, params: FenceParams) -> bool:
        """Drop what is too old to matter; whether anything is left."""
        if self.approached_s and time_s - self.approached_s >= again_s:
            self.approached_s = self.near_s = 0
        if self.left_s and time_s - self.left_s >= params.remember_s:
            self.left_s = 0
        return bool(self.phase or self.approached_s or self.left_s)

    def pack(self) -> bytes:
        """The state as bytes; of somebody outside there is little to tell."""
        name = self.fence_id.encode()
        packed = _HEAD.pack(self.phase, len(name), self.approached_s, self.near_s, self.left_s) + name
        if self.phase == OUTSIDE:
            return packed
        return packed + _TRACKED.pack(
            self.since_s,
            self.seen_s,
            self._out_s,
            self._near_dm,
            self._fixes_in,
            self._fixes_out,
            self._wait_s,
            self._sure,
            self._dwelt,
        )

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["FenceState", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        phase, length, *told = _HEAD.unpack_from(packed, offset)
        offset += _HEAD.size
        self = cls(packed[offset : offset + length].decode())
        offset += length
        self.phase = phase
        self.approached_s, self.near_s, self.left_s = told
        if phase == OUTSIDE:
            return self, offset
        (
            self.since_s,
            self.seen_s,
            self._out_s,
            self._near_dm,
            self._fixes_in,
            self._fixes_out,
            self._wait_s,
            self._sure,
            dwelt,
        ) = _TRACKED.unpack_from(packed, offset)
        self._dwelt = bool(dwelt)
        return self, offset + _TRACKED.size

    def _seen_inside(
        self, near: Near, sample: Sample, speed_mps: float, params: FenceParams, out: Out
    ) -> None:
        time_s = sample.time_s
        if self.phase == OUTSIDE:
            self.phase, self.since_s = ENTERING, time_s
        brisk = speed_mps > params.brisk_mps
        self._wait_s = params.enter_brisk_wait_s if brisk else params.enter_wait_s
        self.seen_s, self._fixes_out = time_s, 0
        self._near_dm = round(near.distance_m * 10.0)
        self._sure = round(chance_inside(near, sample.accuracy_dm / 10.0) * 1e3)
        self._fixes_in = min(self._fixes_in + 1, 255)
        if self._fixes_in >= params.enter_fixes and time_s - self.since_s >= params.enter_s:
            self._enter(time_s, out)

    def _seen_outside(self, near: Near, sample: Sample, params: FenceParams, out: Out) -> None:
        """One fix outside may be wrong, or stand just at the edge; a second one is not."""
        self._count_out(sample)
        if self._fixes_out > 1 or is_outside(near, sample.accuracy_dm / 10.0, params):
            self._pass(sample.time_s, out)

    def _while_inside(self, near: Near, sample: Sample, params: FenceParams, out: Out) -> None:
        if not is_outside(near, sample.accuracy_dm / 10.0, params):
            # A circle that reaches back in says no more than that nobody has left.
            if near.distance_m <= params.exit_radius_m(near.fence.radius_m):
                self.seen_s = sample.time_s
            self._fixes_out = 0
            return
        self._count_out(sample)
        gone_s = sample.time_s - self._out_s
        unseen = self._out_s - self.seen_s > params.unseen_s
        if self._fixes_out >= params.exit_fixes and (unseen or gone_s >= params.exit_s):
            self.leave(sample.time_s, Cause.OUTSIDE, out)

    def _count_out(self, sample: Sample) -> None:
        if not self._fixes_out:
            self._out_s = sample.time_s
        self._fixes_out = min(self._fixes_out + 1, 255)

    def _enter(self, time_s: int, out: Out) -> None:
        self.phase = INSIDE
        self._fixes_in = self._fixes_out = 0
        self._dwelt = False
        sure, near_m = self._sure / 1e3, self._near_dm / 10.0
        out.append(Enter(self.fence_id, time_s, self.since_s, near_m, sure, self.left_s))

    def _pass(self, time_s: int, out: Out) -> None:
        out.append(Passed(self.fence_id, time_s, self.seen_s, self._near_dm / 10.0))
        self._outside()

    def _outside(self) -> None:
        self.phase = OUTSIDE
        self.since_s = self.seen_s = self._out_s = self._near_dm = 0
        self._fixes_in = self._fixes_out = self._wait_s = self._sure = 0
        self._dwelt = False
