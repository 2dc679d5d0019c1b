"""What the shard task says about a log record."""

from dataclasses import dataclass
from datetime import datetime

from alerting.alerts import Alert
from alerting.decision import Decision
from alerting.delivery.reasons import Suppression
from detectors.events import Outcome, Payment
from detectors.knowledge import ShardKnowledge


@dataclass(frozen=True, slots=True)
class Decided:
    """A payment has its decision; ``features`` are what it was made from (empty for a fallback).

    ``encoded`` are the decision's canonical bytes, made once for all who store them.
    """

    position: int
    payment: Payment
    decision: Decision
    features: tuple[float, ...]
    encoded: bytes


@dataclass(frozen=True, slots=True)
class OutcomeNoted:
    """An outcome is on record."""

    position: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class VisitNoted:
    """A visit was learned, and how it had been foreseen: see :class:`~detectors.habits.next_place.Foreseen`.

    No output, since no decision or alert: for whoever watches the learning. ``source`` is who told of it.
    """

    position: int
    tenant: str
    user_id: str
    merchant_id: str
    event_time: datetime
    source: str
    rank: int
    probability: float
    top_probability: float


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """A candidate alert and what became of it; ``suppressed`` is why it is not sent, None where it is.

    ``seq`` counts the candidates of one record from 0; ``encoded`` are the alert's canonical bytes.
    """

    position: int
    seq: int
    alert: Alert
    suppressed: Suppression | None
    encoded: bytes


@dataclass(frozen=True, slots=True)
class TaskFault:
    """A record that the task could not apply: a fault of ours, kept as a dead letter."""

    position: int
    event_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that belongs into the logs of all other shards.

    Said while the record at ``position`` is applied, of what came before it. It may be said again after a
    restart: its event id is the same then, and so are its bytes.
    """

    position: int
    event: ShardKnowledge


Output = Decided | AlertRaised | OutcomeNoted | TaskFault | Shared
