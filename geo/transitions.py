"""What a user's way along the fences comes to: one small value for each thing that happened.

``time_s`` is always the event time at which it was noticed, in whole seconds since 1970.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from geo.fixes import Distrust
from geo.position import Position


class Cause(StrEnum):
    """Why a user is not in a fence any more."""

    OUTSIDE = "OUTSIDE"
    """Fixes in a row say that they are elsewhere."""
    TIME = "TIME"
    """One fix said so, and none came since that says otherwise."""
    SILENCE = "SILENCE"
    """Nothing was heard for so long that nothing is known."""
    REMOVED = "REMOVED"
    """The fence is gone."""


class Approach(NamedTuple):
    """The user moves to a fence and could stop there.

    ``distance_m`` is that to its edge, ``eta_s`` the time they need by their present motion, ``confidence``
    how surely they stay there, 0 to 1. Told when it begins, and once more when they are almost there
    (``near``).
    """

    fence_id: str
    time_s: int
    distance_m: float
    eta_s: float
    confidence: float
    near: bool


class Enter(NamedTuple):
    """The user is in a fence, first seen there at ``since_s``.

    ``confidence`` is the chance of that by the last fix and its circle. ``left_s`` is when they left it last,
    as long as that is remembered, else 0.
    """

    fence_id: str
    time_s: int
    since_s: int
    distance_m: float
    confidence: float
    left_s: int


class Dwell(NamedTuple):
    """The user has been in a fence long enough to call it a visit."""

    fence_id: str
    time_s: int
    since_s: int


class Exit(NamedTuple):
    """The user has left a fence in which they were last seen at ``until_s``."""

    fence_id: str
    time_s: int
    since_s: int
    until_s: int
    cause: Cause


class Passed(NamedTuple):
    """The user's way led through a fence, at ``at_s`` about, and they did not stay.

    ``distance_m`` is how near to its centre, where fixes were too far apart to be in it by the straight line.
    """

    fence_id: str
    time_s: int
    at_s: int
    distance_m: float


class Stopped(NamedTuple):
    """The user has stayed in one place, whatever is there, since ``since_s``."""

    time_s: int
    since_s: int
    position: Position


class WentOn(NamedTuple):
    """The user has left the place where they had stopped; they were last seen there at ``until_s``."""

    time_s: int
    since_s: int
    until_s: int
    position: Position


class Refused(NamedTuple):
    """A fix was not believed."""

    time_s: int
    reason: Distrust


Transition = Approach | Enter | Dwell | Exit | Passed | Stopped | WentOn | Refused

_RANK: Final[dict[type, int]] = {
    kind: rank for rank, kind in enumerate((Refused, Exit, Passed, WentOn, Enter, Dwell, Approach, Stopped))
}


def in_order(transition: Transition) -> tuple[int, int, str]:
    """The key that sorts transitions: by time, then what ends before what begins, then by fence."""
    return transition.time_s, _RANK[type(transition)], getattr(transition, "fence_id", "")
