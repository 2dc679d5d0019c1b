"""The live end of the shard flow: requests become log records, outputs become answers.

The feed itself appends: it takes what has come and writes the new records, now and then together with the
work that the task has finished since, in one transaction. One thread, one flush to disk, no extra hop.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from detectors.events import Payment
from flows.answer_journal import answer_record
from flows.codec import encode_decision
from flows.frames import Kind, Noted, Worked
from flows.inbox import Inbox, Request
from flows.log import Appended, LogRecord
from flows.on_record import effective_decision
from flows.outputs import Decided, Output, TaskFault
from flows.pacing import Pacing
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
"""How long the flow waits for a record before it looks at anything else."""
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
    inbox
        Where requests come from and answers go.
    max_batch
        Records taken at once, at most.
    max_batch_s
        How long a batch may take, going by what payments took lately: answers leave when their batch is
        done, so a slow flow takes fewer at once.
    before_batch
        Called with each batch's number of payments before it is handed on: where drills inject a stall.
    """

    def __init__(
        self,
        shard: SqliteShard,
        task: ShardTask,
        inbox: Inbox,
        max_batch: int,
        max_batch_s: float,
        before_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._shard = shard
        self._task = task
        self._inbox = inbox
        self._max_batch = max_batch
        self._max_batch_s = max_batch_s
        self._before_batch = before_batch
        self._committed = task.position
        self._committed_at = time.monotonic()
        self._read = task.position
        self._catch_up_to = shard.end
        self._awaited: dict[int, int] = {}
        self._beside: list[Request] = []
        self._running = False
        self._payments, self._begun, self._faults = 0, 0.0, 0
        self._pacing = Pacing()

    # The feed.

    def next_batch(self) -> list[LogRecord]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        if self._read < self._catch_up_to:
            return self._re_read()
        if not self._running:
            self._running = True
            self._commit()  # so that whoever asks for an old payment finds its answer
            self._inbox.say(Kind.RUNNING)
            self._inbox.send(Worked(self._read, 0, 0.0, 0))
        self._task.settle()
        requests = self._take(IDLE_COMMIT_S)
        if not requests:
            if self._task.position > self._committed:
                self._commit()
            if self._inbox.closed:
                raise StopIteration
            requests = self._take(IDLE_WAIT_S)
        return self._append(requests) if requests else []

    def _take(self, timeout_s: float) -> list[Request]:
        payments = self._pacing.fitting(self._max_batch_s, self._max_batch)
        return self._inbox.take(timeout_s, self._max_batch, payments)

    def _re_read(self) -> list[LogRecord]:
        """What an earlier run appended and did not finish."""
        self._commit()
        records = self._shard.read(self._read, CATCH_UP_BATCH)
        self._read = records[-1].position
        return records

    def _append(self, requests: list[Request]) -> list[LogRecord]:
        self._begun = time.monotonic()
        work = self._finished_work() if self._slice_is_due() else None
        new = [request.record for request in requests]
        records = []
        for request, place in zip(requests, self._shard.append_and_commit(new, work), strict=True):
            if not place.duplicate:
                record = request.record
                records.append(LogRecord(place.position, record.event, record.arrival_us))
            self._note(request, place)
        records += self._append_beside()
        if records:
            self._read = records[-1].position
        self._payments = len(self._awaited)
        if self._before_batch is not None:
            self._before_batch(self._payments)
        if not self._awaited:
            self._send()  # nothing will come out of the task that these answers could leave with
        return records

    def _append_beside(self) -> list[LogRecord]:
        """Log the fallback's answers to payments that have a position of their own."""
        requests, self._beside = self._beside, []
        new = [record for r in requests if (record := answer_record(r.record, self._shard)) is not None]
        places = self._shard.append(new) if new else []
        for request in requests:
            self._inbox.noted(request.ticket, Noted(self._shard.end, duplicate=False, conflict=False))
        return [
            LogRecord(place.position, record.event, record.arrival_us)
            for record, place in zip(new, places, strict=True)
            if not place.duplicate
        ]

    def _slice_is_due(self) -> bool:
        waiting = self._task.position - self._committed
        return waiting >= SLICE_RECORDS or (waiting > 0 and self._begun >= self._committed_at + SLICE_S)

    def _finished_work(self) -> Slice:
        self._committed, self._committed_at = self._task.position, time.monotonic()
        return self._task.changes()

    def _commit(self) -> None:
        self._shard.commit(self._finished_work())

    def _note(self, request: Request, place: Appended) -> None:
        if request.kind is Kind.PAYMENT and not place.duplicate:
            self._awaited[place.position] = request.ticket
        elif request.kind is Kind.PAYMENT and not place.conflict:
            self._repeat(request, place)
        elif request.kind is Kind.FALLBACK and place.duplicate:
            self._beside.append(request)
        else:
            self._inbox.noted(request.ticket, Noted(place.position, place.duplicate, place.conflict))

    def _repeat(self, request: Request, place: Appended) -> None:
        """Answer a payment that was logged before as it was answered then."""
        if self._task.position > self._committed:
            self._commit()  # the answer may be among what is finished and not stored
        payment = request.record.event
        assert isinstance(payment, Payment)
        known = effective_decision(self._shard, payment.tenant, payment.transaction_id)
        if known is None:
            self._inbox.noted(request.ticket, Noted(place.position, place.duplicate, place.conflict))
        else:
            self._inbox.decided(request.ticket, encode_decision(known))

    # The effects.

    def take(self, outputs: Sequence[Output]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for output in outputs:
            if isinstance(output, Decided):
                ticket = self._awaited.pop(output.position, None)
                if ticket is not None:
                    self._inbox.decided(ticket, output.encoded)
            elif isinstance(output, TaskFault):
                self._faults += 1
                _log.error("record_failed", position=output.position, reason=output.reason)
        if self._running:
            self._send()

    def _send(self) -> None:
        seconds = time.monotonic() - self._begun
        if self._payments:
            self._pacing.worked(self._payments, seconds)
        self._inbox.send(Worked(self._read, self._payments, seconds, self._faults))
        self._payments, self._faults = 0, 0
