"""What a comparison of two runs found, as values and as JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Final

from replay.alert_diff import AlertDiff

VERSION_FIELDS: Final = ("model_version", "policy_version", "feature_version")
"""What names the makers of a decision; two policies differ here in every single one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that differs: where, and which fields with their values in A and B.

    ``action`` and ``score`` are those of A and B, changed or not; ``None`` where a run lacks the decision.
    """

    transaction_id: str
    tenant: str
    event_time: str
    log_position_a: int | None
    log_position_b: int | None
    action: tuple[str | None, str | None]
    score: tuple[float | None, float | None]
    fields: dict[str, tuple[object, object]]


@dataclass(slots=True)
class ScoreShift:
    """How far one kind of score moved, over the decisions whose score differs (B minus A)."""

    count: int = 0
    mean: float = 0.0
    mean_absolute: float = 0.0
    largest: float = 0.0


@dataclass(slots=True)
class DiffReport:
    """How the decisions of run B differ from those of run A.

    ``changed`` counts every decision with any difference; ``version_only`` those among them that differ in
    nothing but their policy, model or feature version. Such a one is ``first`` or an example only where no
    decision differs in more. ``alerts`` is None where one of the runs has no alerts on record.
    """

    rows_a: int = 0
    rows_b: int = 0
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    version_only: int = 0
    moved: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    action_flips: dict[str, int] = field(default_factory=dict)
    score: ScoreShift = field(default_factory=ScoreShift)
    raw_score: ScoreShift = field(default_factory=ScoreShift)
    first: Difference | None = None
    first_flip: Difference | None = None
    examples: list[Difference] = field(default_factory=list)
    alerts: AlertDiff | None = None

    @property
    def identical(self) -> bool:
        """Whether both runs have the same decisions and alerts in the same order, bit by bit."""
        return self.same_decisions and (self.alerts is None or self.alerts.identical)

    @property
    def same_decisions(self) -> bool:
        """Whether they have the same decisions."""
        return not (self.only_a or self.only_b or self.changed or self.moved)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps({"identical": self.identical, **asdict(self)}, indent=2, default=str)
