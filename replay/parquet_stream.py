"""Event streams as one flat Parquet table of all event kinds.

The column ``kind`` names the event's type; every other column is a field of one or several types, laid out
as :mod:`replay.columns` says (a position is a struct of ``lat``, ``lon`` and ``accuracy_m``). A field that
an event's type does not have is null. Columns without any value may be left out, unknown ones are refused.

A file is written in row groups of 32,768 events, zstd-compressed and with page checksums, and read one batch
at a time. Parquet keeps its directory at the end, so a file cut short can't be read at all; a damaged row
group becomes one :class:`~replay.damage.StreamDamage` and the next ones are read.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, get_args

import numpy as np
import pyarrow as pa  # pyarrow ships no types
import pyarrow.compute as pc  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types

from detectors.edge_checks import edge_problems
from detectors.events import Merchant
from flows.codec import MAX_RECORD_BYTES, BadRecord, Event
from replay.columns import Refusal, arrow_type, columns_of, decode_rows, encode_rows, schema_of
from replay.damage import StreamDamage
from replay.errors import StreamError

ROW_GROUP: Final = 32_768
_BATCH: Final = 8_192
_KINDS: Final[dict[str, type]] = {event.kind: event for event in get_args(Event)}
_FIELDS: Final[pa.Schema] = schema_of(*_KINDS.values())
SCHEMA: Final[pa.Schema] = _FIELDS.insert(0, pa.field("kind", pa.string()))
"""The columns of an event stream."""

_ALSO_FITS: Final = {
    pa.string(): (pa.large_string(), pa.null()),
    pa.int64(): (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.null()),
    pa.float64(): (pa.float32(), pa.null()),
    pa.bool_(): (pa.null(),),
}
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError)


def read_table(path: Path, name: str) -> Iterator[tuple[int, Event | BadRecord]]:
    """The events of a Parquet file, each with its row, counted from 1.

    Raises
    ------
    StreamError
        When the file is no Parquet file, is cut short, or has other columns than an event stream.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        schema = file.schema_arrow
    except _DAMAGE as error:
        raise StreamError(f"{path}: is not a whole Parquet file: {_first_line(error)}") from error
    _check_schema(path, schema)
    return _read_groups(file, name)


