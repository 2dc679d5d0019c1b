"""The decisions and outcomes of a run as Parquet files, and the digest over the decisions.

``decisions.parquet`` has a row per decision in log order. Its columns are the fields of
:class:`~alerting.decision.Decision`, laid out as :mod:`replay.columns` says, and then:

=====================  =============================================================================
column                 content
=====================  =============================================================================
``amount_minor``       the payment's amount, currency and type, where the writer was given the payment
``currency``
``payment_type``
``replaces_position``  the log position of the earlier decision on this payment that this one replaces
=====================  =============================================================================

A payment may have two rows: the engine's decision and, later in the log, the fallback that the caller got
instead. Both stay, since both are facts of the log; the *effective* decision is a transaction's last row.

``outcomes.parquet`` has a row per outcome in log order: the fields of :class:`~detectors.events.Outcome`
and ``log_position``.

``decisions_sha256`` is the SHA-256 over ``encode_decision(decision) + b"\\n"`` of all rows in order.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa  # pyarrow ships no types
import pyarrow.parquet as pq  # pyarrow ships no types

from alerting.decision import Decision
from detectors.events import Outcome, Payment
from flows.codec import encode_decision
from replay.atomic_file import replacing
from replay.columns import Refusal, decode_rows, encode_rows, schema_of
from replay.errors import RunError

DECISIONS_FILE: Final = "decisions.parquet"
OUTCOMES_FILE: Final = "outcomes.parquet"
ROW_GROUP: Final = 16_384

DECISION_SCHEMA: Final[pa.Schema] = pa.schema(
    [
        *schema_of(Decision),
        pa.field("amount_minor", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("payment_type", pa.string()),
        pa.field("replaces_position", pa.int64()),
    ]
)
OUTCOME_SCHEMA: Final[pa.Schema] = schema_of(Outcome).append(pa.field("log_position", pa.int64()))


class TableFile(ABC):
    """A Parquet file that appears when it is complete; used as a context manager."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.count = 0
        self._waiting = 0
        self._writing = self._open(path, schema)

    @contextmanager
    def _open(self, path: Path, schema: pa.Schema) -> Iterator[None]:
        with (
            replacing(path) as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as self._parquet,
        ):
            yield
            if self._waiting:
                self._flush()

    def __enter__(self) -> Self:
        self._writing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(kind, error, trace)

    def _added(self) -> None:
        self.count += 1
        self._waiting += 1
        if self._waiting == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._parquet.write_table(self._take_table())
        self._waiting = 0

    @abstractmethod
    def _take_table(self) -> pa.Table:
        """The rows that wait, as a table; they wait no longer."""


class DecisionWriter(TableFile):
    """Writes ``decisions.parquet`` into a folder and sums up its digest.

    Examples
    --------
    ::

        with DecisionWriter(folder) as writer:
            for payment, decision in ...:
                writer.write(decision, payment)
        print(writer.count, writer.decisions_sha256)
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / DECISIONS_FILE, DECISION_SCHEMA)
        self._digest = sha256()
        self._decisions: list[Decision] = []
        self._extras: list[tuple[int | None, str | None, str | None, int | None]] = []

    @property
    def decisions_sha256(self) -> str:
        """The digest over all decisions so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(
        self,
        decision: Decision,
        payment: Payment | None = None,
        replaces_position: int | None = None,
        encoded: bytes | None = None,
    ) -> None:
        """Append one decision; ``payment`` lets an evaluation speak of value.

        ``encoded`` are the decision's canonical bytes, where they are at hand.
        """
        self._digest.update((encoded or encode_decision(decision)) + b"\n")
        self._decisions.append(decision)
        if payment is None:
            self._extras.append((None, None, None, replaces_position))
        else:
            money = (payment.amount_minor, payment.currency, payment.payment_type)
            self._extras.append((*money, replaces_position))
        self._added()

    def _take_table(self) -> pa.Table:
        extras = zip(*self._extras, strict=True)
        names = DECISION_SCHEMA.names[-4:]
        arrays = encode_rows(Decision, self._decisions) + [
            pa.array(values, DECISION_SCHEMA.field(name).type)
            for name, values in zip(names, extras, strict=True)
        ]
        self._decisions.clear()
        self._extras.clear()
        return pa.table(arrays, schema=DECISION_SCHEMA)


class OutcomeWriter(TableFile):
    """Writes ``outcomes.parquet`` into a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / OUTCOMES_FILE, OUTCOME_SCHEMA)
        self._outcomes: list[Outcome] = []
        self._positions: list[int] = []

    def write(self, outcome: Outcome, log_position: int) -> None:
        """Append one outcome."""
        self._outcomes.append(outcome)
        self._positions.append(log_position)
        self._added()

    def _take_table(self) -> pa.Table:
        arrays = [*encode_rows(Outcome, self._outcomes), pa.array(self._positions, pa.int64())]
        self._outcomes.clear()
        self._positions.clear()
        return pa.table(arrays, schema=OUTCOME_SCHEMA)


def read_decisions(folder: Path) -> Iterator[Decision]:
    """The decisions of a run, in log order.

    Raises
    ------
    RunError
        When the file is missing, damaged, or holds what can't be a decision.
    """
    path = folder / DECISIONS_FILE
    for batch in read_batches(path, schema_of(Decision).names):
        yield from _rows(path, Decision, batch)


def read_outcomes(folder: Path) -> Iterator[tuple[int, Outcome]]:
    """The outcomes of a run with their log positions, in log order."""
    path = folder / OUTCOMES_FILE
    for batch in read_batches(path, OUTCOME_SCHEMA.names):
        positions = batch.column("log_position").to_pylist()
        fields = batch.select(schema_of(Outcome).names)
        yield from zip(positions, _rows(path, Outcome, fields), strict=True)


def digest_decisions(folder: Path) -> str:
    """The digest over the decisions of a run, computed again from the file."""
    digest = sha256()
    for decision in read_decisions(folder):
        digest.update(encode_decision(decision) + b"\n")
    return digest.hexdigest()


def read_batches(path: Path, columns: list[str], size: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    """Some columns of a run's file, ``size`` rows at a time.

    Raises
    ------
    RunError
        When the file is missing, damaged or lacks a column.
    """
    with open_table(path, columns) as file:
        for group in range(file.num_row_groups):
            with _naming_group(path, group):
                for batch in file.iter_batches(size, [group], columns):
                    yield batch.select(columns)


@contextmanager
def _naming_group(path: Path, group: int) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path}: row group {group + 1} is damaged: {str(error).splitlines()[0]}") from error


@contextmanager
def open_table(path: Path, columns: list[str]) -> Iterator[pq.ParquetFile]:
    """A run's file that has these columns; what goes wrong while it is open becomes a :class:`RunError`."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise RunError(f"{path}: lacks the columns {', '.join(missing)}")
            yield file
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; needed: the folder of a run") from error
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path}: is damaged: {str(error).splitlines()[0]}") from error


def _rows(path: Path, record: type, batch: pa.RecordBatch) -> Iterator[Any]:
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    for row in decode_rows(record, arrays, batch.num_rows):
        if isinstance(row, Refusal):
            raise RunError(f"{path}: holds a row that can't be used: {row.reason}")
        yield row
