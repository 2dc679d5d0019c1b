"""One shard at work: requests become log records, outputs become answers, finished work is stored."""

import time
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

import structlog

from alerting.decision import fallback_event_id
from detectors.events import Payment
from flows.answer_journal import answer_record
from flows.codec import Event
from flows.frames import Kind, Noted
from flows.inbox import Request
from flows.log import Appended, LogRecord
from flows.outputs import Decided, Output
from flows.sqlite_shard import SqliteShard
from flows.store import Slice
from flows.task import ShardTask

SLICE_RECORDS: Final = 8
SLICE_S: Final = 0.1
"""Finished work is stored behind this many records or seconds, whichever comes first.

Durable is what is in the log; state and ledger follow from it. Stored at every append they would cost more
than the decisions themselves; stored too late in one piece they would hold up the next caller.
"""
CATCH_UP_BATCH: Final = 1_024

_log = structlog.get_logger(__name__)

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


class Answers(Protocol[A_contra]):
    """Where answers go, by who asked."""

    def decided(self, asker: A_contra, decision: bytes) -> None:
        """Answer a payment."""
        ...

    def noted(self, asker: A_contra, noted: Noted) -> None:
        """Say where a record stands."""
        ...


class Lane(Generic[A]):
    """A shard's log and store, its task, and who waits for what comes out of it.

    Records are taken in one by one: where each one stands depends on what came before, never on batches.

    Parameters
    ----------
    name
        The shard's name, as the flow knows it.
    shard
        Log and store, written by the flow's thread only.
    task
        The task whose finished work is stored.
    answers
        Where answers go.
    """

    def __init__(self, name: str, shard: SqliteShard, task: ShardTask, answers: Answers[A]) -> None:
        self.name = name
        self.shard = shard
        self.task = task
        self._answers = answers
        self._committed = task.position
        self._committed_at = time.monotonic()
        self._catch_up_to = shard.end
        self._awaited: dict[int, list[A]] = {}
        self._closed = False
        self.read = task.position
        """The position of the last record that was handed to the task."""

    def apply(self, record: LogRecord) -> list[Output]:
        """What follows from the next record; nothing once the lane is closed."""
        return [] if self._closed else self.task.apply(record)

    def close(self) -> None:
        """Let go of the shard: what was handed out and not applied, its next owner applies."""
        self._closed = True
        self.shard.close()

    @property
    def is_behind(self) -> bool:
        """Whether an earlier run appended what the task has not seen."""
        return self.read < self._catch_up_to

    @property
    def awaited(self) -> int:
        """Payments under way that somebody waits for."""
        return len(self._awaited)

    def re_read(self) -> list[LogRecord]:
        """The next records that an earlier run appended and did not finish."""
        self.commit()
        records = self.shard.read(self.read, CATCH_UP_BATCH)
        self.read = records[-1].position
        return records

    def take_in(self, requests: Sequence[Request[A]], next_offset: int | None = None) -> list[LogRecord]:
        """Log requests; gives the records that are new.

        ``next_offset`` is where the partition goes on that they came from, if they did.
        """
        records: list[LogRecord] = []
        with self.shard.writing(self._finished_work() if self._slice_is_due() else None):
            places = [self._append(request, records) for request in requests]
            if next_offset is not None:
                self.shard.note_offset(next_offset)
        if records:
            self.read = records[-1].position
        for request, place in zip(requests, places, strict=True):
            self._note(request, place)
        return records

    def _append(self, request: Request[A], records: list[LogRecord]) -> Appended:
        record = request.record
        place = self.shard.append_one(record)
        if not place.duplicate:
            records.append(LogRecord(place.position, record.event, record.arrival_us))
        elif request.kind is Kind.FALLBACK:
            # The payment has a position of its own: the fallback's answer stands beside it.
            beside = answer_record(record, self.shard)
            if beside is not None:
                at = self.shard.append_one(beside)
                if not at.duplicate:
                    records.append(LogRecord(at.position, beside.event, beside.arrival_us))
            return Appended(self.shard.end)
        elif request.kind is Kind.PAYMENT and not place.conflict:
            return Appended(self._answered_at(record.event, place.position), duplicate=True)
        return place

    def _answered_at(self, payment: Event, position: int) -> int:
        """Where the answer in force to a payment stands, by what the log holds so far."""
        assert isinstance(payment, Payment)
        beside = self.shard.find(fallback_event_id(payment.tenant, payment.transaction_id))
        return position if beside is None else beside

    def _note(self, request: Request[A], place: Appended) -> None:
        if place.conflict and request.asker is None:
            # Nobody is there to be told: the record came from a topic.
            _log.warning("record_conflicts", event_id=request.record.event.event_id, shard=self.name)
        if request.kind is Kind.PAYMENT and not place.conflict:
            if place.position > self.task.position:
                self._awaited.setdefault(place.position, []).append(request.asker)
            else:
                self._repeat(request, place)
        else:
            self._answers.noted(request.asker, Noted(place.position, place.duplicate, place.conflict))

    def _repeat(self, request: Request[A], place: Appended) -> None:
        """Answer a payment that was decided before as it was answered then."""
        self.commit_if_any()  # the answer may be among what is finished and not stored
        row = self.shard.ledger_row(place.position)
        if row is None:
            self._answers.noted(request.asker, Noted(place.position, place.duplicate, place.conflict))
        else:
            self._answers.decided(request.asker, row.decision)

    def answer(self, output: Decided) -> None:
        """Give a decision to those who wait for it."""
        for asker in self._awaited.pop(output.position, ()):
            self._answers.decided(asker, output.encoded)

    def commit(self) -> None:
        """Store finished work."""
        self.shard.commit(self._finished_work())

    def commit_if_any(self) -> None:
        """Store finished work, if there is any."""
        if self.task.position > self._committed:
            self.commit()

    def _slice_is_due(self) -> bool:
        waiting = self.task.position - self._committed
        return waiting >= SLICE_RECORDS or (waiting > 0 and time.monotonic() >= self._committed_at + SLICE_S)

    def _finished_work(self) -> Slice:
        self._committed, self._committed_at = self.task.position, time.monotonic()
        return self.task.changes()
