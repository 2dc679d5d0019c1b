"""Where requests wait for the flow: one bounded queue, each request answered by its deadline.

Many threads submit; one hears what the shard process answers. Whoever sets a submission's decision first has
answered it: the engine, or the waiting thread with the fallback when the deadline comes first. The other one
finds the answer there and leaves it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from alerting.decision import Decision, FallbackCause
from alerting.engine import EngineUnavailableError, PayloadConflictError, Receipt
from detectors.events import Payment
from flows.answer_journal import AnswerJournal
from flows.codec import Event, decode_decision, encode_decision
from flows.dispatch import Dispatch
from flows.fallback_rate import FallbackRate
from flows.log import DIGEST_BYTES, NewRecord
from flows.pending import FallbackEntry, Known, Publication, Submission, Twin

Clock = Callable[[], float]

TOO_LATE_S: Final = 1.0
"""So long after its deadline a payment is answered no more: this process stood still, its caller has gone.

Another process may have decided the payment meanwhile, and told a caller who asked again.
"""
QUEUED_SHARE: Final = 0.5
"""How much of its deadline a payment may spend in the queue, by the estimate."""


@dataclass(frozen=True, slots=True)
class IntakeParams:
    """Bounds of the queue.

    Parameters
    ----------
    max_waiting
        Payments that may wait at once; a further one is answered by the fallback, cause OVERLOAD.
    max_batch
        Records that the flow takes at once, at most.
    max_batch_s
        How long the flow may work on a batch, going by what payments took lately: answers leave when their
        batch is done, so a slow flow takes fewer at once.
    min_window
        Payments of a shard that may be under way to its log, however slow the flow is.
    max_unlogged
        Fallback answers that may wait for their place in the log. Beyond it a request is refused
        (UNAVAILABLE): an answer that can't be recorded is not given.
    remembered
        Decisions kept in memory, so that a repeated request is answered before the ledger has the row.
    """

    max_waiting: int = 128
    max_batch: int = 64
    max_batch_s: float = 0.01
    min_window: int = 2
    max_unlogged: int = 20_000
    remembered: int = 8_192


class Mode(Enum):
    """What the flow is doing, as the intake must know it."""

    CATCHING_UP = auto()
    RUNNING = auto()
    DOWN = auto()


class Intake:
    """The queue between the threads that serve requests and the one that runs the flow.

    Parameters
    ----------
    fallback
        The declared fallback's decision for a payment and a cause.
    find_known
        The decision on record for a payment, None when there is none; raises
        :class:`PayloadConflictError` when the payload differs.
    arrival_us
        The edge's clock in Unix microseconds, for the log record only.
    journal
        Where the fallback's answers are noted before they go out.
    shards
        How many shards there are; bounds are those of one.
    alone
        Whether no other process answers for the same payments. Otherwise the fallback of another one may have
        replaced an answer that was given here: a repeat is asked again, and answered from memory only where
        nothing is heard in time.
    """

    def __init__(
        self,
        fallback: Callable[[Payment, FallbackCause], Decision],
        find_known: Callable[[NewRecord, Payment], Decision | None],
        arrival_us: Callable[[], int],
        journal: AnswerJournal,
        params: IntakeParams | None = None,
        clock: Clock = time.monotonic,
        shards: int = 1,
        alone: bool = True,
    ) -> None:
        self.alone = alone
        self.params = params or IntakeParams()
        self.clock = clock
        self.rate = FallbackRate(clock)
        self.mode = Mode.CATCHING_UP
        self._fallback = fallback
        self._find_known = find_known
        self._arrival_us = arrival_us
        self._journal = journal
        self._lock = threading.Lock()
        self.dispatch = Dispatch(
            self.params.max_batch, self.params.max_batch_s, shards, self.params.min_window
        )
        self._open: dict[bytes, Submission] = {}  # by event key: unanswered, or answered but not on record
        # Digest of the payment and the decision's bytes. As objects they would be what the garbage collector
        # walks through while a caller waits: 35 ms at a time.
        self._remembered: OrderedDict[bytes, bytes] = OrderedDict()
        self._unlogged = 0

    # For the threads that serve requests.

    def submit(self, payment: Payment, deadline_s: float) -> Submission | Twin | Known:
        """See :meth:`alerting.engine.RiskEngine.submit`."""
        due = self.clock() + deadline_s
        record = NewRecord.of(payment, self._arrival_us())
        with self._lock:
            open_one = self._open.get(record.event_key)
            if open_one is not None:
                _refuse_conflict(record, open_one.record.digest)
                return Twin(open_one, due)
            remembered = self._remembered.get(record.event_key)
            if remembered is not None:
                _refuse_conflict(record, remembered[:DIGEST_BYTES])
            if remembered is not None and self.alone:
                return Known(decode_decision(remembered[DIGEST_BYTES:]), due)
            submission = Submission(self, payment, record, due)
            cause = self._cause_to_refuse(submission, deadline_s)
            self._open[record.event_key] = submission
        if cause is None:
            self.dispatch.put(submission)
            return submission
        try:
            self.fall_back(submission, cause)
        except BaseException:
            with self._lock:
                self._open.pop(record.event_key, None)
            raise
        return submission

    def offer(self, event: Event) -> Publication:
        """See :meth:`alerting.engine.RiskEngine.offer`."""
        publication = Publication(NewRecord.of(event, self._arrival_us()))
        if self.mode is Mode.DOWN or self.dispatch.queued > self.params.max_unlogged:
            raise EngineUnavailableError("the engine takes no records now; try again")
        self.dispatch.put(publication)
        return publication

    def publish(self, event: Event, timeout_s: float) -> Receipt:
        """See :meth:`alerting.engine.RiskEngine.publish`."""
        return self.offer(event).wait(timeout_s)

    def fall_back(self, submission: Submission, cause: FallbackCause) -> Decision:
        """Answer without the flow, unless it was quicker: as is on record, else by the fallback."""
        decision = self._on_record(submission)
        if decision is None:
            if self.clock() > submission.due + TOO_LATE_S:
                raise EngineUnavailableError("the process stood still for too long; ask again")
            if cause is FallbackCause.DEADLINE and self.mode is Mode.CATCHING_UP:
                cause = FallbackCause.STALE_STATE
            decision = self._fallback(submission.payment, cause)
            with self._lock:
                if submission.decision is not None:
                    return submission.decision
                self._note(submission, decision, cause)
                submission.decision = decision
                self._open[submission.record.event_key] = submission
            self.rate.count(fallback=True)
        submission.wake()
        return decision

    def _on_record(self, submission: Submission) -> Decision | None:
        """A repeat that the flow has no time for still gets the answer that was given before."""
        try:
            known = self._find_known(submission.record, submission.payment)
            known = known or self._from_memory(submission.record.event_key)
        except PayloadConflictError:
            self.refuse(submission)
            raise
        with self._lock:
            if known is None or submission.decision is not None:
                return submission.decision
            submission.decision = known
            self._forget(submission, known)
        return known

    def _from_memory(self, event_key: bytes) -> Decision | None:
        with self._lock:
            known = self._remembered.get(event_key)
        return None if known is None else decode_decision(known[DIGEST_BYTES:])

    def _note(self, submission: Submission, decision: Decision, cause: FallbackCause) -> None:
        """Put the fallback's answer on its way into the log, safe from a kill of the process from now on."""
        record = submission.answered(decision, cause)
        page = self._journal.write(record) if self._unlogged < self.params.max_unlogged else None
        if page is None:
            raise EngineUnavailableError("too many answers wait for their place in the log")
        self._unlogged += 1
        self.dispatch.put(FallbackEntry(record, submission, page))

    def remembered(self, event_key: bytes) -> Decision | None:
        """A decision that the ledger may not have yet."""
        with self._lock:
            open_one = self._open.get(event_key)
        return self._from_memory(event_key) if open_one is None else open_one.decision

    def _cause_to_refuse(self, submission: Submission, deadline_s: float) -> FallbackCause | None:
        if self.mode is Mode.DOWN:
            return FallbackCause.FAULT
        # A queue as long as the deadline would be worked off just too late, payment after payment.
        waiting = self.dispatch.payments_beside(submission)
        needed_s = self.dispatch.pacing.needed_s(waiting)
        if waiting >= self.params.max_waiting or needed_s > QUEUED_SHARE * deadline_s:
            return FallbackCause.OVERLOAD
        return None

    @property
    def waiting(self) -> int:
        """Payments that the flow has not dealt with yet."""
        return self.dispatch.payments

    # For the thread that hears the shard process.

    def answer(self, submission: Submission, decision: Decision) -> None:
        """Give the engine's decision, unless the fallback was quicker."""
        with self._lock:
            if submission.decision is not None:
                return
            submission.decision = decision
            self._forget(submission, decision)
        self.rate.count(fallback=False)
        submission.wake()

    def refuse(self, submission: Submission) -> None:
        """Say that the transaction id came before with another payload."""
        with self._lock:
            submission.conflict = True
            self._open.pop(submission.record.event_key, None)
        submission.wake()

    def recorded(self, entry: FallbackEntry) -> None:
        """A fallback answer has its place in the log."""
        with self._lock:
            self._unlogged -= 1
            if entry.page is not None:
                self._journal.drop(entry.page)
            if entry.submission.decision is not None:
                self._forget(entry.submission, entry.submission.decision)

    def _forget(self, submission: Submission, decision: Decision) -> None:
        self._open.pop(submission.record.event_key, None)
        self._remembered[submission.record.event_key] = submission.record.digest + encode_decision(decision)
        while len(self._remembered) > self.params.remembered:
            self._remembered.popitem(last=False)

    def fail_waiting(self, mode: Mode) -> None:
        """The flow is gone: everybody who waits gets the fallback now, cause FAULT."""
        with self._lock:
            self.mode = mode
            waiting = [s for s in self._open.values() if s.decision is None]
            for submission in waiting:
                # Whoever still waits takes the fallback; where nobody does, a repeat starts anew.
                del self._open[submission.record.event_key]
        for submission in waiting:
            submission.cause = FallbackCause.FAULT
            submission.wake()


def _refuse_conflict(record: NewRecord, digest: bytes) -> None:
    if record.digest != digest:
        raise PayloadConflictError(record.event.event_id)
