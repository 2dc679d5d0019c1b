"""The alerts of a run as a Parquet file, and the digest over them.

``alerts.parquet`` has a row per candidate, sent or suppressed, in log order. Its columns are the fields of
:class:`~alerting.alerts.Alert`, laid out as :mod:`replay.columns` says, and then:

==============  =====================================================================
column          content
==============  =====================================================================
``seq``         counts the candidates of one log record from 0
``suppressed``  the reason why the candidate was not sent; null where it was
==============  =====================================================================

``alerts_sha256`` is the SHA-256 over ``encode_alert(alert) + b" " + reason + b"\\n"`` of all rows in order.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa  # pyarrow ships no types

from alerting.alerts import Alert
from flows.codec import encode_alert
from replay.columns import Refusal, decode_rows, encode_rows, schema_of
from replay.decisions import TableFile, read_batches
from replay.errors import RunError

ALERTS_FILE: Final = "alerts.parquet"
ALERT_SCHEMA: Final[pa.Schema] = pa.schema(
    [*schema_of(Alert), pa.field("seq", pa.int64()), pa.field("suppressed", pa.string())]
)


class CandidateRow(NamedTuple):
    """One candidate: its place in its record, the alert, and why it was not sent (None where it was)."""

    seq: int
    alert: Alert
    suppressed: str | None


class AlertWriter(TableFile):
    """Writes ``alerts.parquet`` into a folder, counts what became of candidates and sums up the digest."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ALERTS_FILE, ALERT_SCHEMA)
        self._digest = sha256()
        self._rows: list[CandidateRow] = []
        self.sent: Counter[str] = Counter()
        """Candidates that were sent, by kind."""
        self.suppressed: Counter[str] = Counter()
        """Candidates that were not, by reason."""

    @property
    def alerts_sha256(self) -> str:
        """The digest over all candidates so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, row: CandidateRow, encoded: bytes | None = None) -> None:
        """Append one candidate; ``encoded`` are the alert's canonical bytes, where they are at hand."""
        self._digest.update(candidate_line(encoded or encode_alert(row.alert), row.suppressed))
        self._rows.append(row)
        if row.suppressed is None:
            self.sent[row.alert.kind] += 1
        else:
            self.suppressed[row.suppressed] += 1
        self._added()

    def summary(self) -> dict[str, Any]:
        """What a run's summary says of its alerts: candidates = sent + suppressed."""
        return {
            "alert_candidates": self.count,
            "alerts_sent": dict(sorted(self.sent.items())),
            "alerts_suppressed": dict(sorted(self.suppressed.items())),
            "alerts_sha256": self.alerts_sha256,
        }

    def _take_table(self) -> pa.Table:
        arrays = [
            *encode_rows(Alert, [row.alert for row in self._rows]),
            pa.array([row.seq for row in self._rows], pa.int64()),
            pa.array([row.suppressed for row in self._rows], pa.string()),
        ]
        self._rows.clear()
        return pa.table(arrays, schema=ALERT_SCHEMA)


def candidate_line(encoded: bytes, suppressed: str | None) -> bytes:
    """What the digest takes of a candidate."""
    return b"%b %b\n" % (encoded, (suppressed or "").encode())


def read_alerts(folder: Path) -> Iterator[CandidateRow]:
    """The candidates of a run, in log order.

    Raises
    ------
    RunError
        When the file is missing, damaged, or holds what can't be an alert.
    """
    path = folder / ALERTS_FILE
    for batch in read_batches(path, ALERT_SCHEMA.names):
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        places = zip(arrays["seq"].to_pylist(), arrays["suppressed"].to_pylist(), strict=True)
        for alert, (seq, reason) in zip(decode_rows(Alert, arrays, batch.num_rows), places, strict=True):
            if isinstance(alert, Refusal):
                raise RunError(f"{path}: holds a row that can't be used: {alert.reason}")
            yield CandidateRow(seq, alert, reason)
