"""From a score to an action: thresholds, and the segments of payments that have their own."""

from dataclasses import dataclass
from typing import ClassVar

from alerting.checks import check_id, check_number
from alerting.conditions import ANY, Conditions
from alerting.currencies import ReferenceAmounts
from alerting.decision import Action
from detectors.events import STRICT, Payment

NEVER = 101.0
"""A threshold that no score reaches."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score (0..100) on an action is taken: the strictest one reached. 101 is never reached."""

    __pydantic_config__: ClassVar = STRICT

    step_up: float
    review: float
    decline: float

    def __post_init__(self) -> None:
        check_number("step_up", self.step_up, 0.0, NEVER)
        check_number("review", self.review, 0.0, NEVER)
        check_number("decline", self.decline, 0.0, NEVER)
        if not self.step_up <= self.review <= self.decline:
            raise ValueError(
                f"step_up, review, decline: {self.step_up:g}, {self.review:g}, {self.decline:g} "
                "are out of order; allowed: step_up <= review <= decline"
            )

    def action(self, score: float) -> Action:
        """What the score alone asks for.

        >>> Thresholds(75, 90, 97).action(90.0)
        <Action.REVIEW: 'REVIEW'>
        """
        # Asked with < in this order, a score that is not a number ends at DECLINE, never at APPROVE.
        if score < self.step_up:
            return Action.APPROVE
        if score < self.review:
            return Action.STEP_UP
        return Action.REVIEW if score < self.decline else Action.DECLINE


@dataclass(frozen=True, slots=True)
class Segment:
    """Payments with thresholds of their own; a threshold that is left out stays the general one."""

    __pydantic_config__: ClassVar = STRICT

    id: str
    when: Conditions
    step_up: float | None = None
    review: float | None = None
    decline: float | None = None

    def __post_init__(self) -> None:
        check_id(self.id)
        for name in ("step_up", "review", "decline"):
            value = getattr(self, name)
            if value is not None:
                check_number(name, value, 0.0, NEVER)
        if self.step_up is None and self.review is None and self.decline is None:
            raise ValueError("step_up, review, decline: all missing; allowed: at least one of them")
        if self.when == ANY:
            raise ValueError("when: names no condition; allowed: one or more, or else [thresholds]")

    def thresholds(self, general: Thresholds) -> Thresholds:
        """The general thresholds with this segment's own in their place."""
        return Thresholds(
            general.step_up if self.step_up is None else self.step_up,
            general.review if self.review is None else self.review,
            general.decline if self.decline is None else self.decline,
        )


class SegmentedThresholds:
    """The thresholds that hold for a payment: those of the first segment that fits, else the general ones.

    Without a reference rate a payment may be in any amount band: each threshold is then the lowest of those
    that may hold.
    """

    __slots__ = ("_general", "_possible", "_rated", "_segments")

    def __init__(self, general: Thresholds, segments: tuple[Segment, ...], amounts: ReferenceAmounts) -> None:
        self._general = general
        self._rated = amounts.rated
        self._segments = tuple((s.when.matcher(amounts), s.thresholds(general)) for s in segments)
        self._possible = tuple(
            (s.when.matcher(amounts, unknown=True), s.when.has_band, s.thresholds(general)) for s in segments
        )

    def of(self, payment: Payment) -> Thresholds:
        """The thresholds for this payment."""
        if payment.currency not in self._rated:
            return self._strictest(payment)
        for fits, thresholds in self._segments:
            if fits(payment):
                return thresholds
        return self._general

    def _strictest(self, payment: Payment) -> Thresholds:
        candidates = []
        for may_fit, has_band, thresholds in self._possible:
            if may_fit(payment):
                candidates.append(thresholds)
                if not has_band:
                    break
        else:
            candidates.append(self._general)
        return Thresholds(
            min(one.step_up for one in candidates),
            min(one.review for one in candidates),
            min(one.decline for one in candidates),
        )
