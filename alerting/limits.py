"""Velocity limits: how far a feature may go before an action is due, whatever the score."""

from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import ClassVar

from alerting.checks import STRICTNESS, check_id, check_stricter
from alerting.conditions import ANY, Conditions
from alerting.currencies import ReferenceAmounts
from alerting.decision import Action
from alerting.reasons import Hit, policy_reason
from detectors.events import STRICT, Payment


@dataclass(frozen=True, slots=True)
class Limit:
    """Hit when the feature is above ``max``; with ``when``, for those payments only."""

    __pydantic_config__: ClassVar = STRICT

    id: str
    feature: str
    max: float
    action: Action
    when: Conditions = ANY

    def __post_init__(self) -> None:
        check_id(self.id)
        check_stricter("action", self.action)
        if not isfinite(self.max):
            raise ValueError(f"max: {self.max!r} is out of range; allowed: any finite number")


def feature_problem(feature: str, names: tuple[str, ...]) -> str | None:
    """What is wrong with the name of a feature, or ``None``."""
    if feature in names:
        return None
    near = get_close_matches(feature, names, n=5, cutoff=0.5) or names
    return f"{feature!r} is unknown; allowed: {', '.join(near)}{'' if near is names else ', ...'}"


class LimitChecks:
    """All limits, strictest first."""

    __slots__ = ("_limits",)

    def __init__(self, limits: tuple[Limit, ...], names: tuple[str, ...], amounts: ReferenceAmounts) -> None:
        ordered = sorted(limits, key=lambda limit: -STRICTNESS[limit.action])
        self._limits = tuple(
            (names.index(one.feature), one, one.when.matcher(amounts, unknown=True)) for one in ordered
        )

    def hits(self, payment: Payment, features: tuple[float, ...]) -> list[Hit]:
        """The limits that this payment breaks."""
        return [
            Hit(limit.id, limit.action, policy_reason("VELOCITY_LIMIT", limit.id, features[index], limit.max))
            for index, limit, fits in self._limits
            if features[index] > limit.max and fits(payment)
        ]
