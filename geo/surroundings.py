"""The fences around one user: which of them matter now, and for how long that is known.

Fences far away cost nothing. A look around tells how far the user can get before they could be in another
fence, or near enough to approach one; until then only those are looked at that they are in, or coming into.
"""

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from geo.approach import ApproachParams, approach, may_approach
from geo.fence_state import FenceState
from geo.fences import Circle, Fences, Near
from geo.fixes import E7, Sample
from geo.inside import FenceParams, is_inside
from geo.motion import Motion
from geo.passing import half_way, passed, way_m
from geo.plane import away_m, offset_m
from geo.position import Position
from geo.transitions import Approach, Cause, Transition

_PACKED: Final = struct.Struct("<IiiffH")


@dataclass(frozen=True, slots=True)
class SurroundingsParams:
    """How to look around.

    Parameters
    ----------
    scan_m
        Who moves among fences looks around again after such a way,
    scan_s
        and everybody after such a time: a fence that is put up around somebody at rest is seen then.
    rest_reach_m, far_m
        How far to look for somebody who approaches nothing, and where there is nothing to approach.
    pass_gap_s, pass_way_m
        Between two fixes no farther apart than that, the user went straight.
    pass_depth
        How near to the centre, in radii, that way must lead through a fence.
    """

    fence: FenceParams = field(default_factory=FenceParams)
    approach: ApproachParams = field(default_factory=ApproachParams)
    scan_m: float = 25.0
    scan_s: int = 60
    rest_reach_m: float = 150.0
    far_m: float = 1_500.0
    pass_gap_s: int = 300
    pass_way_m: float = 3_000.0
    pass_depth: float = 0.8

    def __post_init__(self) -> None:
        if self.scan_s < 1:
            raise ValueError(f"scan_s: {self.scan_s!r} is out of range; allowed: 1 second or more")


