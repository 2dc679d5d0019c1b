"""The live end of the shard flow on the embedded log: one shard, whose requests come over the line.

The feed itself appends: it takes what has come and writes the new records, now and then together with the
work that the task has finished since, in one transaction. One thread, one flush to disk, no extra hop.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from flows.dataflow import ONLY_SHARD, Work
from flows.frames import Kind, Worked
from flows.inbox import Inbox, Request
from flows.lane import Lane
from flows.log import LogRecord
from flows.outputs import Decided, Output, TaskFault
from flows.pacing import Pacing
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

IDLE_COMMIT_S: Final = 0.02
"""How long finished work waits for a new record to share its flush with."""
IDLE_WAIT_S: Final = 0.2
"""How long the flow waits for a record before it looks at anything else."""

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
        self._lane = Lane(ONLY_SHARD, shard, task, inbox)
        self._inbox = inbox
        self._max_batch = max_batch
        self._max_batch_s = max_batch_s
        self._before_batch = before_batch
        self._running = False
        self._payments, self._begun, self._faults = 0, 0.0, 0
        self._pacing = Pacing()

    # The feed.

    def next_batch(self) -> list[Work]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        lane = self._lane
        if lane.is_behind:
            return self._work(lane.re_read())
        if not self._running:
            self._running = True
            lane.commit()  # so that whoever asks for an old payment finds its answer
            self._inbox.say(Kind.RUNNING)
            self._inbox.send(Worked(lane.read, 0, 0.0, 0))
        lane.task.settle()
        requests = self._take(IDLE_COMMIT_S)
        if not requests:
            lane.commit_if_any()
            if self._inbox.closed:
                raise StopIteration
            requests = self._take(IDLE_WAIT_S)
        return self._work(self._append(requests)) if requests else []

    def _work(self, records: list[LogRecord]) -> list[Work]:
        task = self._lane.task
        return [(ONLY_SHARD, (task, record)) for record in records]

    def _take(self, timeout_s: float) -> list[Request[int]]:
        payments = self._pacing.fitting(self._max_batch_s, self._max_batch)
        return self._inbox.take(timeout_s, self._max_batch, payments)

    def _append(self, requests: list[Request[int]]) -> list[LogRecord]:
        self._begun = time.monotonic()
        records = self._lane.take_in(requests)
        self._payments = self._lane.awaited
        if self._before_batch is not None:
            self._before_batch(self._payments)
        if not self._payments:
            self._send()  # nothing will come out of the task that these answers could leave with
        return records

    # The effects.

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for _, output in outputs:
            if isinstance(output, Decided):
                self._lane.answer(output)
            elif isinstance(output, TaskFault):
                self._faults += 1
                _log.error("record_failed", position=output.position, reason=output.reason)
        if self._running:
            self._send()

    def _send(self) -> None:
        seconds = time.monotonic() - self._begun
        if self._payments:
            self._pacing.worked(self._payments, seconds)
        self._inbox.send(Worked(self._lane.read, self._payments, seconds, self._faults))
        self._payments, self._faults = 0, 0
