"""An engine in memory that keeps the promises of `alerting.engine.RiskEngine`; builders of events."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Lock
from time import monotonic

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Reason,
    Source,
    StepUpAdvice,
    decision_id,
)
from alerting.engine import (
    EngineUnavailableError,
    Explanation,
    Health,
    Loop,
    PayloadConflictError,
    Pending,
    PendingReceipt,
    Published,
    Receipt,
    UnknownTransactionError,
)
from detectors.assessment import Family
from detectors.events import Outcome, OutcomeKind, Payment, Verdict

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def a_payment(transaction_id: str = "t-1", amount_minor: int = 1_250) -> Payment:
    """A payment that nothing is wrong with; above 100.00 the fake asks for a step-up."""
    return Payment(transaction_id, "user-1", amount_minor, "EUR", NOW, "merchant-1")


def an_outcome(transaction_id: str = "t-1", outcome_id: str = "o-1", user_id: str = "user-1") -> Outcome:
    """A chargeback of that payment."""
    return Outcome(outcome_id, transaction_id, user_id, OutcomeKind.CHARGEBACK, Verdict.FRAUD, NOW)


def describe(reason: Reason) -> str:
    """The reason in words."""
    return f"{reason.code} was {reason.value} {reason.unit}"


class Gate:
    """Open or shut; tells callbacks whenever it opens."""

    def __init__(self) -> None:
        self._open = Event()
        self._callbacks: list[Callable[[], None]] = []
        self._open.set()

    def set(self) -> None:
        """Open it."""
        self._open.set()
        while self._callbacks:
            self._callbacks.pop(0)()

    def clear(self) -> None:
        """Shut it."""
        self._open.clear()

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._open.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Block until it is open."""
        return self._open.wait(max(0.0, timeout_s))

    def tell(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when it is open, maybe twice."""
        self._callbacks.append(callback)
        if self._open.is_set():
            callback()


@dataclass
class FakeEngine:
    """Decides by the amount. While ``gate`` is shut, answers and receipts wait for it or for their time."""

    state: Health = Health.SERVING
    available: bool = True
    time: datetime = NOW
    fault: Callable[[Payment], None] = lambda _payment: None
    offered: Callable[[Outcome | Published], None] = lambda _event: None
    answered: Callable[[Decision], None] = lambda _decision: None
    deadlines_s: list[float] = field(default_factory=list)
    payments: dict[tuple[str, str], Payment] = field(default_factory=dict)
    decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)
    events: dict[str, Outcome | Published] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    lock: Lock = field(default_factory=Lock)

    def submit(self, payment: Payment, deadline_s: float) -> Pending:
        """Decide, unless the same id came with other content."""
        self.fault(payment)
        key = (payment.tenant, payment.transaction_id)
        with self.lock:
            self.deadlines_s.append(deadline_s)
            if self.payments.setdefault(key, payment) != payment:
                raise PayloadConflictError
            return _Waiting(self, _decide(payment, len(self.payments)), deadline_s)

    def find_decision(self, tenant: str, transaction_id: str) -> Decision:
        """The decision given before."""
        try:
            return self.decisions[tenant, transaction_id]
        except KeyError as error:
            raise UnknownTransactionError from error

    def find_user(self, tenant: str, transaction_id: str) -> str:
        """The payment's user."""
        try:
            return self.payments[tenant, transaction_id].user_id
        except KeyError as error:
            raise UnknownTransactionError from error

    def explain(self, tenant: str, transaction_id: str) -> Explanation:
        """Payment, decision and outcomes."""
        decision = self.find_decision(tenant, transaction_id)
        outcomes = tuple(
            event
            for event in self.events.values()
            if isinstance(event, Outcome) and event.transaction_id == transaction_id
        )
        payment = self.payments[tenant, transaction_id]
        features = (("log_amount", 2.5), ("hour", 12.0))
        return Explanation(payment, decision, features, outcomes, decision.action is Action.STEP_UP)

    def offer(self, event: Outcome | Published) -> PendingReceipt:
        """Keep the event; its receipt waits for the gate."""
        if not self.available:
            raise EngineUnavailableError
        self.offered(event)
        with self.lock:
            duplicate = event.event_id in self.events
            conflict = self.events.setdefault(event.event_id, event) != event
            receipt = Receipt(list(self.events).index(event.event_id), duplicate)
        return _WaitingReceipt(self.gate, None if conflict else receipt)

    def publish(self, event: Outcome | Published) -> Receipt:
        """Keep the event."""
        return self.offer(event).receipt_now()

    def health(self) -> Health:
        """As the test has set it."""
        return self.state

    def now(self) -> datetime:
        """As the test has set it."""
        return self.time

    def hear_on(self, loop: Loop) -> None:
        """Its answers need no loop."""

    def hear_alone(self) -> None:
        """It never used one."""


class _Waiting:
    def __init__(self, engine: FakeEngine, decision: Decision, deadline_s: float) -> None:
        self._engine = engine
        self._decision = decision
        self._deadline_s = deadline_s
        self.due = monotonic() + deadline_s

    def on_answer(self, callback: Callable[[], None]) -> None:
        self._engine.gate.tell(callback)

    def answer_now(self) -> Decision:
        key = (self._decision.tenant, self._decision.transaction_id)
        in_time = self._deadline_s > 0.0 and self._engine.gate.is_set()
        decision = self._decision if in_time else _fallback(self._decision)
        decision = self._engine.decisions.setdefault(key, decision)
        self._engine.answered(decision)
        return decision

    def result(self) -> Decision:
        self._engine.gate.wait(self.due - monotonic())
        return self.answer_now()


@dataclass(frozen=True)
class _WaitingReceipt:
    gate: Gate
    receipt: Receipt | None

    def on_settled(self, callback: Callable[[], None]) -> None:
        self.gate.tell(callback)

    def receipt_now(self) -> Receipt:
        if not self.gate.is_set():
            raise EngineUnavailableError
        if self.receipt is None:
            raise PayloadConflictError
        return self.receipt


def _decide(payment: Payment, log_position: int) -> Decision:
    large = payment.amount_minor > 10_000
    reason = Reason(
        "AMOUNT_HIGH",
        Family.ABNORMAL_SPENDING,
        payment.amount_minor / 100,
        5.0,
        80.0,
        payment.currency,
        "",
        1.0,
    )
    return Decision(
        decision_id=decision_id(payment.tenant, payment.transaction_id),
        transaction_id=payment.transaction_id,
        tenant=payment.tenant,
        user_id=payment.user_id,
        event_time=payment.event_time,
        action=Action.STEP_UP if large else Action.APPROVE,
        score=75.0 if large else 10.0,
        raw_score=3.25 if large else 0.5,
        reasons=(reason,) if large else (),
        rule_ids=("large",) if large else (),
        step_up=StepUpAdvice(
            ChallengeIndicator.CHALLENGE_WANTED if large else ChallengeIndicator.NO_PREFERENCE,
            Exemption.NONE,
            None,
            payment.event_time if large else None,
        ),
        model_version="m1",
        policy_version="p1",
        feature_version="f1",
        log_position=log_position,
    )


def _fallback(decision: Decision) -> Decision:
    return replace(
        decision, action=Action.REVIEW, source=Source.FALLBACK, fallback_cause=FallbackCause.DEADLINE
    )
