"""Is somebody on the way to a place, and when are they there? From motion, not from distance alone."""

from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

from geo.motion import Motion
from geo.plane import length_m


@dataclass(frozen=True, slots=True)
class ApproachParams:
    """When a way to a fence counts as an approach.

    Parameters
    ----------
    reach_m
        From so far away from the edge on.
    min_speed_mps
        Who is slower stands.
    max_speed_mps
        Who is faster drives past, until they slow down: 8 m/s are 29 km/h.
    horizon_s
        Only who would be there within that time.
    min_closing
        The least share of the speed that leads to the fence: the cosine of the angle.
    min_straightness
        Who goes to and fro, or only seems to, is not on the way.
    min_confidence
        Only what is at least so sure.
    near_m, near_closing
        Who is so near to the edge, and heads there so directly, is almost there.
    again_s, lost_s
        For so long an approach is not told again; for so long only, where the fence got out of reach.
    back_s
        Who left a fence so short a time ago and turns round is not coming.
    intercept, per_...
        A logistic model of "stays there within half an hour", with the closing share of the speed, the
        logarithms of the pace in m/s and of the distance from the edge in metres (and 20), and the pace as a
        share of that half a minute ago. Fitted to the first halves of nine people's tracks; to be calibrated
        by what follows.
    """

    reach_m: float = 300.0
    min_speed_mps: float = 0.4
    max_speed_mps: float = 8.0
    horizon_s: float = 900.0
    min_closing: float = 0.3
    min_straightness: float = 0.5
    min_confidence: float = 0.2
    near_m: float = 65.0
    near_closing: float = 0.7
    again_s: int = 1_800
    lost_s: int = 300
    back_s: int = 600
    intercept: float = 1.42
    per_closing: float = 0.65
    per_log_pace: float = -0.25
    per_log_edge: float = -0.41
    per_slowing: float = -0.57


class Course(NamedTuple):
    """A motion as a fence sees it."""

    edge_m: float
    """How far away its edge is."""
    closing: float
    """The share of the speed that leads to its centre, -1 to 1."""
    eta_s: float
    confidence: float
    near: bool
    """Whether they are almost there."""


def may_approach(motion: Motion, params: ApproachParams) -> bool:
    """Whether somebody moves, and not too fast to stop soon."""
    return motion.speed_mps >= params.min_speed_mps and motion.pace_now_mps <= params.max_speed_mps


def approach(
    east_m: float, north_m: float, radius_m: float, motion: Motion, params: ApproachParams
) -> Course | None:
    """The course to a fence so far to the east and north, of somebody who may approach one.

    ``None`` for somebody who is not on the way there.
    """
    speed = motion.speed_mps
    away_m = max(length_m(east_m, north_m), 1e-3)
    closing = (motion.east_mps * east_m + motion.north_mps * north_m) / (away_m * speed)
    if closing < params.min_closing or motion.straightness < params.min_straightness:
        return None
    edge_m = max(0.0, away_m - radius_m)
    eta_s = edge_m / (speed * closing)
    confidence = _confidence(edge_m, closing, motion, params)
    if eta_s > params.horizon_s or confidence < params.min_confidence:
        return None
    near = edge_m <= params.near_m and closing >= params.near_closing
    return Course(edge_m, closing, eta_s, confidence, near)


def _confidence(edge_m: float, closing: float, motion: Motion, params: ApproachParams) -> float:
    slowing = min(2.0, motion.pace_now_mps / motion.pace_mps) if motion.pace_mps else 1.0
    evidence = (
        params.intercept
        + params.per_closing * closing
        + params.per_log_pace * log(max(0.1, motion.pace_now_mps))
        + params.per_log_edge * log(edge_m + 20.0)
        + params.per_slowing * slowing
    )
    return 1.0 / (1.0 + exp(-evidence))
