"""A comparison of two runs as plain text for people: what matters to a tester comes first."""

from textwrap import fill
from typing import Final

from replay.alert_diff import alert_diff_text
from replay.diff_report import VERSION_FIELDS, Difference, DiffReport, ScoreShift
from replay.text_table import format_table

_WIDTH: Final = 80


def format_diff(report: DiffReport) -> str:
    """Action flips, shift of the scores, where the runs part, and counts; one line if nothing differs."""
    if report.same_decisions:
        return _same_decisions(report)
    parts = []
    if report.action_flips:
        total = ("all", sum(report.action_flips.values()))
        parts.append(format_table(("action in A -> B", "decisions"), [*report.action_flips.items(), total]))
    if report.score.count or report.raw_score.count:
        shifts = [_shift("score", report.score), _shift("raw_score", report.raw_score)]
        parts.append(format_table(("shift (B - A)", "decisions", "mean", "mean size", "largest"), shifts))
    if report.first_flip is not None:
        parts.append(_describe("First action flip", report.first_flip))
    if report.first is not None and report.first == report.first_flip:
        parts.append("The first action flip is also the first difference.")
    elif report.first is not None:
        parts.append(_describe("First difference", report.first))
    parts.append(_counts(report))
    changed = [item for item in report.fields.items() if item[0] not in VERSION_FIELDS]
    if changed:
        parts.append(format_table(("changed field", "decisions"), changed))
    parts += [_versions(report)] if report.fields.keys() & set(VERSION_FIELDS) else []
    if report.alerts is not None and not report.alerts.identical:
        parts.append(alert_diff_text(report.alerts))
    return "\n\n".join(parts)


def _same_decisions(report: DiffReport) -> str:
    decisions = f"{report.rows_a:,} decisions"
    if report.alerts is None:
        return f"The runs are identical: {decisions}. Alerts are not compared: a run has none on record."
    if report.alerts.identical:
        return f"The runs are identical: {decisions}, {report.alerts.rows_a:,} alert candidates."
    return (
        f"The decisions are identical ({decisions}), the alerts are not.\n\n{alert_diff_text(report.alerts)}"
    )


def _shift(name: str, shift: ScoreShift) -> tuple[object, ...]:
    return name, shift.count, shift.mean, shift.mean_absolute, shift.largest


def _counts(report: DiffReport) -> str:
    rows = [
        ("decisions in A", report.rows_a),
        ("decisions in B", report.rows_b),
        ("only in A", report.only_a),
        ("only in B", report.only_b),
        ("changed, versions aside", report.changed - report.version_only),
        ("at another place in the order", report.moved),
    ]
    return format_table(("", "count"), rows)


def _versions(report: DiffReport) -> str:
    """One line on what two policies or models make differ in every decision."""
    named = [f"{name} in {report.fields[name]:,}" for name in VERSION_FIELDS if name in report.fields]
    return f"Versions: {', '.join(named)}; nothing else in {report.version_only:,}."


def _describe(title: str, difference: Difference) -> str:
    who = f"transaction {difference.transaction_id} of tenant {difference.tenant}"
    in_a, in_b = _or_none(difference.log_position_a), _or_none(difference.log_position_b)
    where = f"at {difference.event_time}, log position {in_a} in A, {in_b} in B"
    sides = {"action": difference.action, "score": difference.score, **difference.fields}
    only_versions = difference.fields.keys() <= set(VERSION_FIELDS)
    lines = [title, f"  {who}", f"  {where}"]
    for name, (a, b) in sides.items():
        if name not in difference.fields and a == b:
            lines.append(f"  {name}: {_brief(a)} in both")
        elif only_versions or name not in VERSION_FIELDS:
            lines += _both(name, _brief(a), _brief(b))
    return "\n".join(lines)


def _both(name: str, a: str, b: str) -> list[str]:
    if a == b:
        return [f"  {name}: {a}, not in every detail; --json has them"]
    line = f"  {name}: {a} -> {b}"
    if len(line) <= _WIDTH:
        return [line]
    return [f"  {name}", *(_indented(f"{side}: {text}") for side, text in (("A", a), ("B", b)))]


def _indented(text: str) -> str:
    return fill(text, _WIDTH, initial_indent="    ", subsequent_indent="       ")


def _brief(value: object) -> str:
    """A value of a decision in few words: of a reason its code and weight, of a record what it has."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        if "code" in value:
            return f"{value['code']} {value['weight']:.0%}"
        return ", ".join(f"{key} {_brief(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_brief, value)) or "none"
    return str(value)


def _or_none(position: int | None) -> str:
    return "none" if position is None else str(position)
