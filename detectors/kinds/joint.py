"""The detector that reads the joint model's score."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import JOINT
from detectors.tails import REPORT_FROM, high_surprise

_MIN_SPREAD: Final = 1e-3


@dataclass(frozen=True, slots=True)
class JointParams:
    """``weight``: half, because the trees look at what the other detectors look at, only together."""

    weight: float = 0.5


class JointDetector:
    """Finds payments in a region of the feature space where few payments of all users lie.

    The scale of the trees' score depends on the stream, so it is held against the scores of all payments.
    """

    name: Final = "joint"
    reasons: Final = (
        ReasonSpec("JOINT_UNUSUAL", Family.ABNORMAL_SPENDING, "Unusual combination of features"),
    )

    def __init__(self, params: JointParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence when the combination is rare."""
        score, shared = context.joint_score, context.population.norms
        if score <= 0.0:
            return None
        mean, spread = shared[JOINT + 1], sqrt(shared[JOINT + 2])
        surprise = high_surprise((score - mean) / (spread if spread > _MIN_SPREAD else _MIN_SPREAD))
        if surprise < REPORT_FROM:
            return None
        return Evidence("JOINT_UNUSUAL", surprise, score, 0.0, mean + 1.645 * spread)
