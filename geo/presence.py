"""One user on their way along the fences: which are approached, entered, dwelt in, left or passed.

A pure function of the fixes and of what time it is said to be. How fixes are put in order is in
:mod:`geo.fixes`, which are believed in :mod:`geo.trust`, which fences matter in :mod:`geo.surroundings`, and
what belongs to one of them in :mod:`geo.fence_state`.

What a gap in the fixes means: seen inside after it, the user has stayed; seen outside after it, they left
when they were seen inside last; silent for ``FenceParams.silence_s``, they are not inside any more.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from geo.fence_state import FenceState
from geo.fences import Fences
from geo.fixes import E7, Distrust, Fix, FixParams, FixQueue, Sample
from geo.motion import Motion, MotionParams
from geo.plane import offset_m
from geo.stays import StayParams, StayPoint
from geo.surroundings import Surroundings, SurroundingsParams
from geo.transitions import Refused, Transition, in_order
from geo.trust import Trust, TrustParams

VERSION: Final = 1
_HEAD: Final = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class PresenceParams:
    """How users are followed."""

    fixes: FixParams = field(default_factory=FixParams)
    trust: TrustParams = field(default_factory=TrustParams)
    motion: MotionParams = field(default_factory=MotionParams)
    stay: StayParams = field(default_factory=StayParams)
    around: SurroundingsParams = field(default_factory=SurroundingsParams)


_DEFAULTS: Final = PresenceParams()


class Presence:
    """Where one user is, and what that means for the fences around.

    Give it every fix, and call :meth:`advance` when :attr:`due_s` has come. What happened comes back in
    order. A fix must not be ahead of the time that the users of a shard agree on: all later ones would be
    late.

    Examples
    --------
    >>> from geo import Fence, FenceIndex, Position
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
        "_around",
        "_distrusted_s",
        "_due_s",
        "_motion",
        "_params",
        "_queue",
        "_stay",
        "_trust",
    )

    def __init__(self, params: PresenceParams = _DEFAULTS) -> None:
        self._params = params
        self._queue = FixQueue()
        self._trust = Trust()
        self._motion = Motion()
        self._stay = StayPoint()
        self._around = Surroundings()
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
        return self._around.inside()

    def see(self, fix: Fix, fences: Fences) -> list[Transition]:
        """What happens with one more fix."""
        out: list[Transition] = []
        distrust = self._queue.put(fix, self._params.fixes)
        if distrust is not None:
            self._refuse(fix.time_s, distrust, out)
        self._run(fences, out)
        return out

    def doubt(self, time_s: int) -> None:
        """A device said at that time that its position is made up."""
        self._distrusted_s = max(self._distrusted_s, time_s)

    def advance(self, now_s: int, fences: Fences) -> list[Transition]:
        """What happens until ``now_s`` without another fix."""
        out: list[Transition] = []
        if now_s > self._queue.newest_s:
            self._queue.newest_s = now_s
        self._run(fences, out)
        return out

    def pack(self) -> bytes:
        """The state as bytes; the first is the version of their form."""
        parts = self._queue, self._trust, self._motion, self._stay, self._around
        return _HEAD.pack(VERSION, self._distrusted_s) + b"".join(part.pack() for part in parts)

    @classmethod
    def unpack(cls, packed: bytes, params: PresenceParams = _DEFAULTS) -> "Presence":
        """The state that :meth:`pack` wrote.

        Raises
        ------
        ValueError
            When the bytes are of another version.
        """
        if packed[0] != VERSION:
            raise ValueError(f"version: {packed[0]} of a presence is unknown; allowed: {VERSION}")
        self = cls(params)
        _, self._distrusted_s = _HEAD.unpack_from(packed)
        self._queue, offset = FixQueue.unpack(packed, _HEAD.size)
        self._trust, offset = Trust.unpack(packed, offset)
        self._motion, offset = Motion.unpack(packed, offset)
        self._stay, offset = StayPoint.unpack(packed, offset)
        self._around, offset = Surroundings.unpack(packed, offset)
        self._note_due()
        return self

    def _run(self, fences: Fences, out: list[Transition]) -> None:
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
            self._around.tick(time_s, params.around, found)
            self._stay.tick(time_s, params.stay, found)
            out.extend(sorted(found, key=in_order))
            queue.released_s = time_s
            self._note_due()

    def _follow(self, sample: Sample, fences: Fences, out: list[Transition]) -> None:
        """Take one fix, all older ones having been taken."""
        params, trust = self._params, self._trust
        distrust = trust.judge(sample, self._motion.speed_mps, params.trust)
        if distrust is not None:
            self._refuse(sample.time_s, distrust, out)
            return
        found: list[Transition] = []
        self._move(sample)
        self._stay.see(sample, params.stay, found)
        self._around.see(trust.before, sample, self._motion, fences, params.around, found)
        if found:
            out.extend(sorted(found, key=in_order))

    def _refuse(self, time_s: int, distrust: Distrust, out: list[Transition]) -> None:
        if distrust in (Distrust.MOCKED, Distrust.JUMP):
            self.doubt(time_s)
        out.append(Refused(time_s, distrust))

    def _move(self, sample: Sample) -> None:
        before = self._trust.before
        if before is None or self._trust.anew:
            self._motion.forget()
        if before is None:
            return
        lat, lon = before.lat_e7 / E7, before.lon_e7 / E7
        east, north = offset_m(lat, lon, sample.lat_e7 / E7, sample.lon_e7 / E7)
        gap_s = max(1, sample.time_s - before.time_s)
        self._motion.add(gap_s, east, north, sample.velocity, self._params.motion)

    def _note_due(self) -> None:
        stay_s, fence_s = self._stay.due_s(self._params.stay), self._around.due_s(self._params.around)
        self._due_s = min(stay_s, fence_s) if stay_s and fence_s else stay_s or fence_s
