"""Requests on their way through the flow, as those who wait see them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from alerting.decision import Decision, FallbackAnswered, FallbackCause
from alerting.engine import EngineUnavailableError, PayloadConflictError, Receipt
from detectors.events import Payment
from flows.frames import Kind
from flows.log import NewRecord
from flows.news import News


class Desk(Protocol):
    """What a submission asks of the intake that made it."""

    def clock(self) -> float:
        """Seconds on a clock that only goes forward."""
        ...

    def fall_back(self, submission: "Submission", cause: FallbackCause) -> Decision:
        """Answer with the fallback unless the engine has answered meanwhile."""
        ...


class Submission:
    """A payment on its way to an answer; see :class:`alerting.engine.Pending`."""

    __slots__ = ("_desk", "_news", "cause", "conflict", "decision", "due", "payment", "record")
    frame_kind: ClassVar = Kind.PAYMENT

    def __init__(self, desk: "Desk", payment: Payment, record: NewRecord, due: float) -> None:
        self._desk = desk
        self._news = News()
        self.due = due
        self.payment = payment
        self.record = record
        self.decision: Decision | None = None
        self.cause = FallbackCause.DEADLINE
        self.conflict = False

    def on_answer(self, callback: Callable[[], None]) -> None:
        """See :meth:`alerting.engine.Pending.on_answer`."""
        self._news.tell(callback)

    def answer_now(self) -> Decision:
        """See :meth:`alerting.engine.Pending.answer_now`."""
        if self.conflict:
            raise PayloadConflictError(self.payment.transaction_id)
        return self.decision or self._desk.fall_back(self, self.cause)

    def result(self) -> Decision:
        """See :meth:`alerting.engine.Pending.result`."""
        self.wait_until(self.due)
        return self.answer_now()

    def wait_until(self, due: float) -> None:
        """Block until there is an answer, or until ``due`` on the intake's clock."""
        self._news.wait(due - self._desk.clock())

    def answered(self, decision: Decision, cause: FallbackCause) -> NewRecord:
        """The record of a fallback answer to this payment, which the log may not have."""
        event = FallbackAnswered(
            self.payment, decision.action, cause, decision.policy_version, payment_logged=False
        )
        return NewRecord.of(event, self.record.arrival_us)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._news.spread()


@dataclass(frozen=True, slots=True)
class Twin:
    """The same payment, asked for again while the first request still waits; its own deadline."""

    first: Submission
    due: float

    def on_answer(self, callback: Callable[[], None]) -> None:
        """See :meth:`alerting.engine.Pending.on_answer`."""
        self.first.on_answer(callback)

    def answer_now(self) -> Decision:
        """See :meth:`alerting.engine.Pending.answer_now`."""
        return self.first.answer_now()

    def result(self) -> Decision:
        """See :meth:`alerting.engine.Pending.result`."""
        self.first.wait_until(self.due)
        return self.first.answer_now()


@dataclass(frozen=True, slots=True)
class Known:
    """A payment that was answered before."""

    decision: Decision
    due: float

    def on_answer(self, callback: Callable[[], None]) -> None:
        """See :meth:`alerting.engine.Pending.on_answer`."""
        callback()

    def answer_now(self) -> Decision:
        """See :meth:`alerting.engine.Pending.answer_now`."""
        return self.decision

    def result(self) -> Decision:
        """See :meth:`alerting.engine.Pending.result`."""
        return self.decision


class Publication:
    """An event that needs a receipt and no decision; see :class:`alerting.engine.PendingReceipt`."""

    __slots__ = ("_news", "conflict", "receipt", "record")
    frame_kind: ClassVar = Kind.EVENT

    def __init__(self, record: NewRecord) -> None:
        self._news = News()
        self.record = record
        self.receipt: Receipt | None = None
        self.conflict = False

    def settle(self, receipt: Receipt | None, *, conflict: bool = False) -> None:
        """Say what became of it; None when it never reached the log."""
        self.receipt, self.conflict = receipt, conflict
        self._news.spread()

    def on_settled(self, callback: Callable[[], None]) -> None:
        """See :meth:`alerting.engine.PendingReceipt.on_settled`."""
        self._news.tell(callback)

    def receipt_now(self) -> Receipt:
        """See :meth:`alerting.engine.PendingReceipt.receipt_now`."""
        if self.conflict:
            raise PayloadConflictError(self.record.event.event_id)
        if self.receipt is None:
            raise EngineUnavailableError("the log did not take the event in time; try again")
        return self.receipt

    def wait(self, timeout_s: float) -> Receipt:
        """The receipt, once the event is durable."""
        self._news.wait(timeout_s)
        return self.receipt_now()


@dataclass(frozen=True, slots=True)
class FallbackEntry:
    """A fallback answer on its way into the log; ``page`` is where the answer journal has it."""

    frame_kind: ClassVar = Kind.FALLBACK
    record: NewRecord
    submission: Submission
    page: int | None


Entry = Submission | Publication | FallbackEntry
