"""Which alerts of two runs differ. Candidates are matched by alert id, the first with the first and so on."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.codec import encode_alert, plain_alert
from replay.alerts import ALERTS_FILE, CandidateRow, candidate_line, read_alerts
from replay.text_table import format_table

_EXAMPLES: Final = 5


@dataclass(slots=True)
class AlertDiff:
    """How the candidate alerts of run B differ from those of run A; ``flips`` counts other ends by kind."""

    rows_a: int = 0
    rows_b: int = 0
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    moved: int = 0
    flips: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether both have the same candidates with the same ends in the same order."""
        return not (self.only_a or self.only_b or self.changed or self.moved)


class _Known(NamedTuple):
    place: int
    end: str
    content: bytes
    words: str


def diff_alerts(a: Path, b: Path) -> AlertDiff | None:
    """How the alerts in folder ``b`` differ from those in folder ``a``; None where one has none on record.

    Raises
    ------
    RunError
        When a file is damaged.
    """
    if not ((a / ALERTS_FILE).exists() and (b / ALERTS_FILE).exists()):
        return None
    of_a, of_b = _by_id(a), _by_id(b)
    report = AlertDiff(len(of_a), len(of_b))
    report.only_a = len(of_a.keys() - of_b.keys())
    report.only_b = len(of_b.keys() - of_a.keys())
    flips: Counter[str] = Counter()
    shown: dict[tuple[str, int], int] = {}
    last = -1
    for name, before in of_a.items():
        after = of_b.get(name)
        if after is None:
            _note(report, f"only in A: {before.words}")
            continue
        report.moved += after.place < last
        last = max(last, after.place)
        if before.content != after.content:
            report.changed += 1
            if len(report.examples) < _EXAMPLES:
                shown[name] = len(report.examples)
                _note(report, f"changed: {before.words} -> {after.words}")
        if before.end != after.end:
            flips[f"{before.end} -> {after.end}"] += 1
    for name, after in of_b.items():
        if name not in of_a:
            _note(report, f"only in B: {after.words}")
    report.flips = dict(sorted(flips.items()))
    for name, at in shown.items():
        report.examples[at] += _changes(_plain(a, of_a[name].place), _plain(b, of_b[name].place))
    return report


def _plain(folder: Path, place: int) -> dict[str, Any]:
    """The alert at a place of a run, as plain values."""
    alert = plain_alert(next(islice(read_alerts(folder), place, None)).alert)
    details = alert.pop("payment") or alert.pop("proximity")
    return {**alert, **details}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What changed in the alert itself, by field; of reasons and other lists no more than the name."""
    changed = [
        name if isinstance(before.get(name), list) else f"{name} {before.get(name)} -> {after.get(name)}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]
    return f"; {', '.join(changed)}" if changed else ""


def alert_diff_text(report: AlertDiff) -> str:
    """The report for people."""
    rows = [
        ("alert candidates in A", report.rows_a),
        ("alert candidates in B", report.rows_b),
        ("only in A", report.only_a),
        ("only in B", report.only_b),
        ("changed", report.changed),
        ("at another place in the order", report.moved),
        *report.flips.items(),
    ]
    return "\n".join([format_table(("alerts", "count"), rows), *report.examples])


def _note(report: AlertDiff, words: str) -> None:
    if len(report.examples) < _EXAMPLES:
        report.examples.append(f"  {words}")


def _by_id(folder: Path) -> dict[tuple[str, int], _Known]:
    seen: Counter[str] = Counter()
    found = {}
    for place, row in enumerate(read_alerts(folder)):
        name = row.alert.alert_id
        found[name, seen[name]] = _known(place, row)
        seen[name] += 1
    return found


def _known(place: int, row: CandidateRow) -> _Known:
    line = candidate_line(encode_alert(row.alert), row.suppressed)
    end = row.suppressed or "sent"
    content = blake2b(b"%d %b" % (row.seq, line), digest_size=16).digest()
    words = f"{row.alert.alert_id} {row.alert.kind} {end} at log position {row.alert.log_position}"
    return _Known(place, end, content, words)
