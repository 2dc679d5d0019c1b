"""Which decisions of two runs differ, and how.

Decisions are matched by tenant and transaction id; where a transaction has several rows, the first goes with
the first and so on. As long as both files have the same transactions in the same order, one block of rows of
each is held at a time. From the block where their order parts, the ids of the rest are held, and as many rows
as lie between the places of one block's rows in the other file.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa  # pyarrow ships no types
import pyarrow.compute as pc  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types
from numpy.typing import NDArray

from alerting.decision import Decision
from replay.alert_diff import diff_alerts
from replay.column_compare import differs
from replay.columns import schema_of
from replay.decisions import DECISIONS_FILE, open_table, read_batches
from replay.diff_report import VERSION_FIELDS, Difference, DiffReport, ScoreShift

COMPARED: Final[list[str]] = schema_of(Decision).names
MORE_THAN_VERSIONS: Final = [name for name in COMPARED if name not in VERSION_FIELDS]
_BLOCK: Final = 16_384
_EXAMPLES: Final = 10
_Numbers = NDArray[np.int64]
_Flags = NDArray[np.bool_]


def diff_runs(a: Path, b: Path) -> DiffReport:
    """How the decisions and alerts in folder ``b`` differ from those in folder ``a``.

    Raises
    ------
    RunError
        When a file is missing or damaged.
    """
    comparison = _Comparison()
    path_a, path_b = a / DECISIONS_FILE, b / DECISIONS_FILE
    done = _compare_in_step(comparison, path_a, path_b)
    places = _match(_ids_from(path_a, done), _ids_from(path_b, done))
    if len(places.of_a):
        _compare_rest(comparison, path_a, path_b, done, places)
    _add_alone(comparison, path_b, done, places.alone_in_b)
    report = comparison.finish()
    report.alerts = diff_alerts(a, b)
    return report


def _compare_in_step(comparison: "_Comparison", path_a: Path, path_b: Path) -> int:
    """Compare as long as both have the same ids in the same order; the number of rows compared."""
    a, b = read_batches(path_a, COMPARED, _BLOCK), read_batches(path_b, COMPARED, _BLOCK)
    block_a, block_b = next(a, None), next(b, None)
    done = 0
    while block_a is not None and block_b is not None:
        length = min(block_a.num_rows, block_b.num_rows)
        head_a, head_b = block_a.slice(0, length), block_b.slice(0, length)
        if not _ids(head_a).equals(_ids(head_b)):
            break
        comparison.add(head_a, head_b)
        done += length
        block_a, block_b = block_a.slice(length), block_b.slice(length)
        block_a = block_a if block_a.num_rows else next(a, None)
        block_b = block_b if block_b.num_rows else next(b, None)
    return done


def _ids(rows: pa.RecordBatch) -> pa.Array:
    """Tenant and transaction id in one text; neither can hold a zero byte."""
    return pc.binary_join_element_wise(rows["tenant"], rows["transaction_id"], "\x00")


def _ids_from(path: Path, start: int) -> pa.Array:
    blocks = [_ids(block) for _, block in _blocks_from(path, start, ["tenant", "transaction_id"])]
    return _distinct(pa.chunked_array(blocks, pa.string()).combine_chunks())


def _blocks_from(path: Path, start: int, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows from ``start`` on in blocks, each with the number of rows between ``start`` and itself."""
    at = -start
    for block in read_batches(path, columns, _BLOCK):
        if at + block.num_rows > 0:
            yield max(at, 0), block.slice(max(-at, 0))
        at += block.num_rows


@dataclass(frozen=True, slots=True)
class _Places:
    """For each row of A its row in B, or -1; and whether a row of B has none in A."""

    of_a: _Numbers
    alone_in_b: _Flags


def _match(ids_a: pa.Array, ids_b: pa.Array) -> _Places:
    of_a = np.asarray(pc.index_in(ids_a, value_set=ids_b).fill_null(-1).to_numpy(), np.int64)
    alone = np.ones(len(ids_b), np.bool_)
    alone[of_a[of_a >= 0]] = False
    return _Places(of_a, alone)


def _compare_rest(comparison: "_Comparison", path_a: Path, path_b: Path, start: int, places: _Places) -> None:
    common = places.of_a[places.of_a >= 0]
    comparison.report.moved = int(np.count_nonzero(common < np.maximum.accumulate(common)))
    with open_table(path_b, COMPARED) as file:
        rows_of_b = _RowReader(file)
        for at, block in _blocks_from(path_a, start, COMPARED):
            wanted = places.of_a[at : at + block.num_rows]
            comparison.add_alone(block.filter(pa.array(wanted < 0)), in_a=True)
            if (wanted >= 0).any():
                found = rows_of_b.take(start + wanted[wanted >= 0])
                comparison.add(block.filter(pa.array(wanted >= 0)), found)


