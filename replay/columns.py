"""Dataclasses as Arrow columns and back, without a detour through JSON.

A dataclass becomes one column per field, of the field's name and this type:

=====================  ==============================
field                  column
=====================  ==============================
``str``, enumerations  ``string``
``int``                ``int64``
``float``              ``double``
``bool``               ``bool``
``datetime``           ``timestamp[us, tz=UTC]``
another dataclass      ``struct`` of its own columns
tuple of any of these  ``list``
=====================  ==============================

``None`` is null. A null in a field that has a default stands for the default, as an absent member does in
JSON. Reading is strict: a row whose values its dataclass refuses comes back as a :class:`Refusal`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from itertools import accumulate, chain, count, repeat
from operator import attrgetter
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import pyarrow as pa  # pyarrow ships no types
import pyarrow.compute as pc  # pyarrow ships no types

from detectors.stand_ins import mended, stand_in

_Refused = dict[int, dict[str, str]]  # by row: what is wrong with each bad field
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
_PLAIN: Final[dict[type, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: TIMESTAMP,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row gives no value: a text for each bad field."""

    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All in one line."""
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    of: Any  # a type, or a generic alias such as tuple[str, ...], which typing can't express
    optional: bool
    default: object

    @property
    def may_be_null(self) -> bool:
        return self.optional or self.default is not MISSING

    @property
    def if_null(self) -> object:
        return None if self.default is MISSING else self.default


@cache
def columns_of(record: type) -> tuple[_Column, ...]:
    """The columns of a dataclass, in the order of its fields."""
    hints = get_type_hints(record)
    found = []
    for field in fields(record):
        of, optional = hints[field.name], False
        if isinstance(of, UnionType):
            (of,) = (part for part in get_args(of) if part is not type(None))
            optional = True
        found.append(_Column(field.name, of, optional, field.default))
    return tuple(found)


@cache
def schema_of(*records: type) -> pa.Schema:
    """The columns of several dataclasses side by side; columns of one name are shared."""
    types = {column.name: arrow_type(column.of) for record in records for column in columns_of(record)}
    return pa.schema(list(types.items()))


def arrow_type(of: Any) -> pa.DataType:
    """The column type of a field's type."""
    if get_origin(of) is tuple:
        return pa.list_(arrow_type(get_args(of)[0]))
    if _is_record(of):
        return pa.struct([(column.name, arrow_type(column.of)) for column in columns_of(of)])
    return pa.string() if issubclass(of, Enum) else _PLAIN[of]


def _is_record(of: Any) -> bool:
    return is_dataclass(of)


def encode_rows(record: type, rows: Sequence[object]) -> list[pa.Array]:
    """One array per field of the dataclass."""
    return [_encode(column.of, list(map(attrgetter(column.name), rows))) for column in columns_of(record)]


def _encode(of: Any, values: list[Any]) -> pa.Array:
    if get_origin(of) is tuple:
        lengths = [None if value is None else len(value) for value in values]
        flat = _encode(get_args(of)[0], list(chain.from_iterable(filter(None, values))))
        return pa.ListArray.from_arrays(_offsets(lengths), flat)
    if _is_record(of):
        present = [value for value in values if value is not None]
        names = [column.name for column in columns_of(of)]
        struct = pa.StructArray.from_arrays(encode_rows(of, present), names)
        if len(present) == len(values):
            return struct
        places = count()
        return struct.take(
            pa.array([None if value is None else next(places) for value in values], pa.int64())
        )
    return pa.array(values, arrow_type(of))


def _offsets(lengths: list[int | None]) -> pa.Array:
    ends = list(accumulate(lengths, lambda total, length: total + (length or 0), initial=0))
    starts = [None if length is None else start for length, start in zip(lengths, ends, strict=False)]
    return pa.array([*starts, ends[-1]], pa.int32())


def decode_rows(record: type, arrays: dict[str, pa.Array], length: int) -> list[Any]:
    """``length`` instances of the dataclass, a :class:`Refusal` where a row can't be one.

    ``arrays`` holds an array per known field; a missing one counts as all null.
    """
    refused: _Refused = {}
    columns = [
        _decode_column(column, arrays.get(column.name), length, refused) for column in columns_of(record)
    ]
    rows: list[Any] = []
    for index, values in enumerate(zip(*columns, strict=True)):
        if refused and index in refused:
            rows.append(_refusal(record, values, refused[index]))
            continue
        try:
            rows.append(record(*values))
        except ValueError:
            rows.append(_refusal(record, values, {}))
    return rows


