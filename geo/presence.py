"""One user on their way along the fences: which are approached, entered, dwelt in, left or passed.

A pure function of the fixes and of what time it is said to be. What belongs to one fence is in
:mod:`geo.fence_state`, which fixes are believed in :mod:`geo.trust`, how they are put in order in
:mod:`geo.fixes`.

Fences far away cost nothing: after a look around it is known how far the user can move before another fence
could matter, and until then only those are looked at that they are in, or coming into.

What a gap in the fixes means: seen inside after it, the user has stayed; seen outside after it, they left
when they were seen inside last; silent for ``FenceParams.silence_s``, they are not inside any more.
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import hypot
from typing import Final

from geo.approach import ApproachParams, approach
from geo.fence_state import FenceParams, FenceState, is_inside
from geo.fences import Fence, FenceIndex, Near
from geo.fixes import E7, Distrust, Fix, FixParams, FixQueue, Sample
from geo.motion import Motion, MotionParams
from geo.plane import away_m, offset_m
from geo.position import Position
from geo.stays import StayParams, StayPoint
from geo.transitions import Approach, Cause, Passed, Refused, Transition, in_order
from geo.trust import Trust, TrustParams

VERSION: Final = 1
_HEAD: Final = struct.Struct("<BH")
_SCAN: Final = struct.Struct("<IiifI")


@dataclass(frozen=True, slots=True)
class PresenceParams:
    """How users are followed.

    Parameters
    ----------
    scan_m
        Where fences are about, the user looks around again after such a way,
    scan_s
        and after such a time everywhere: a fence that is put up around somebody at rest is seen then.
    far_m
        How far to look where there is nothing within the approach's reach.
    pass_gap_s, pass_way_m
        Between two fixes no farther apart than that, the user went straight.
    pass_depth
        How near to the centre, in radii, that way must lead through a fence.
    """

    fixes: FixParams = field(default_factory=FixParams)
    trust: TrustParams = field(default_factory=TrustParams)
    motion: MotionParams = field(default_factory=MotionParams)
    fence: FenceParams = field(default_factory=FenceParams)
    approach: ApproachParams = field(default_factory=ApproachParams)
    stay: StayParams = field(default_factory=StayParams)
    scan_m: float = 25.0
    scan_s: int = 60
    far_m: float = 1_500.0
    pass_gap_s: int = 300
    pass_way_m: float = 3_000.0
    pass_depth: float = 0.8


class Presence:
    """Where one user is, and what that means for the fences around.

    Give it every fix, and call :meth:`advance` when :attr:`due_s` has come. What happened comes back in
    order. A fix must not be ahead of the time that the users of a shard agree on: all later ones would be
    late.

    Examples
    --------
    >>> from geo import Fence
    >>> fences = FenceIndex([Fence("bakery", Position(50.8466, 4.3528), 100.0)])
    >>> user = Presence()
    >>> for time_s in range(1_000_000, 1_000_081, 20):
    ...     for transition in user.see(Fix(Position(50.8467, 4.3529, 10.0), time_s), fences):
    ...         print(type(transition).__name__, transition.time_s)
    Enter 1000020
    >>> user.due_s
    1000085
    >>> [type(transition).__name__ for transition in user.advance(1_000_400, fences)]
    ['Stopped', 'Dwell']
    """

    __slots__ = (
        "_distrusted_s",
        "_due_s",
        "_fences",
        "_motion",
        "_params",
        "_queue",
        "_quiet",
        "_scan_at",
        "_scan_s",
        "_stay",
        "_trust",
    )

    def __init__(self, params: PresenceParams | None = None) -> None:
        self._params = params or PresenceParams()
        self._queue = FixQueue()
        self._trust = Trust()
        self._motion = Motion()
        self._stay = StayPoint()
        self._fences: dict[str, FenceState] = {}
        self._scan_s = 0
        self._scan_at = (0, 0)
        self._quiet = array("f", (0.0,))  # metres from there within which nothing new can matter
        self._distrusted_s = 0
        self._due_s = 0

    @property
    def due_s(self) -> int | None:
        """The event time at which something happens, or a fix has waited long enough; ``None`` for never."""
        first_s, lateness_s = self._queue.first_s, self._params.fixes.lateness_s
        if first_s is None:
            return self._due_s + lateness_s if self._due_s else None
        return min(first_s, self._due_s or first_s) + lateness_s

    @property
    def last(self) -> Sample | None:
        """The last fix that was believed."""
        return self._trust.last if self._trust.last.time_s else None

    @property
    def distrusted_s(self) -> int:
        """When a fix was last made up or impossible; 0 for never."""
        return self._distrusted_s

    @property
    def motion(self) -> Motion:
        """How the user moves."""
        return self._motion

    @property
    def stay(self) -> StayPoint:
        """Where the user is staying, if they are."""
        return self._stay

    def inside(self) -> list[FenceState]:
        """The fences that the user is in, by name."""
        found = [state for state in self._fences.values() if state.inside]
        return sorted(found, key=lambda state: state.fence_id)

    def see(self, fix: Fix, fences: FenceIndex) -> list[Transition]:
        """What happens with one more fix."""
        out: list[Transition] = []
        distrust = self._queue.put(fix, self._params.fixes)
        if distrust is not None:
            self._refuse(fix.time_s, distrust, out)
        self._run(fences, out)
        return out

    def advance(self, now_s: int, fences: FenceIndex) -> list[Transition]:
        """What happens until ``now_s`` without another fix."""
        out: list[Transition] = []
        if now_s > self._queue.newest_s:
            self._queue.newest_s = now_s
        self._run(fences, out)
        return out

    def pack(self) -> bytes:
        """The state as bytes; the first is the version of their form."""
        return b"".join(self._parts())

    @classmethod
    def unpack(cls, packed: bytes, params: PresenceParams | None = None) -> "Presence":
        """The state that :meth:`pack` wrote.

        Raises
        ------
        ValueError
            When the bytes are of another version.
        """
        version, count = _HEAD.unpack_from(packed)
        if version != VERSION:
            raise ValueError(f"version: {version!r} of a presence is unknown; allowed: {VERSION}")
        self = cls(params)
        offset = _HEAD.size
        self._scan_s, lat, lon, quiet, self._distrusted_s = _SCAN.unpack_from(packed, offset)
        self._scan_at, self._quiet[0] = (lat, lon), quiet
        offset += _SCAN.size
        self._queue, offset = FixQueue.unpack(packed, offset)
        self._trust, offset = Trust.unpack(packed, offset)
        self._motion, offset = Motion.unpack(packed, offset)
        self._stay, offset = StayPoint.unpack(packed, offset)
        for _ in range(count):
            state, offset = FenceState.unpack(packed, offset)
            self._fences[state.fence_id] = state
        self._note_due()
        return self

    def _parts(self) -> Iterator[bytes]:
        yield _HEAD.pack(VERSION, len(self._fences))
        yield _SCAN.pack(self._scan_s, *self._scan_at, self._quiet[0], self._distrusted_s)
        yield self._queue.pack()
        yield self._trust.pack()
        yield self._motion.pack()
        yield self._stay.pack()
        for state in self._fences.values():
            yield state.pack()

    def _run(self, fences: FenceIndex, out: list[Transition]) -> None:
        queue = self._queue
        until_s = queue.due_s(self._params.fixes)
        while (first_s := queue.first_s) is not None and first_s <= until_s:
            if 0 < self._due_s < first_s:
                self._tick_until(first_s - 1, out)
            self._follow(queue.take(), fences, out)
            self._note_due()
        if 0 < self._due_s <= until_s:
            self._tick_until(until_s, out)

    def _tick_until(self, until_s: int, out: list[Transition]) -> None:
        """Do all that falls due up to that time, in order."""
        params, queue = self._params, self._queue
        while 0 < self._due_s <= until_s:
            # What was due before the last fix is found out only now.
            time_s = max(self._due_s, queue.released_s)
            found: list[Transition] = []
            for state in self._fences.values():
                state.tick(time_s, params.fence, found)
            self._stay.tick(time_s, params.stay, found)
            out.extend(sorted(found, key=in_order))
            queue.released_s = time_s
            self._quiet[0] = 0.0
            self._note_due()

    def _follow(self, sample: Sample, fences: FenceIndex, out: list[Transition]) -> None:
        """Take one fix, all older ones having been taken."""
        params, trust = self._params, self._trust
        before = trust.last
        distrust = trust.judge(sample, self._motion.speed_mps, params.trust)
        if distrust is not None:
            self._refuse(sample.time_s, distrust, out)
            return
        found: list[Transition] = []
        self._move(before, sample)
        self._stay.see(sample, params.stay, found)
        self._see_fences(sample, fences, found)
        if self._must_look(sample):
            self._look_around(before, sample, fences, found)
        if found:
            out.extend(sorted(found, key=in_order))

    def _refuse(self, time_s: int, distrust: Distrust, out: list[Transition]) -> None:
        if distrust in (Distrust.MOCKED, Distrust.JUMP):
            self._distrusted_s = max(self._distrusted_s, time_s)
        out.append(Refused(time_s, distrust))

    def _move(self, before: Sample, sample: Sample) -> None:
        if not self._trust.linked:
            self._motion.forget()
            return
        east, north = offset_m(before.lat_e7 / E7, before.lon_e7 / E7, sample.lat_e7 / E7, sample.lon_e7 / E7)
        gap_s = sample.time_s - before.time_s
        self._motion.add(gap_s, east, north, sample.velocity, self._params.motion)

    def _see_fences(self, sample: Sample, fences: FenceIndex, found: list[Transition]) -> None:
        """Look at the fences that the user is in, or coming into."""
        params, gone = self._params.fence, []
        lat, lon = sample.lat_e7 / E7, sample.lon_e7 / E7
        for state in self._fences.values():
            if not state.phase:
                continue
            fence = fences.get(state.fence_id)
            if fence is None:
                state.leave(sample.time_s, Cause.REMOVED, found)
            else:
                centre = fence.position
                near = Near(away_m(lat, lon, centre.lat, centre.lon), fence)
                state.see(near, sample, self._motion.speed_mps, params, found)
            if not state.phase:
                self._quiet[0] = 0.0
                gone.append(state)
        for state in gone:
            self._forget(state, sample.time_s)

    def _must_look(self, sample: Sample) -> bool:
        """Whether another fence may matter by now."""
        if sample.time_s - self._scan_s >= self._params.scan_s:
            return True
        lat, lon = self._scan_at
        moved_m = away_m(lat / E7, lon / E7, sample.lat_e7 / E7, sample.lon_e7 / E7)
        return moved_m >= self._quiet[0]

    def _look_around(
        self, before: Sample, sample: Sample, fences: FenceIndex, found: list[Transition]
    ) -> None:
        """Look at all fences about, and find out how long that will do."""
        params = self._params
        reach_m = params.approach.reach_m
        here = Position(sample.lat_e7 / E7, sample.lon_e7 / E7)
        around = fences.near(here, reach_m)
        self._pass_by(before, sample, around, fences, found)
        quiet_m = params.scan_m
        for near in around:
            state = self._fences.get(near.fence.fence_id)
            if state is not None and state.phase:
                continue
            if is_inside(near, sample.accuracy_dm / 10.0, params.fence):
                self._held(near.fence).see(near, sample, self._motion.speed_mps, params.fence, found)
            else:
                quiet_m = min(quiet_m, max(0.0, near.outside_m))
                self._approach(near, sample, here, found)
        if not around:
            nearest = fences.near(here, params.far_m)
            edge_m = min((near.outside_m for near in nearest), default=params.far_m)
            quiet_m = max(0.0, edge_m - reach_m)
        self._scan_s, self._scan_at = sample.time_s, (sample.lat_e7, sample.lon_e7)
        self._quiet[0] = quiet_m
        for state in [each for each in self._fences.values() if not each.phase]:
            self._forget(state, sample.time_s)

    def _approach(self, near: Near, sample: Sample, here: Position, found: list[Transition]) -> None:
        params, fence = self._params.approach, near.fence
        state = self._fences.get(fence.fence_id)
        if state is not None and state.near_s:
            return
        centre = fence.position
        east, north = offset_m(here.lat, here.lon, centre.lat, centre.lon)
        course = approach(east, north, fence.radius_m, self._motion, params)
        if course is None:
            return
        almost = course.edge_m <= params.near_m and course.closing >= params.near_closing
        if almost or state is None or not state.approached_s:
            state = self._held(fence)
            state.approached_s = sample.time_s
            state.near_s = sample.time_s if almost else 0
            edge_m, _, eta_s, sure = course
            found.append(Approach(fence.fence_id, sample.time_s, edge_m, eta_s, sure, almost))

    def _pass_by(
        self, before: Sample, sample: Sample, around: list[Near], fences: FenceIndex, found: list[Transition]
    ) -> None:
        """Find the fences that the straight way since the last fix led through."""
        params = self._params
        gap_s = sample.time_s - before.time_s
        if not self._trust.linked or gap_s > params.pass_gap_s:
            return
        lat, lon = before.lat_e7 / E7, before.lon_e7 / E7
        east, north = offset_m(lat, lon, sample.lat_e7 / E7, sample.lon_e7 / E7)
        way_m = hypot(east, north)
        if not params.scan_m <= way_m <= params.pass_way_m:
            return
        if way_m > params.approach.reach_m:
            around = fences.near(_between(lat, lon, sample), 0.5 * way_m)
        for near in around:
            state = self._fences.get(near.fence.fence_id)
            if state is not None and state.phase:
                continue
            centre = near.fence.position
            to = offset_m(lat, lon, centre.lat, centre.lon)
            share = (to[0] * east + to[1] * north) / (way_m * way_m)
            closest_m = hypot(to[0] - share * east, to[1] - share * north)
            radius_m = near.fence.radius_m
            ends_outside = min(hypot(*to), hypot(to[0] - east, to[1] - north)) > radius_m
            if 0.0 < share < 1.0 and ends_outside and closest_m <= params.pass_depth * radius_m:
                at_s = before.time_s + round(share * gap_s)
                found.append(Passed(near.fence.fence_id, sample.time_s, at_s, closest_m))

    def _held(self, fence: Fence) -> FenceState:
        return self._fences.setdefault(fence.fence_id, FenceState(fence.fence_id))

    def _forget(self, state: FenceState, time_s: int) -> None:
        if not state.forget(time_s, self._params.approach.again_s, self._params.fence):
            del self._fences[state.fence_id]

    def _note_due(self) -> None:
        params = self._params
        due_s = self._stay.due_s(params.stay)
        for state in self._fences.values():
            if state.phase:
                its = state.due_s(params.fence)
                if its < due_s or not due_s:
                    due_s = its
        self._due_s = due_s


def _between(lat: float, lon: float, sample: Sample) -> Position:
    """The middle of a short way."""
    to_lon = sample.lon_e7 / E7
    turn = to_lon - lon
    if abs(turn) > 180.0:
        turn -= 360.0 if turn > 0.0 else -360.0
    middle = lon + 0.5 * turn
    return Position(0.5 * (lat + sample.lat_e7 / E7), (middle + 540.0) % 360.0 - 180.0)
