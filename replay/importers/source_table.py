"""What the importers share: rows of a data set in time order, and labels as outcomes behind their delay."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types

from detectors.events import Outcome, OutcomeKind, Payment, PaymentType, Verdict
from replay.errors import SourceError

FILE_NAME: Final = "transactions.parquet"
_BATCH: Final = 8_192
_TIME: Final = "ts"
_CHECKS: Final = {
    int: ("an integer", pa.types.is_integer),
    float: ("a number", pa.types.is_floating),
    str: ("text", lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    datetime: ("a timestamp", pa.types.is_timestamp),
}


def count_rows(folder: Path) -> int:
    """How many transactions the folder holds."""
    return row_count(folder / FILE_NAME)


def row_count(path: Path) -> int:
    """How many rows a file holds."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def table_columns(path: Path) -> list[str]:
    """The names of a file's columns."""
    with _open(path) as file:
        return list(file.schema_arrow.names)


def read_rows(
    path: Path, columns: Mapping[str, type], nullable: Iterable[str] = ()
) -> Iterator[tuple[Any, ...]]:
    """The rows of a file in their order.

    Raises
    ------
    SourceError
        As :func:`rows_by_time`.
    """
    return _rows(_checked(path, columns, nullable))


def rows_by_time(
    folder: Path, columns: Mapping[str, type], nullable: Iterable[str] = (), file: str = FILE_NAME
) -> Iterator[tuple[Any, ...]]:
    """The rows of a file of the folder in the order of ``ts``, ties in file order; times are taken as UTC.

    Raises
    ------
    SourceError
        When the file or a column is missing, or a column has another type or lacks values.
    """
    table = _checked(folder / file, columns, nullable)
    times = table[_TIME].cast(pa.timestamp("us", table.schema.field(_TIME).type.tz)).cast(pa.int64())
    ticks = times.to_numpy()
    if np.any(ticks[1:] < ticks[:-1]):
        table = table.take(pa.array(np.argsort(ticks, kind="stable")))
    yield from _rows(table)


def _checked(path: Path, columns: Mapping[str, type], nullable: Iterable[str]) -> pa.Table:
    """The columns of a file, which have the types and no empty values, but for those that may."""
    table = _read(path, columns)
    for name, kind in columns.items():
        wanted, fits = _CHECKS[kind]
        found = table.schema.field(name).type
        if not fits(found):
            raise SourceError(f"{path}: column {name!r} is {found}; needed: {wanted}")
        if name not in nullable and table[name].null_count:
            raise SourceError(
                f"{path}: column {name!r} has {table[name].null_count} empty values; needed: none"
            )
    return table


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.combine_chunks().to_batches(_BATCH):
        yield from zip(*(_values(column) for column in batch.columns), strict=True)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        reason = f"has no file {path.name}; needed: the folder of the data set"
        raise SourceError(f"{path.parent}: {reason}") from error
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: can't be read as Parquet: {str(error).splitlines()[0]}") from error


def _read(path: Path, columns: Mapping[str, type]) -> pa.Table:
    with _open(path) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise SourceError(f"{path}: lacks the columns {', '.join(missing)}; needed: {', '.join(columns)}")
        try:
            return file.read(list(columns)).select(list(columns))
        except (pa.ArrowException, OSError) as error:
            where = _first_damaged(file, list(columns))
            reason = f"{where} damaged: {str(error).splitlines()[0]}; nothing was imported"
            raise SourceError(f"{path}: {reason}") from error


def _first_damaged(file: pq.ParquetFile, columns: list[str]) -> str:
    first = 1
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows - 1
        try:
            file.read_row_group(group, columns)
        except (pa.ArrowException, OSError):
            return f"row group {group + 1} (rows {first:,} to {last:,}) is"
        first = last + 1
    return "is"


def _values(column: pa.Array) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]
    ticks = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).to_numpy()
    return [time.replace(tzinfo=UTC) for time in ticks.view("datetime64[us]").tolist()]


def type_and_amount(amount_cents: int) -> tuple[PaymentType, int]:
    """What a signed amount means: below zero a refund, zero a check of the card, above zero a purchase.

    >>> type_and_amount(-250)
    (<PaymentType.REFUND: 'REFUND'>, 250)
    """
    if amount_cents > 0:
        return PaymentType.PURCHASE, amount_cents
    if amount_cents < 0:
        return PaymentType.REFUND, -amount_cents
    return PaymentType.ACCOUNT_VERIFICATION, 0


def with_fraud_reports(
    payments: Iterable[tuple[Payment, int]], label_delay: timedelta, source: str
) -> Iterator[Payment | Outcome]:
    """The payments and, ``label_delay`` behind each fraud among them, its report, all in time order.

    Only frauds are reported, as in life: nobody calls the bank about a payment that was fine. A report that
    falls on the very time of a payment comes before it, but never before its own payment.

    Raises
    ------
    SourceError
        When the delay is negative or a payment breaks a rule of its type.
    """
    if label_delay < timedelta(0):
        raise SourceError(f"label_delay: {label_delay} is negative; allowed: 0 or more")
    # One delay for all keeps the reports in the order of their payments, so a queue sorts them.
    waiting: deque[Outcome] = deque()
    for payment, fraud in _counted(payments, source):
        while waiting and waiting[0].event_time <= payment.event_time:
            yield waiting.popleft()
        yield payment
        if fraud:
            waiting.append(_fraud_report(payment, label_delay, source))
    yield from waiting


def _counted(payments: Iterable[tuple[Payment, int]], source: str) -> Iterator[tuple[Payment, int]]:
    row = 0
    try:
        for payment, fraud in payments:
            if fraud not in (0, 1):
                raise ValueError(f"is_fraud: {fraud!r} is no label; allowed: 0, 1")
            yield payment, fraud
            row += 1
    except ValueError as error:
        raise SourceError(f"{source}: row {row + 1} in time order: {error}") from error


def _fraud_report(payment: Payment, label_delay: timedelta, source: str) -> Outcome:
    return Outcome(
        outcome_id=f"{payment.transaction_id}-fraud",
        transaction_id=payment.transaction_id,
        user_id=payment.user_id,
        outcome_kind=OutcomeKind.FRAUD_REPORT,
        verdict=Verdict.FRAUD,
        event_time=payment.event_time + label_delay,
        source=source,
    )