def _check_schema(path: Path, schema: pa.Schema) -> None:
    for field in schema:
        if field.name not in SCHEMA.names:
            raise StreamError(f"{path}: column {field.name!r} is unknown; allowed: {', '.join(SCHEMA.names)}")
        wanted = SCHEMA.field(field.name).type
        if not _fits(field.type, wanted):
            raise StreamError(f"{path}: column {field.name!r} is {field.type}; allowed: {wanted}")
    if "kind" not in schema.names or len(set(schema.names)) < len(schema.names):
        raise StreamError(f"{path}: needs one column 'kind', and each column once")


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of one type is also one of the other: nothing is ever rounded or guessed."""
    if pa.types.is_dictionary(found):
        return _fits(found.value_type, wanted)
    if pa.types.is_struct(wanted):
        names = {part.name for part in wanted}
        return bool(pa.types.is_struct(found)) and all(
            part.name in names and _fits(part.type, wanted.field(part.name).type) for part in found
        )
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(is_list) and _fits(found.value_type, wanted.value_type)
    if pa.types.is_timestamp(found):
        return bool(pa.types.is_timestamp(wanted)) and found.tz == "UTC" and found.unit != "ns"
    return found == wanted or found in _ALSO_FITS.get(wanted, ())


def _read_groups(file: pq.ParquetFile, name: str) -> Iterator[tuple[int, Event | BadRecord]]:
    with file:
        row, lost = 1, 0
        for group in range(file.num_row_groups):
            start, rows = row, file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(_BATCH, row_groups=[group], use_threads=False):
                    yield from enumerate(_decode_batch(batch, name, row), row)
                    row += batch.num_rows
            except _DAMAGE as error:
                last = start + rows - 1
                reason = f"row group {group + 1}: the rows from here to row {last} are damaged"
                reason = f"{reason}: {_first_line(error)}"
                ends = group + 1 == file.num_row_groups
                yield row, StreamDamage(reason, f"{name} row {row}", b"", name, row - 1 - lost, stopped=ends)
                lost += start + rows - row
            row = start + rows


def _decode_batch(batch: pa.RecordBatch, name: str, first_row: int) -> list[Event | BadRecord]:
    arrays = {
        column: _settle(array, SCHEMA.field(column).type)
        for column, array in zip(batch.schema.names, batch.columns, strict=True)
        if array.null_count < batch.num_rows
    }
    kinds = arrays.pop("kind", pa.nulls(batch.num_rows, pa.string()))
    decoded: list[Any] = [Refusal((f"kind: missing; allowed: {', '.join(_KINDS)}",))] * batch.num_rows
    for kind in kinds.unique().drop_null().to_pylist():
        wanted = pc.equal(kinds, kind).fill_null(False)
        places = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
        alone = len(places) == batch.num_rows
        mine = arrays if alone else {column: array.filter(wanted) for column, array in arrays.items()}
        for place, value in zip(places.tolist(), _decode_kind(kind, mine, len(places)), strict=True):
            decoded[place] = value
    for index, value in enumerate(decoded):
        if isinstance(value, Refusal):
            origin = f"{name} row {first_row + index}"
            decoded[index] = BadRecord(value.reason, origin, _raw(batch.slice(index, 1)))
    return decoded


def _decode_kind(kind: str, arrays: dict[str, pa.Array], count: int) -> list[Any]:
    event = _KINDS.get(kind)
    if event is None:
        return [Refusal((f"kind: {kind[:32]!r} is unknown; allowed: {', '.join(_KINDS)}",))] * count
    rows = decode_rows(event, arrays, count)
    if event is Merchant:
        rows = [_unless_refused(row) for row in rows]
    known = {column.name for column in columns_of(event)}
    for name, array in arrays.items():
        if name not in known and array.null_count < count:
            for index in pc.indices_nonzero(array.is_valid()).to_pylist():
                before = rows[index].reasons if isinstance(rows[index], Refusal) else ()
                rows[index] = Refusal((*before, f"{name}: a {kind} has no such field"))
    return rows


def _unless_refused(row: Any) -> Any:
    problems = edge_problems(row)
    return Refusal(tuple(f"{name}: {message}" for name, message in problems.items())) if problems else row


def _settle(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    return array if array.type == wanted else array.cast(wanted)


def _raw(row: pa.RecordBatch) -> bytes:
    """What can be shown of a refused row."""
    members: dict[str, object] = {}
    for name, array in zip(row.schema.names, row.columns, strict=True):
        # A value that Python can't hold, such as the year 100000, is what the reason is about.
        with suppress(ValueError, OverflowError):
            (value,) = array.to_pylist()
            if value is not None:
                members[name] = value
    return json.dumps(members, default=str).encode()[:MAX_RECORD_BYTES]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class TableWriter:
    """Writes events into an open file, a row group at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True)
        self._waiting: list[Event] = []

    def write(self, event: Event) -> None:
        """Append one event."""
        self._waiting.append(event)
        if len(self._waiting) == ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what waits and the file's directory; the file itself stays open."""
        if self._waiting:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(to_table(self._waiting))
        self._waiting.clear()


def to_table(events: list[Event]) -> pa.Table:
    """The events as rows, in their order."""
    by_kind: dict[str, list[int]] = {}
    for index, event in enumerate(events):
        by_kind.setdefault(event.kind, []).append(index)
    parts = [_kind_table(kind, [events[index] for index in places]) for kind, places in by_kind.items()]
    table = pa.concat_tables([SCHEMA.empty_table(), *parts], promote_options="default")
    if len(parts) == 1:
        return table
    order = np.argsort(np.concatenate([np.array(places, np.int64) for places in by_kind.values()]))
    return table.take(pa.array(order))


def _kind_table(kind: str, events: list[Event]) -> pa.Table:
    record = _KINDS[kind]
    kinds = pa.repeat(pa.scalar(kind, pa.string()), len(events))
    fields = [(column.name, arrow_type(column.of)) for column in columns_of(record)]
    schema = pa.schema([("kind", pa.string()), *fields])
    return pa.table([kinds, *encode_rows(record, events)], schema=schema)
