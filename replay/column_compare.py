"""Where two Arrow columns of one type differ, row by row, whatever their nesting."""

from functools import reduce

import numpy as np
import pyarrow as pa  # pyarrow ships no types
import pyarrow.compute as pc  # pyarrow ships no types
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


def differs(a: pa.Array, b: pa.Array) -> Flags:
    """Whether the values at each place differ. Numbers are compared by their bits: -0.0 differs from 0.0."""
    if a.equals(b) and not _holds_floats(a.type):
        return np.zeros(len(a), np.bool_)
    null_a, null_b = _flags(a.is_null()), _flags(b.is_null())
    return np.asarray((null_a != null_b) | (_values_differ(a, b) & ~null_a & ~null_b), np.bool_)


def _values_differ(a: pa.Array, b: pa.Array) -> Flags:
    if pa.types.is_struct(a.type):
        return _any([differs(x, y) for x, y in zip(a.flatten(), b.flatten(), strict=True)], len(a))
    if pa.types.is_list(a.type):
        return _lists_differ(a, b)
    if pa.types.is_floating(a.type):
        a, b = a.fill_null(0.0).view(pa.int64()), b.fill_null(0.0).view(pa.int64())
    return _flags(pc.not_equal(a, b).fill_null(True))


def _lists_differ(a: pa.Array, b: pa.Array) -> Flags:
    lengths_a, lengths_b = (_numbers(pc.list_value_length(x).fill_null(0)) for x in (a, b))
    found = np.asarray(lengths_a != lengths_b)
    alike = pa.array(~found)
    inner = differs(a.filter(alike).flatten(), b.filter(alike).flatten())
    owner = np.repeat(np.flatnonzero(~found), lengths_a[~found])
    found[owner[inner]] = True
    return found


def _holds_floats(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_floats(kind.field(index).type) for index in range(kind.num_fields))
    return bool(pa.types.is_floating(kind))


def _any(flags: list[Flags], length: int) -> Flags:
    return reduce(np.logical_or, flags, np.zeros(length, np.bool_))


def _flags(array: pa.Array) -> Flags:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _numbers(array: pa.Array) -> NDArray[np.int64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.int64)
