"""The live end of the shard flow: what waits in the intake becomes log records, outputs become answers.

The feed itself appends: it drains the queue and writes the new records, now and then together with the work
that the task has finished since, in one transaction. One thread, one flush to disk, no extra hop.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from alerting.engine import Receipt
from flows.answer_journal import answer_record
from flows.intake import Intake, Mode
from flows.log import Appended, LogRecord
from flows.metrics import Metrics
from flows.on_record import effective_decision
from flows.outputs import Decided, Output, TaskFault
from flows.pending import Entry, FallbackEntry, Publication, Submission
from flows.sqlite_shard import SqliteShard
from flows.store import Slice
from flows.task import ShardTask

IDLE_COMMIT_S: Final = 0.02
"""How long finished work waits for a new record to share its flush with."""
SLICE_RECORDS: Final = 8
SLICE_S: Final = 0.1
"""Finished work is stored behind this many records or seconds, whichever comes first.

Durable is what is in the log; state and ledger follow from it. Stored at every append they would cost more
than the decisions themselves; stored too late in one piece they would hold up the next caller.
"""
IDLE_WAIT_S: Final = 0.2
"""How long the flow's thread waits for a record before it looks at anything else."""
CATCH_UP_BATCH: Final = 1_024

_log = structlog.get_logger(__name__)


class LiveFeed:
    """The flow's feed and its effects, for one run of the flow.

    Parameters
    ----------
    shard
        Log and store, written by the flow's thread only.
    task
        The task whose finished work is committed.
    intake
        Where requests wait.
    metrics
        Where decisions are counted.
    before_batch
        Called with each batch's number of payments before it is handed on: where drills inject a stall.
    """

    def __init__(
        self,
        shard: SqliteShard,
        task: ShardTask,
        intake: Intake,
        metrics: Metrics,
        before_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._shard = shard
        self._task = task
        self._intake = intake
        self._metrics = metrics
        self._before_batch = before_batch
        self._committed = task.position
        self._committed_at = intake.clock()
        self._read = task.position
        self._catch_up_to = shard.end
        self._awaited: dict[int, Submission] = {}
        self._batch = (0, 0.0)
        self.stopping = False

    # The feed.

    def next_batch(self) -> list[LogRecord]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        if self._read < self._catch_up_to:
            return self._re_read()
        if self._intake.mode is not Mode.RUNNING:
            self._commit()  # so that whoever asks for an old payment finds its answer
            self._intake.mode = Mode.RUNNING
        self._task.settle()
        entries = self._intake.take(IDLE_COMMIT_S)
        if not entries:
            if self._task.position > self._committed:
                self._commit()
            if self.stopping:
                raise StopIteration
            entries = self._intake.take(IDLE_WAIT_S)
        return self._append(entries) if entries else []

    def _re_read(self) -> list[LogRecord]:
        """What an earlier run appended and did not finish."""
        self._commit()
        records = self._shard.read(self._read, CATCH_UP_BATCH)
        self._read = records[-1].position
        return records

    def _append(self, entries: list[Entry]) -> list[LogRecord]:
        begun = self._intake.clock()
        new = [entry.record for entry in entries]
        work = self._finished_work(begun) if self._slice_is_due(begun) else None
        try:
            appended = self._shard.append_and_commit(new, work)
        except BaseException:
            self._intake.give_back(entries)
            raise
        records = []
        for entry, place in zip(entries, appended, strict=True):
            if place.duplicate:
                self._settle_duplicate(entry, place)
            else:
                records.append(LogRecord(place.position, entry.record.event, entry.record.arrival_us))
                self._await(entry, place)
        if records:
            self._read = records[-1].position
        payments = sum(isinstance(entry, Submission) for entry in entries)
        if self._before_batch is not None:
            self._before_batch(payments)
        self._batch = (payments, begun)
        return records

    def _slice_is_due(self, now: float) -> bool:
        waiting = self._task.position - self._committed
        return waiting >= SLICE_RECORDS or (waiting > 0 and now >= self._committed_at + SLICE_S)

    def _finished_work(self, now: float) -> Slice:
        self._committed, self._committed_at = self._task.position, now
        return self._task.changes()

    def _commit(self) -> None:
        self._shard.commit(self._finished_work(self._intake.clock()))

    def _await(self, entry: Entry, place: Appended) -> None:
        if isinstance(entry, Submission):
            self._awaited[place.position] = entry
        elif isinstance(entry, Publication):
            entry.settle(Receipt(place.position, duplicate=False))
        else:
            self._intake.recorded(entry)

    def _settle_duplicate(self, entry: Entry, place: Appended) -> None:
        if isinstance(entry, Publication):
            entry.settle(Receipt(place.position, duplicate=True), conflict=place.conflict)
        elif isinstance(entry, FallbackEntry):
            self._settle_answer(entry)
        elif place.conflict:
            self._intake.refuse(entry)
        else:
            payment = entry.payment
            if self._task.position > self._committed:
                self._commit()  # the answer may be among what is finished and not stored
            known = effective_decision(self._shard, payment.tenant, payment.transaction_id)
            if known is not None:
                self._intake.answer(entry, known)

    def _settle_answer(self, entry: FallbackEntry) -> None:
        """A fallback answer whose id the log has; where that is its payment, the answer goes beside it."""
        record = answer_record(entry.record, self._shard)
        if record is None or record.event_key == entry.record.event_key:
            self._intake.recorded(entry)
        else:
            self._intake.give_back([replace(entry, record=record)])

    # The effects.

    def take(self, outputs: Sequence[Output]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        payments, begun = self._batch
        if payments:
            self._intake.pacing.worked(payments, self._intake.clock() - begun)
            self._batch = (0, 0.0)
        for output in outputs:
            if isinstance(output, Decided):
                self._metrics.decided(output.decision)
                submission = self._awaited.pop(output.position, None)
                if submission is not None:
                    self._intake.answer(submission, output.decision)
            elif isinstance(output, TaskFault):
                self._metrics.faulted()
                _log.error("record_failed", position=output.position, reason=output.reason)
