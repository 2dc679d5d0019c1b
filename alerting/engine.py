"""What the gRPC edge needs of an engine: the port between `alerting.rpc` and whoever runs the shard task."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from alerting.decision import Decision
from detectors.events import Consent, Location, Merchant, Outcome, Payment, Preferences, Tick, Trade, Visit

Published = Location | Consent | Preferences | Merchant | Tick | Trade | Visit


class PayloadConflictError(Exception):
    """The transaction id was used before with another payload."""


class UnknownTransactionError(Exception):
    """No decision is known for the transaction id."""


class EngineUnavailableError(Exception):
    """The engine can't take a record that has no fallback (an outcome, a location); try again."""


class Health(StrEnum):
    """What the engine says of itself."""

    STARTING = "STARTING"
    SERVING = "SERVING"
    DEGRADED = "DEGRADED"  # more than 1 % fallback answers within the last minute
    NOT_SERVING = "NOT_SERVING"


class Pending(Protocol):
    """A payment on its way to an answer.

    Threads wait with :meth:`result`. Event loops ask to be told with :meth:`on_answer`, and call
    :meth:`answer_now` when they were told or when the time is up.
    """

    @property
    def due(self) -> float:
        """When the answer is due, on the clock of ``time.monotonic``."""
        ...

    def on_answer(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the answer is there, at once if it is, from any thread, maybe twice."""
        ...

    def answer_now(self) -> Decision:
        """The engine's decision if it is there, otherwise the fallback's; the same at every later call.

        Raises
        ------
        PayloadConflictError
            When the transaction id came before with another payload.
        EngineUnavailableError
            When not even the fallback's answer could be recorded.
        """
        ...

    def result(self) -> Decision:
        """Wait until there is an answer or it is due, then :meth:`answer_now`."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """An accepted record: its place in the log, and whether it had been there already."""

    log_position: int
    duplicate: bool


class PendingReceipt(Protocol):
    """An event on its way into the log."""

    def on_settled(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the event is durable or refused, at once if so, from any thread."""
        ...

    def receipt_now(self) -> Receipt:
        """The receipt.

        Raises
        ------
        PayloadConflictError
            When the event's id came before with other content.
        EngineUnavailableError
            When the event is not durable, or not yet.
        """
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one decision."""

    payment: Payment
    decision: Decision
    features: tuple[tuple[str, float], ...]
    outcomes: tuple[Outcome, ...]
    quarantined: bool


class Loop(Protocol):
    """What an engine uses of an event loop."""

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object) -> object:
        """Call from the loop's thread, soon."""
        ...

    def add_reader(self, fd: int, callback: Callable[..., object], *args: object) -> object:
        """Call whenever there is something to read."""
        ...

    def remove_reader(self, fd: int) -> bool:
        """No more."""
        ...


class RiskEngine(Protocol):
    """Decides payments inline. All methods may be called from many threads."""

    def submit(self, payment: Payment, deadline_s: float) -> Pending:
        """Start deciding; the answer is due ``deadline_s`` seconds from now.

        Raises
        ------
        PayloadConflictError
            When the same tenant and transaction id came before with another payload.
        """
        ...

    def find_decision(self, tenant: str, transaction_id: str) -> Decision:
        """The effective decision; raises :class:`UnknownTransactionError`."""
        ...

    def find_user(self, tenant: str, transaction_id: str) -> str:
        """The user who made the payment; raises :class:`UnknownTransactionError`."""
        ...

    def explain(self, tenant: str, transaction_id: str) -> Explanation:
        """What the decision rests on; raises :class:`UnknownTransactionError`."""
        ...

    def offer(self, event: Outcome | Published) -> PendingReceipt:
        """Start to append an event that needs no answer.

        Raises
        ------
        EngineUnavailableError
            When the queue is full or the engine is stopped.
        """
        ...

    def publish(self, event: Outcome | Published) -> Receipt:
        """Append an event and wait until it is durable; raises as the receipt does."""
        ...

    def health(self) -> Health:
        """The state that health checks report."""
        ...

    def now(self) -> datetime:
        """The edge's clock (UTC): for refusing times too far ahead, never for decisions."""
        ...

    def hear_on(self, loop: Loop) -> None:
        """Take answers in on ``loop`` from now on: to change threads costs as much as the decision."""
        ...

    def hear_alone(self) -> None:
        """Stop using the loop; called on it, before it closes."""
        ...