def _refusal(record: type, row: tuple[Any, ...], known: dict[str, str]) -> Refusal:
    """Everything that is wrong with a row, of which the fields ``known`` could not even be read."""
    problems = dict(known)
    values = dict(zip((column.name for column in columns_of(record)), row, strict=True))

    def note(name: str, message: str) -> None:
        problems.setdefault(name, f"{name}: {message}" if message else name)

    # A field that nothing can stand for hides what else is wrong.
    with suppress(KeyError):
        for name in known:
            values[name] = stand_in(record, name, values)
        try:
            record(**values)
        except ValueError as error:
            mended(record, values, error, note)
    return Refusal(tuple(problems.values()))


def _refuse(refused: _Refused, index: int, name: str, reason: str) -> None:
    """Note why a field of a row can't be used; the first reason of a field counts."""
    refused.setdefault(index, {}).setdefault(name, reason)


def _decode_column(column: _Column, array: pa.Array | None, length: int, refused: _Refused) -> Any:
    missing = f"{column.name}: is missing"
    if array is None or array.null_count == length:
        if not column.may_be_null:
            for index in range(length):
                _refuse(refused, index, column.name, missing)
        return repeat(column.if_null, length)
    values = _decode(column.of, column.name, array, refused)
    if array.null_count and not (column.optional and column.if_null is None):
        for index in pc.indices_nonzero(array.is_null()).to_pylist():
            values[index] = column.if_null
            if not column.may_be_null:
                _refuse(refused, index, column.name, missing)
    return values


def _decode(of: Any, name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    if get_origin(of) is tuple:
        return _decode_tuples(get_args(of)[0], name, array, refused)
    if _is_record(of):
        return _decode_structs(of, name, array, refused)
    if of is datetime:
        return _decode_times(name, array, refused)
    if issubclass(of, Enum):
        return _decode_members(of, name, array, refused)
    if of is str:
        return _decode_texts(name, array, refused)
    return array.to_pylist()  # type: ignore[no-any-return]


def _decode_texts(name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        texts: list[Any] = []
        for index, raw in enumerate(array.cast(pa.binary()).to_pylist()):
            try:
                texts.append(None if raw is None else raw.decode())
            except UnicodeDecodeError:
                _refuse(refused, index, name, f"{name}: is not UTF-8 text")
                texts.append("")
        return texts


def _decode_members(of: type[Enum], name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    members: dict[str | None, Enum | None] = {member.value: member for member in of}
    members[None] = None
    texts = _decode_texts(name, array, refused)
    try:
        return [members[text] for text in texts]
    except KeyError:
        for index, text in enumerate(texts):
            if text not in members:
                allowed = ", ".join(member.value for member in of)
                _refuse(refused, index, name, f"{name}: {text[:32]!r} is unknown; allowed: {allowed}")
        return [members.get(text) for text in texts]


def _decode_times(name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    naive = ticks.view("datetime64[us]").tolist()
    try:
        times = [time.replace(tzinfo=UTC) for time in naive]
    except AttributeError:
        # numpy hands out a bare number for a time outside the years 1 to 9999.
        times = _decode_times_singly(name, naive, refused)
    if array.null_count:
        for index in pc.indices_nonzero(array.is_null()).to_pylist():
            times[index] = None
    return times


def _decode_times_singly(name: str, naive: list[Any], refused: _Refused) -> list[Any]:
    times: list[Any] = []
    for index, time in enumerate(naive):
        if isinstance(time, datetime):
            times.append(time.replace(tzinfo=UTC))
        else:
            _refuse(refused, index, name, f"{name}: is out of range; allowed: 1990 up to 2099")
            times.append(None)
    return times


def _decode_structs(of: type, name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    present = array.is_valid()
    kept = array.filter(present)
    inner = decode_rows(of, dict(zip(kept.type.names, kept.flatten(), strict=True)), len(kept))
    values: list[Any] = [None] * len(array)
    for index, value in zip(pc.indices_nonzero(present).to_pylist(), inner, strict=True):
        if isinstance(value, Refusal):
            _refuse(refused, index, name, "; ".join(f"{name}.{reason}" for reason in value.reasons))
        else:
            values[index] = value
    return values


def _decode_tuples(of: Any, name: str, array: pa.Array, refused: _Refused) -> list[Any]:
    flat_refused: _Refused = {}
    flat = _decode(of, name, array.flatten(), flat_refused)
    lengths = pc.list_value_length(array).to_pylist()
    values: list[Any] = []
    start = 0
    for index, length in enumerate(lengths):
        end = start + (length or 0)
        values.append(None if length is None else tuple(flat[start:end]))
        if None in flat[start:end]:
            _refuse(flat_refused, start, name, f"{name}: holds an empty value")
        for place in range(start, end) if flat_refused else ():
            if place in flat_refused:
                _refuse(refused, index, name, flat_refused[place][name])
        start = end
    return values