def _add_alone(comparison: "_Comparison", path: Path, start: int, alone: _Flags) -> None:
    if alone.any():
        for at, block in _blocks_from(path, start, COMPARED):
            comparison.add_alone(block.filter(pa.array(alone[at : at + block.num_rows])), in_a=False)


class _RowReader:
    """Rows of a file by their numbers; reads only the row groups that hold them."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._ends = np.cumsum(counts)

    def take(self, rows: _Numbers) -> pa.RecordBatch:
        """The rows in the order of their numbers given."""
        first, last = np.searchsorted(self._ends, [rows.min(), rows.max()], side="right").tolist()
        table = self._file.read_row_groups(range(first, last + 1), columns=COMPARED).select(COMPARED)
        before = int(self._ends[first - 1]) if first else 0
        return table.take(pa.array(rows - before)).combine_chunks().to_batches()[0]


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
        self._version_only: list[Difference] = []

    def add(self, a: pa.RecordBatch, b: pa.RecordBatch) -> None:
        """Compare two blocks whose rows belong together one by one."""
        report = self.report
        report.rows_a += a.num_rows
        report.rows_b += b.num_rows
        found = {name: differs(a[name], b[name]) for name in COMPARED}
        changed = _any_of(found, COMPARED)
        if not changed.any():
            return
        more = _any_of(found, MORE_THAN_VERSIONS)
        self._fields.update({name: int(flags.sum()) for name, flags in found.items() if flags.any()})
        self._add_flips(a, b, found)
        _shift(report.score, a["score"], b["score"], found["score"])
        _shift(report.raw_score, a["raw_score"], b["raw_score"], found["raw_score"])
        self._differences += _first_of(a, b, found, more, _EXAMPLES - report.changed + report.version_only)
        self._version_only += _first_of(a, b, found, changed & ~more, _EXAMPLES - report.version_only)
        report.changed += int(changed.sum())
        report.version_only += int((changed & ~more).sum())

    def _add_flips(self, a: pa.RecordBatch, b: pa.RecordBatch, found: dict[str, _Flags]) -> None:
        flipped = np.flatnonzero(found["action"])
        flips = zip(*(side["action"].take(pa.array(flipped)).to_pylist() for side in (a, b)), strict=True)
        self._flips.update(f"{before} -> {after}" for before, after in flips)
        first = [self.report.first_flip] if self.report.first_flip is not None else []
        first += _first_of(a, b, found, found["action"], 1)
        self.report.first_flip = min(first, key=_position, default=None)

    def add_alone(self, rows: pa.RecordBatch, in_a: bool) -> None:
        """Count rows that only one run has."""
        report = self.report
        known = report.only_a if in_a else report.only_b
        for row in range(min(rows.num_rows, _EXAMPLES - known)):
            one = rows.slice(row, 1)
            self._differences.append(_difference(one if in_a else None, None if in_a else one, []))
        if in_a:
            report.rows_a += rows.num_rows
            report.only_a += rows.num_rows
        else:
            report.rows_b += rows.num_rows
            report.only_b += rows.num_rows

    def finish(self) -> DiffReport:
        """The report, with the means worked out and the earliest differences picked."""
        report = self.report
        report.fields = {name: self._fields[name] for name in COMPARED if name in self._fields}
        report.action_flips = dict(sorted(self._flips.items(), key=lambda flip: (-flip[1], flip[0])))
        for shift in (report.score, report.raw_score):
            shift.mean /= max(1, shift.count)
            shift.mean_absolute /= max(1, shift.count)
        report.examples = sorted(self._differences or self._version_only, key=_position)[:_EXAMPLES]
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


def _any_of(found: dict[str, _Flags], names: list[str]) -> _Flags:
    return np.asarray(np.logical_or.reduce([found[name] for name in names]), np.bool_)


def _first_of(
    a: pa.RecordBatch, b: pa.RecordBatch, found: dict[str, _Flags], wanted: _Flags, most: int
) -> list[Difference]:
    """The first rows that are wanted, ``most`` of them at most."""
    return [
        _difference(a.slice(row, 1), b.slice(row, 1), [name for name in COMPARED if found[name][row]])
        for row in np.flatnonzero(wanted)[: max(0, most)].tolist()
    ]


def _difference(a: pa.RecordBatch | None, b: pa.RecordBatch | None, names: list[str]) -> Difference:
    values_a, values_b = _values(a), _values(b)
    either = values_a or values_b
    return Difference(
        transaction_id=either["transaction_id"],
        tenant=either["tenant"],
        event_time=either["event_time"].isoformat(),
        log_position_a=values_a.get("log_position"),
        log_position_b=values_b.get("log_position"),
        action=(values_a.get("action"), values_b.get("action")),
        score=(values_a.get("score"), values_b.get("score")),
        fields={name: (values_a[name], values_b[name]) for name in names},
    )


def _values(row: pa.RecordBatch | None) -> dict[str, Any]:
    return {} if row is None else row.to_pylist()[0]
