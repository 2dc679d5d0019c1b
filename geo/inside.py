"""Does a fix say that somebody is in a fence, or has left it? By where it is and how wide its circle is."""

from dataclasses import dataclass
from math import exp

from geo.fences import Near


@dataclass(frozen=True, slots=True)
class FenceParams:
    """What it takes to be in a fence and out of it.

    Parameters
    ----------
    enter_fixes, enter_s
        In after so many fixes inside, the last so long after the first;
    enter_wait_s
        or by time alone, when none came that says otherwise;
    brisk_mps, enter_brisk_wait_s
        which takes longer for somebody who is so fast: they may just pass.
    widest_m, widest
        A fix with a circle wider than both, the latter in radii, does not say that somebody is inside.
    exit_ratio, exit_margin_m
        The circle to leave by is that much wider, whichever is more.
    exit_fixes, exit_s
        Out after so many fixes outside, the last so long after the first;
    exit_wait_s
        or so long after one of them, if it was the last.
    unseen_s
        Who was not seen for so long in between has left by ``exit_fixes`` alone.
    exit_accuracy_m
        No more than that of a fix's circle speaks for having stayed.
    dwell_s
        Inside for so long is a visit.
    silence_s
        Nobody is inside for longer than that after they were seen there last.
    remember_s
        So long it is known when they left.
    """

    enter_fixes: int = 2
    enter_s: int = 5
    enter_wait_s: int = 30
    brisk_mps: float = 3.0
    enter_brisk_wait_s: int = 120
    widest: float = 1.25
    widest_m: float = 50.0
    exit_ratio: float = 1.5
    exit_margin_m: float = 30.0
    exit_fixes: int = 2
    exit_s: int = 45
    exit_wait_s: int = 600
    unseen_s: int = 600
    exit_accuracy_m: float = 150.0
    dwell_s: int = 300
    silence_s: int = 43_200
    remember_s: int = 3_600

    def exit_radius_m(self, radius_m: float) -> float:
        """How far from the centre of a fence somebody must be to have left it."""
        return max(radius_m * self.exit_ratio, radius_m + self.exit_margin_m)


def is_inside(near: Near, accuracy_m: float, params: FenceParams) -> bool:
    """Whether a fix says that somebody is in a fence."""
    radius_m = near.fence.radius_m
    if near.distance_m > radius_m:
        return False
    return accuracy_m <= params.widest_m or accuracy_m <= params.widest * radius_m


def is_outside(near: Near, accuracy_m: float, params: FenceParams) -> bool:
    """Whether a fix says that somebody has left a fence."""
    doubt_m = min(accuracy_m, params.exit_accuracy_m)
    return near.distance_m - doubt_m > params.exit_radius_m(near.fence.radius_m)


def chance_inside(near: Near, accuracy_m: float) -> float:
    """How probably somebody is in a fence, by one fix: its circle holds them in 68 % of all cases.

    An approximation, near the truth where the circle is small or the fix near the centre.
    """
    radius_m = near.fence.radius_m
    sigma = max(accuracy_m, 1.0) / 1.51
    across = 1.702 * (radius_m - near.distance_m) / sigma
    if across > 30.0:
        across = 30.0
    wide = 1.0 - exp(-min(30.0, 0.5 * (radius_m / sigma) ** 2))
    return wide / (1.0 + exp(-across)) if across > -30.0 else 0.0
