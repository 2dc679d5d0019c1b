"""The settings of proximity alerts."""

from dataclasses import dataclass
from typing import Final

from alerting.checks import check_number

_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "window_s": (60, 86_400),
    "near_m": (10, 5_000),
    "look_every_s": (60, 86_400),
    "position_age_s": (60, 86_400),
    "occasion_s": (10, 86_400),
    "doubt_s": (0, 86_400),
    "least_time_s": (60, 86_400),
    "timers_behind_s": (0, 3_600),
    "after_visit_s": (0, 86_400),
    "scout_every_s": (60, 86_400),
    "scout_at_most": (0, 100),
}


@dataclass(frozen=True, slots=True)
class ProximityParams:
    """When a merchant is thought of.

    Parameters
    ----------
    window_s
        A chance lasts so long: the probability is that the user comes within it.
    near_m
        Merchants so near to a user who is not on the way to them are looked at,
    look_every_s
        every so often, as long as the last position is younger than
    position_age_s.
    occasion_s
        What happened on the way longer ago is no occasion any more: it came late, or nobody noticed.
    doubt_s
        For so long after a position that was made up or impossible no other is trusted.
    least_time_s
        An alert may be sent for so long at least, however near its merchant is.
    timers_behind_s
        What falls due without a new position is done when the shard's time is so far past it, so that one
        that is a little late still comes first.
    after_visit_s
        For so long after a visit its merchant is no chance: the user is there, or just left.
    scout_every_s
        How often a user on foot is shown around: whether a place like theirs is near.
    scout_at_most
        So many of such places are looked at, the nearest.
    """

    window_s: int = 1_800
    near_m: int = 300
    look_every_s: int = 600
    position_age_s: int = 1_800
    occasion_s: int = 300
    doubt_s: int = 900
    least_time_s: int = 600
    timers_behind_s: int = 10
    after_visit_s: int = 3_600
    scout_every_s: int = 600
    scout_at_most: int = 5

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            check_number(name, getattr(self, name), low, high)
