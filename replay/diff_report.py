"""What a comparison of two runs found, as values, as JSON and as text."""

from dataclasses import asdict, dataclass, field

from replay.text_table import format_table


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
    def same(self) -> bool:
        """Whether both runs have the same decisions in the same order, bit by bit."""
        return not (self.only_a or self.only_b or self.changed or self.moved)

    def as_dict(self) -> dict[str, object]:
        """The report, ready for JSON."""
        return {"same": self.same, **asdict(self)}

    def as_text(self) -> str:
        """What differs, in a few short tables; one line if nothing does."""
        return _format(self)


def _format(report: DiffReport) -> str:
    if report.same:
        return f"The runs are identical: {report.rows_a:,} decisions."
    counts = [
        ("decisions in A", report.rows_a),
        ("decisions in B", report.rows_b),
        ("only in A", report.only_a),
        ("only in B", report.only_b),
        ("changed", report.changed),
        ("at another place in the order", report.moved),
    ]
    parts = [format_table(("", "count"), counts)]
    if report.fields:
        parts.append(format_table(("changed field", "decisions"), list(report.fields.items())))
    if report.action_flips:
        parts.append(format_table(("action in A -> B", "decisions"), list(report.action_flips.items())))
    shifts = [_shift("score", report.score), _shift("raw_score", report.raw_score)]
    if report.score.count or report.raw_score.count:
        parts.append(format_table(("shift (B - A)", "decisions", "mean", "mean size", "largest"), shifts))
    parts += [f"First difference\n{_describe(report.first)}"] if report.first else []
    return "\n\n".join(parts)


def _shift(name: str, shift: ScoreShift) -> tuple[object, ...]:
    return name, shift.count, shift.mean, shift.mean_absolute, shift.largest


def _describe(difference: Difference) -> str:
    in_a, in_b = _or_none(difference.log_position_a), _or_none(difference.log_position_b)
    lines = [
        f"transaction {difference.transaction_id} of tenant {difference.tenant} at {difference.event_time}",
        f"log position {in_a} in A, {in_b} in B",
    ]
    lines += [f"{name}: {a} -> {b}" for name, (a, b) in difference.fields.items()]
    return "\n".join(lines)


def _or_none(position: int | None) -> str:
    return "none" if position is None else str(position)
