"""What a comparison of two runs found, as values and as JSON."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that differs: where, and which fields with their values in A and B."""

    transaction_id: str
    tenant: str
    event_time: str
    log_position_a: int | None
    log_position_b: int | None
    fields: dict[str, tuple[str, str]]


@dataclass(slots=True)
class ScoreShift:
    """How far one kind of score moved, over the decisions whose score differs (B minus A)."""

    count: int = 0
    mean: float = 0.0
    mean_absolute: float = 0.0
    largest: float = 0.0


@dataclass(slots=True)
class DiffReport:
    """How the decisions of run B differ from those of run A."""

    rows_a: int = 0
    rows_b: int = 0
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    moved: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    action_flips: dict[str, int] = field(default_factory=dict)
    score: ScoreShift = field(default_factory=ScoreShift)
    raw_score: ScoreShift = field(default_factory=ScoreShift)
    first: Difference | None = None
    examples: list[Difference] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether both runs have the same decisions in the same order, bit by bit."""
        return not (self.only_a or self.only_b or self.changed or self.moved)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps({"identical": self.identical, **asdict(self)}, indent=2)
