"""What to answer while the engine can't: the declared matrix of tenant, amount band and cause."""

from dataclasses import dataclass
from typing import ClassVar

from alerting.checks import check_stricter, strictest
from alerting.conditions import ANY, Conditions
from alerting.currencies import ReferenceAmounts
from alerting.decision import Action, FallbackCause
from detectors.events import STRICT, Payment


@dataclass(frozen=True, slots=True)
class FallbackRow:
    """One row: the payments (``when``) and causes it is for, and its answer.

    A row may approve, because the answer is labelled and counted as a fallback; but never without bound.
    """

    __pydantic_config__: ClassVar = STRICT

    action: Action
    when: Conditions = ANY
    cause: tuple[FallbackCause, ...] | None = None

    def __post_init__(self) -> None:
        if self.cause == ():
            raise ValueError("cause: [] fits no answer; allowed: one cause or more")
        if self.action is Action.APPROVE and self.when.max_amount is None:
            raise ValueError("when.max_amount: missing in a row that approves; allowed: an amount")


@dataclass(frozen=True, slots=True)
class FallbackMatrix:
    """The first row that fits answers, else ``default``."""

    __pydantic_config__: ClassVar = STRICT

    default: Action = Action.STEP_UP
    rows: tuple[FallbackRow, ...] = ()

    def __post_init__(self) -> None:
        check_stricter("default", self.default)


class FallbackTable:
    """The matrix, ready to be asked."""

    __slots__ = ("_default", "_rated", "_rows")

    def __init__(self, matrix: FallbackMatrix, amounts: ReferenceAmounts) -> None:
        self._rated = amounts.rated
        self._default = matrix.default
        self._rows = tuple(
            (
                frozenset(FallbackCause if row.cause is None else row.cause),
                row.when.matcher(amounts, unknown=True),
                row.when.has_band,
                row.action,
            )
            for row in matrix.rows
        )

    def action(self, payment: Payment, cause: FallbackCause) -> Action:
        """The declared answer; the strictest that may be meant where the amount has no reference rate."""
        sofar, is_known = Action.APPROVE, payment.currency in self._rated
        for causes, may_fit, has_band, action in self._rows:
            if cause in causes and may_fit(payment):
                sofar = strictest(sofar, action)
                if is_known or not has_band:
                    return sofar
        return strictest(sofar, self._default)
