"""Which decisions of two runs differ, and how.

Decisions are matched by tenant and transaction id; where a transaction has several rows, the first goes with
the first and so on. As long as both files have the same transactions in the same order, one block of rows of
each is held at a time. From the block where their order parts, the rest of both is held in memory.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # pyarrow ships no types
from numpy.typing import NDArray

from alerting.decision import Decision
from replay.column_compare import differs
from replay.columns import schema_of
from replay.decisions import DECISIONS_FILE, read_batches
from replay.diff_report import Difference, DiffReport, ScoreShift

COMPARED: Final[tuple[str, ...]] = tuple(schema_of(Decision).names)
_BLOCK: Final = 16_384
_EXAMPLES: Final = 10


def diff_runs(a: Path, b: Path) -> DiffReport:
    """How the decisions in folder ``b`` differ from those in folder ``a``.

    Raises
    ------
    RunError
        When a file is missing or damaged.
    """
    comparison = _Comparison()
    rest_a, rest_b = _compare_in_step(comparison, _blocks(a), _blocks(b))
    _compare_rest(comparison, rest_a, _hold(rest_b))
    return comparison.finish()


def _blocks(folder: Path) -> Iterator[pa.RecordBatch]:
    return read_batches(folder / DECISIONS_FILE, list(COMPARED), _BLOCK)


def _compare_in_step(
    comparison: "_Comparison", a: Iterator[pa.RecordBatch], b: Iterator[pa.RecordBatch]
) -> tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]:
    """Compare as long as both have the same ids in the same order; what is left of both."""
    block_a, block_b = next(a, None), next(b, None)
    while block_a is not None and block_b is not None:
        length = min(block_a.num_rows, block_b.num_rows)
        head_a, head_b = block_a.slice(0, length), block_b.slice(0, length)
        if not _ids(head_a).equals(_ids(head_b)):
            break
        comparison.add(head_a, head_b)
        block_a, block_b = block_a.slice(length), block_b.slice(length)
        block_a = block_a if block_a.num_rows else next(a, None)
        block_b = block_b if block_b.num_rows else next(b, None)
    return _with_head(block_a, a), _with_head(block_b, b)


def _with_head(head: pa.RecordBatch | None, tail: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return tail if head is None else chain([head], tail)


def _hold(blocks: Iterator[pa.RecordBatch]) -> pa.Table | None:
    held = list(blocks)
    return pa.Table.from_batches(held) if held else None


def _ids(rows: pa.RecordBatch | pa.Table) -> pa.Array:
    """Tenant and transaction id in one text; neither can hold a zero byte."""
    return pc.binary_join_element_wise(rows["tenant"], rows["transaction_id"], "\x00")


def _compare_rest(comparison: "_Comparison", a: Iterator[pa.RecordBatch], held_b: pa.Table | None) -> None:
    held_a = _hold(a)
    if held_a is None or held_b is None:
        _add_alone(comparison, held_a, held_b)
        return
    ids_a, ids_b = _distinct(_ids(held_a).combine_chunks()), _distinct(_ids(held_b).combine_chunks())
    place = pc.index_in(ids_a, value_set=ids_b)
    matched = place.is_valid()
    place_b = place.drop_null().to_numpy()
    alone_b = np.ones(held_b.num_rows, np.bool_)
    alone_b[place_b] = False
    _add_alone(comparison, held_a.filter(pc.invert(matched)), held_b.filter(pa.array(alone_b)))
    if len(place_b):
        behind = np.maximum.accumulate(place_b)
        comparison.report.moved += int(np.count_nonzero(place_b < behind))
    common_a, common_b = held_a.filter(matched), held_b.take(pa.array(place_b))
    for start in range(0, len(place_b), _BLOCK):
        comparison.add(_block(common_a, start), _block(common_b, start))


def _add_alone(comparison: "_Comparison", a: pa.Table | None, b: pa.Table | None) -> None:
    if a is not None:
        comparison.add_alone(a, in_a=True)
    if b is not None:
        comparison.add_alone(b, in_a=False)


def _block(table: pa.Table, start: int) -> pa.RecordBatch:
    return table.slice(start, _BLOCK).combine_chunks().to_batches()[0]


def _distinct(ids: pa.Array) -> pa.Array:
    """The ids, with its number behind each repetition; a first row keeps the bare id."""
    codes = ids.dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    numbers = np.empty(len(codes), np.int64)
    numbers[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    repeated = pa.array(numbers)
    numbered = pc.binary_join_element_wise(ids, repeated.cast(pa.string()), "\x00")
    return pc.if_else(pc.greater(repeated, 0), numbered, ids)


class _Comparison:
    """Adds up the differences of matched blocks of rows."""

    def __init__(self) -> None:
        self.report = DiffReport()
        self._fields: Counter[str] = Counter()
        self._flips: Counter[str] = Counter()
        self._differences: list[Difference] = []

    def add(self, a: pa.RecordBatch, b: pa.RecordBatch) -> None:
        """Compare two blocks whose rows belong together one by one."""
        report = self.report
        report.rows_a += a.num_rows
        report.rows_b += b.num_rows
        found = {name: differs(a[name], b[name]) for name in COMPARED}
        changed = np.logical_or.reduce(list(found.values()))
        if not changed.any():
            return
        report.changed += int(changed.sum())
        self._fields.update({name: int(flags.sum()) for name, flags in found.items() if flags.any()})
        flipped = np.flatnonzero(found["action"])
        flips = zip(*(side["action"].take(pa.array(flipped)).to_pylist() for side in (a, b)), strict=True)
        self._flips.update(f"{before} -> {after}" for before, after in flips)
        _shift(report.score, a["score"], b["score"], found["score"])
        _shift(report.raw_score, a["raw_score"], b["raw_score"], found["raw_score"])
        wanted = max(0, _EXAMPLES - len(self._differences))
        for row in np.flatnonzero(changed)[:wanted].tolist():
            names = [name for name in COMPARED if found[name][row]]
            self._differences.append(_difference(a.slice(row, 1), b.slice(row, 1), names))

    def add_alone(self, rows: pa.Table, in_a: bool) -> None:
        """Count rows that only one run has."""
        report = self.report
        if in_a:
            report.rows_a += rows.num_rows
            report.only_a += rows.num_rows
        else:
            report.rows_b += rows.num_rows
            report.only_b += rows.num_rows
        for start in range(min(_EXAMPLES, rows.num_rows)):
            row = _block(rows.slice(start, 1), 0)
            self._differences.append(_difference(row if in_a else None, None if in_a else row, []))

    def finish(self) -> DiffReport:
        """The report, with the means worked out and the earliest differences picked."""
        report = self.report
        report.fields = {name: self._fields[name] for name in COMPARED if name in self._fields}
        report.action_flips = dict(sorted(self._flips.items()))
        for shift in (report.score, report.raw_score):
            shift.mean /= max(1, shift.count)
            shift.mean_absolute /= max(1, shift.count)
        report.examples = sorted(self._differences, key=_position)[:_EXAMPLES]
        report.first = report.examples[0] if report.examples else None
        return report


def _position(difference: Difference) -> int:
    known = (difference.log_position_a, difference.log_position_b)
    return min(position for position in known if position is not None)


def _shift(shift: ScoreShift, a: pa.Array, b: pa.Array, changed: NDArray[np.bool_]) -> None:
    # The means hold sums until the comparison is finished.
    move = (b.to_numpy() - a.to_numpy())[changed]
    if len(move):
        shift.count += len(move)
        shift.mean += float(move.sum())
        shift.mean_absolute += float(np.abs(move).sum())
        shift.largest = max(shift.largest, float(np.abs(move).max()))


def _difference(a: pa.RecordBatch | None, b: pa.RecordBatch | None, names: list[str]) -> Difference:
    values_a, values_b = _values(a), _values(b)
    either = values_a or values_b
    return Difference(
        transaction_id=either["transaction_id"],
        tenant=either["tenant"],
        event_time=either["event_time"].isoformat(),
        log_position_a=values_a.get("log_position"),
        log_position_b=values_b.get("log_position"),
        fields={name: (str(values_a[name]), str(values_b[name])) for name in names},
    )


def _values(row: pa.RecordBatch | None) -> dict[str, Any]:
    return {} if row is None else row.to_pylist()[0]
