"""A comparison of two runs as plain text for people."""

from replay.diff_report import Difference, DiffReport, ScoreShift
from replay.text_table import format_table


def format_diff(report: DiffReport) -> str:
    """What differs, in a few short tables; one line if nothing does."""
    if report.identical:
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
