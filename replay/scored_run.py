"""A run's effective decisions with their labels, as arrays.

The effective decision on a payment is the last row with its tenant and transaction id. Its label:

- an outcome with the verdict ``FRAUD``, from whatever source, makes the payment a fraud;
- a later ``GENUINE`` (later in the log) takes that back, unless it comes from a step-up: whoever takes over
  an account often passes the challenge too, so a success can't overrule a report;
- every other payment counts as genuine, since genuine payments are hardly ever reported.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa  # pyarrow ships no types
import pyarrow.compute as pc  # pyarrow ships no types
from numpy.typing import NDArray

from alerting.decision import Action, Source
from detectors.events import OutcomeKind, Verdict
from replay.decisions import DECISIONS_FILE, OUTCOMES_FILE, read_batches
from replay.errors import RunError
from replay.metrics import Codes, Flags, Scores

DAY_US: Final = 86_400_000_000
NEVER: Final = np.iinfo(np.int64).max
_DECISION_COLUMNS: Final = [
    "tenant",
    "transaction_id",
    "user_id",
    "event_time",
    "score",
    "raw_score",
    "action",
    "source",
    "amount_minor",
    "currency",
    "payment_type",
]
_OUTCOME_COLUMNS: Final = ["tenant", "transaction_id", "outcome_kind", "verdict", "event_time"]


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """One entry per effective decision, in log order; times in microseconds since 1970."""

    time_us: Codes
    user: Codes
    score: Scores
    challenged: Flags
    action: NDArray[np.str_]
    fallback: Flags
    amount_minor: Codes  # 0 where unknown, and for refunds, which cost nobody anything
    currency: NDArray[np.str_]
    fraud: Flags
    reported_us: Codes  # when the first report of fraud came; NEVER where none did
    superseded: int  # decisions that a later one replaced
    outcomes: int
    unmatched_outcomes: int  # outcomes of transactions without a decision
    last_us: int  # the latest time in the run

    @property
    def day(self) -> Codes:
        """Days since 1970 (UTC)."""
        return self.time_us // DAY_US


def load_run(folder: Path, rank_by: str = "raw_score") -> ScoredRun:
    """The decisions and outcomes of a run's folder; ``rank_by`` is ``raw_score`` or ``score``.

    Raises
    ------
    RunError
        When a file of the run is missing or damaged, or holds no decision.
    """
    if rank_by not in ("raw_score", "score"):
        raise RunError(f"rank_by: {rank_by!r} is unknown; allowed: raw_score, score")
    rows = _load(folder / DECISIONS_FILE, _DECISION_COLUMNS)
    outcomes = _load(folder / OUTCOMES_FILE, _OUTCOME_COLUMNS)
    if not rows.num_rows:
        raise RunError(f"{folder / DECISIONS_FILE}: holds no decision")
    keys = _keys(rows).dictionary_encode()
    effective = _last_rows(keys)
    fraud, reported, unmatched = _labels(keys.dictionary, outcomes)
    code = keys.indices.to_numpy()[effective]
    table = rows.take(pa.array(effective))
    refund = pc.equal(table["payment_type"], "REFUND").fill_null(False)
    amount = pc.if_else(refund, 0, table["amount_minor"].fill_null(0))
    action = _texts(table["action"])
    times = _microseconds(table["event_time"])
    return ScoredRun(
        time_us=times,
        user=_codes(table, "user_id"),
        score=table[rank_by].to_numpy().astype(np.float64),
        challenged=action != Action.APPROVE.value,
        action=action,
        fallback=_texts(table["source"]) == Source.FALLBACK.value,
        amount_minor=amount.to_numpy().astype(np.int64),
        currency=_texts(table["currency"]),
        fraud=fraud[code],
        reported_us=reported[code],
        superseded=rows.num_rows - len(effective),
        outcomes=outcomes.num_rows,
        unmatched_outcomes=unmatched,
        last_us=int(max(times.max(), _microseconds(outcomes["event_time"]).max(initial=0))),
    )


def _load(path: Path, columns: list[str]) -> pa.Table:
    batches = list(read_batches(path, columns))
    if not batches:
        return pa.table({name: pa.nulls(0, pa.string()) for name in columns})
    return pa.Table.from_batches(batches)


def _keys(table: pa.Table, column: str = "transaction_id") -> pa.Array:
    """Tenant and id in one text; neither can hold a zero byte."""
    return pc.binary_join_element_wise(table["tenant"], table[column], "\x00").combine_chunks()


def _codes(table: pa.Table, column: str) -> Codes:
    return np.asarray(_keys(table, column).dictionary_encode().indices.to_numpy(), np.int64)


def _texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    encoded = column.combine_chunks().fill_null("").dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), ""], np.str_)
    return np.asarray(words[encoded.indices.to_numpy()], np.str_)


def _microseconds(column: pa.ChunkedArray) -> Codes:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)


def _last_rows(keys: pa.DictionaryArray) -> Codes:
    last = np.zeros(len(keys.dictionary), np.int64)
    np.maximum.at(last, keys.indices.to_numpy(), np.arange(len(keys)))
    return np.sort(last)


def _labels(known: pa.Array, outcomes: pa.Table) -> tuple[Flags, Codes, int]:
    """For each known transaction whether it is a fraud and when that was first said; outcomes of others."""
    fraud = np.zeros(len(known), np.bool_)
    reported = np.full(len(known), NEVER)
    if not outcomes.num_rows:
        return fraud, reported, 0
    found = pc.index_in(_keys(outcomes), value_set=known)
    matched = found.is_valid().to_numpy(zero_copy_only=False)
    code = found.fill_null(0).to_numpy()
    says_fraud = _texts(outcomes["verdict"]) == Verdict.FRAUD.value
    clears = _texts(outcomes["verdict"]) == Verdict.GENUINE.value
    clears &= _texts(outcomes["outcome_kind"]) != OutcomeKind.STEP_UP.value
    latest = np.full(len(known), -1)
    decisive = np.flatnonzero(matched & (says_fraud | clears))
    np.maximum.at(latest, code[decisive], decisive)
    labelled = latest >= 0
    fraud[labelled] = says_fraud[latest[labelled]]
    reports = matched & says_fraud
    np.minimum.at(reported, code[reports], _microseconds(outcomes["event_time"])[reports])
    return fraud, reported, int(np.count_nonzero(~matched))