class Surroundings:
    """One user's standing towards the fences around."""

    __slots__ = ("_at", "_quiet", "_states", "_time_s", "_tracked")

    def __init__(self) -> None:
        self._states: dict[str, FenceState] = {}
        self._tracked: list[FenceState] = []  # those of them to which every fix matters, in their order
        self._time_s = 0  # of the last look around
        self._at = (0, 0)
        self._quiet = array("f", (0.0, 0.0))  # how far from there nothing can be entered; approached

    def __len__(self) -> int:
        return len(self._states)

    def inside(self) -> list[FenceState]:
        """The fences that the user is in, by name."""
        found = [state for state in self._tracked if state.inside]
        return sorted(found, key=lambda state: state.fence_id)

    def see(
        self,
        before: Sample | None,
        sample: Sample,
        motion: Motion,
        fences: Fences,
        params: SurroundingsParams,
        out: list[Transition],
    ) -> None:
        """Take note of a fix; ``before`` is the one that the user came from, if that is known."""
        self._see_tracked(sample, motion.speed_mps, fences, params, out)
        walks = may_approach(motion, params.approach)
        if self._must_look(sample, walks, params):
            self._look(before, sample, motion, walks, fences, params, out)

    def due_s(self, params: SurroundingsParams) -> int:
        """When something falls due without another fix; 0 for never."""
        due_s = 0
        for state in self._tracked:
            its_s = state.due_s(params.fence)
            if its_s < due_s or not due_s:
                due_s = its_s
        return due_s

    def tick(self, time_s: int, params: SurroundingsParams, out: list[Transition]) -> None:
        """Do what is due."""
        for state in self._tracked:
            state.tick(time_s, params.fence, out)
        self._let_go()

    def pack(self) -> bytes:
        """The state as bytes."""
        head = _PACKED.pack(self._time_s, *self._at, *self._quiet, len(self._states))
        return head + b"".join(state.pack() for state in self._states.values())

    @classmethod
    def unpack(cls, packed: bytes, offset: int) -> tuple["Surroundings", int]:
        """The state that :meth:`pack` wrote, and where it ends."""
        self = cls()
        self._time_s, lat, lon, entry, near, count = _PACKED.unpack_from(packed, offset)
        self._at, self._quiet = (lat, lon), array("f", (entry, near))
        offset += _PACKED.size
        for _ in range(count):
            state, offset = FenceState.unpack(packed, offset)
            self._states[state.fence_id] = state
        self._track()
        return self, offset

    def _see_tracked(
        self,
        sample: Sample,
        speed_mps: float,
        fences: Fences,
        params: SurroundingsParams,
        out: list[Transition],
    ) -> None:
        """Look at the fences that the user is in, or coming into."""
        lat, lon = sample.lat_e7 / E7, sample.lon_e7 / E7
        for state in self._tracked:
            fence = fences.get(state.fence_id)
            if fence is None:
                state.leave(sample.time_s, Cause.REMOVED, out)
            else:
                centre = fence.position
                near = Near(away_m(lat, lon, centre.lat, centre.lon), fence)
                state.see(near, sample, speed_mps, params.fence, out)
        self._let_go()

    def _let_go(self) -> None:
        """Of the fences that the user is not in any more, any may be entered again at once."""
        if not all(state.phase for state in self._tracked):
            self._track()
            self._quiet = array("f", (0.0, 0.0))

    def _track(self) -> None:
        self._tracked = [state for state in self._states.values() if state.phase]

    def _must_look(self, sample: Sample, walks: bool, params: SurroundingsParams) -> bool:
        if sample.time_s - self._time_s >= params.scan_s:
            return True
        lat, lon = self._at
        moved_m = away_m(lat / E7, lon / E7, sample.lat_e7 / E7, sample.lon_e7 / E7)
        return moved_m >= self._quiet[0] or (walks and moved_m >= self._quiet[1])

    def _look(
        self,
        before: Sample | None,
        sample: Sample,
        motion: Motion,
        walks: bool,
        fences: Fences,
        params: SurroundingsParams,
        out: list[Transition],
    ) -> None:
        """Look at all fences about, and find out how long that will do."""
        reach_m = params.approach.reach_m if walks else params.rest_reach_m
        here = Position(sample.lat_e7 / E7, sample.lon_e7 / E7)
        around = fences.near(here, reach_m)
        if before is not None:
            self._pass_through(before, sample, around, reach_m, fences, params, out)
        quiet_m = reach_m
        for near in around:
            distance_m, fence = near
            edge_m = distance_m - fence.radius_m
            state = self._states.get(fence.fence_id)
            if state is not None and state.phase:
                continue
            if edge_m < quiet_m:
                quiet_m = edge_m if edge_m > 0.0 else 0.0
            if edge_m <= 0.0:
                if is_inside(near, sample.accuracy_dm / 10.0, params.fence):
                    self._held(fence).see(near, sample, motion.speed_mps, params.fence, out)
            elif walks and _untold(state, edge_m, sample.time_s, params.approach):
                self._approach(near, sample, here, motion, params, out)
        free_m = params.scan_m
        if walks and not around:
            # Nothing to approach: look once how far that is so.
            beyond = fences.near(here, params.far_m)
            quiet_m = min((near.outside_m for near in beyond), default=params.far_m)
            free_m = max(free_m, quiet_m - reach_m)
        if sample.time_s // params.scan_s != self._time_s // params.scan_s:
            self._forget(sample.time_s, {near.fence.fence_id for near in around}, params)
        self._track()
        self._time_s, self._at = sample.time_s, (sample.lat_e7, sample.lon_e7)
        self._quiet = array("f", (quiet_m, free_m))

    def _approach(
        self,
        near: Near,
        sample: Sample,
        here: Position,
        motion: Motion,
        params: SurroundingsParams,
        out: list[Transition],
    ) -> None:
        fence = near.fence
        centre = fence.position
        east, north = offset_m(here.lat, here.lon, centre.lat, centre.lon)
        course = approach(east, north, fence.radius_m, motion, params.approach)
        state = self._states.get(fence.fence_id)
        if course is None or not (course.near or state is None or not state.approached_s):
            return
        state = self._held(fence)
        state.approached_s = sample.time_s
        state.near_s = sample.time_s if course.near else 0
        told = Approach(
            fence.fence_id, sample.time_s, course.edge_m, course.eta_s, course.confidence, course.near
        )
        out.append(told)

    def _pass_through(
        self,
        before: Sample,
        sample: Sample,
        around: Sequence[Near],
        reach_m: float,
        fences: Fences,
        params: SurroundingsParams,
        out: list[Transition],
    ) -> None:
        """Find the fences that the straight way since the last fix led through."""
        length_m = way_m(before, sample)
        if length_m < params.scan_m or length_m > params.pass_way_m:
            return
        if sample.time_s - before.time_s > params.pass_gap_s:
            return
        if length_m > reach_m:
            around = fences.near(half_way(before, sample), 0.5 * length_m)
        tracked = {state.fence_id for state in self._tracked}
        found = passed(before, sample, around, params.pass_depth)
        out.extend(each for each in found if each.fence_id not in tracked)

    def _held(self, fence: Circle) -> FenceState:
        return self._states.setdefault(fence.fence_id, FenceState(fence.fence_id))

    def _forget(self, time_s: int, in_reach: set[str], params: SurroundingsParams) -> None:
        """Drop what does not matter any more."""
        for name in list(self._idle()):
            state = self._states[name]
            again_s = params.approach.again_s if name in in_reach else params.approach.lost_s
            if not state.forget(time_s, again_s, params.fence):
                del self._states[name]

    def _idle(self) -> Iterator[str]:
        return (name for name, state in self._states.items() if not state.phase)


def _untold(state: FenceState | None, edge_m: float, time_s: int, params: ApproachParams) -> bool:
    """Whether there may be something to tell of the way to a fence."""
    if state is None:
        return True
    if state.near_s or (state.left_s and time_s - state.left_s < params.back_s):
        return False
    return not state.approached_s or edge_m <= params.near_m
