"""The visits of a run as a Parquet file: ``visits.parquet``, a row per visit that was learned, in log order.

Its columns are the fields of :class:`~flows.outputs.VisitNoted`. What was foreseen was said before the visit
was learned, so the file is a prequential record (Dawid 1984).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa  # pyarrow ships no types

from flows.outputs import VisitNoted
from replay.columns import Refusal, decode_rows, encode_rows, schema_of
from replay.decisions import TableFile, read_batches
from replay.errors import RunError

VISITS_FILE: Final = "visits.parquet"
VISIT_SCHEMA: Final[pa.Schema] = schema_of(VisitNoted)


class VisitWriter(TableFile):
    """Writes ``visits.parquet`` into a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / VISITS_FILE, VISIT_SCHEMA)
        self._rows: list[VisitNoted] = []

    def write(self, visit: VisitNoted) -> None:
        """Append one visit."""
        self._rows.append(visit)
        self._added()

    def _take_table(self) -> pa.Table:
        arrays = encode_rows(VisitNoted, self._rows)
        self._rows.clear()
        return pa.table(arrays, schema=VISIT_SCHEMA)


def read_visits(folder: Path) -> Iterator[VisitNoted]:
    """The visits of a run, in log order.

    Raises
    ------
    RunError
        When the file is missing, damaged, or holds what can't be a visit.
    """
    path = folder / VISITS_FILE
    for batch in read_batches(path, VISIT_SCHEMA.names):
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for visit in decode_rows(VisitNoted, arrays, batch.num_rows):
            if isinstance(visit, Refusal):
                raise RunError(f"{path}: holds a row that can't be used: {visit.reason}")
            yield visit
