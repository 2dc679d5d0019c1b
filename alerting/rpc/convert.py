"""Wire messages to events and decisions, and back: the only place where both are known.

Reading collects every bad field of a request and raises one
:class:`~alerting.rpc.errors.InvalidRequestError`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message

from alerting.decision import Decision, Reason, StepUpAdvice
from alerting.engine import Explanation, Published
from alerting.rpc.errors import InvalidRequestError, Violation
from alerting.rpc.intake import Intake
from alerting.rpc.shape import Shape
from detectors.checks import MAX_ID
from detectors.edge_checks import edge_problems
from detectors.events import (
    Consent,
    Location,
    Merchant,
    Outcome,
    Payment,
    Preferences,
    Tick,
    Trade,
    Visit,
)
from detectors.pan import contains_pan
from geo import Position
from tapwatch.v1 import decision_pb2, events_pb2, ingest_pb2, risk_pb2

M = TypeVar("M", bound=Message)

_MAX_BUDGET_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class TransactionKey:
    """Which payment a request is about."""

    transaction_id: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        for name, value in (("transaction_id", self.transaction_id), ("tenant", self.tenant)):
            if not 0 < len(value) <= MAX_ID:
                raise ValueError(f"{name}: has {len(value)} characters; allowed: 1..{MAX_ID}")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"{name}: holds a character that is not allowed; allowed: printable ASCII")
            if contains_pan(value):
                raise ValueError(f"{name}: looks like a card number; allowed: tokens only")


_POSITION: Final = Shape(Position, events_pb2.Position)
PAYMENT: Final = Shape(Payment, events_pb2.Payment, _POSITION)
OUTCOME: Final = Shape(Outcome, events_pb2.Outcome)
DECISION: Final = Shape(
    Decision,
    decision_pb2.Decision,
    Shape(Reason, decision_pb2.Reason),
    Shape(StepUpAdvice, decision_pb2.StepUpAdvice),
)
_KEY_OF_GET: Final = Shape(TransactionKey, risk_pb2.GetDecisionRequest)
_KEY_OF_EXPLAIN: Final = Shape(TransactionKey, risk_pb2.ExplainDecisionRequest)
PUBLISHED: Final[dict[str, Shape[Any, Any]]] = {
    "location": Shape(Location, events_pb2.Location, _POSITION),
    "consent": Shape(Consent, events_pb2.Consent),
    "preferences": Shape(Preferences, events_pb2.Preferences),
    "merchant": Shape(Merchant, events_pb2.Merchant, _POSITION),
    "tick": Shape(Tick, events_pb2.Tick),
    "trade": Shape(Trade, events_pb2.Trade),
    "visit": Shape(Visit, events_pb2.Visit),
}
"""The shapes of the events that ``Publish`` takes besides outcomes, by the name of their field."""

_EVENT_SHAPES: Final[tuple[Shape[Any, Any], ...]] = (PAYMENT, OUTCOME, *PUBLISHED.values())
_ALONE: Final[dict[str, Shape[Any, Any]]] = {
    shape.message_type.DESCRIPTOR.full_name: shape for shape in _EVENT_SHAPES
}


def parse(message_type: type[M], raw: bytes) -> M:
    """The message in ``raw``."""
    try:
        return message_type.FromString(raw)
    except DecodeError as error:
        raise InvalidRequestError((Violation("", "is not a message of this type"),)) from error


def read_decide(
    request: risk_pb2.DecideRequest | risk_pb2.DecideStreamRequest, latest: datetime
) -> tuple[Payment, float | None]:
    """The payment to decide on and the request's budget in seconds."""
    intake = Intake(latest)
    budget_s = _read_budget(request.budget, intake) if request.HasField("budget") else None
    if not request.HasField("payment"):
        intake.refuse("", "payment", "is required")
        intake.finish()
    payment = PAYMENT.read(request.payment, "payment", intake)
    intake.finish()
    return payment, budget_s


def read_key(request: risk_pb2.GetDecisionRequest | risk_pb2.ExplainDecisionRequest) -> TransactionKey:
    """Which payment the request is about."""
    intake = Intake(datetime.max.replace(tzinfo=UTC))
    if isinstance(request, risk_pb2.GetDecisionRequest):
        key = _KEY_OF_GET.read(request, "", intake)
    else:
        key = _KEY_OF_EXPLAIN.read(request, "", intake)
    intake.finish()
    return key


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """An outcome as reported; ``user_given`` is false while ``outcome.user_id`` is only a stand-in."""

    outcome: Outcome
    user_given: bool

    def of_user(self, user_id: str) -> Outcome:
        """The outcome with its user."""
        return replace(self.outcome, user_id=user_id)


def read_report(request: risk_pb2.ReportOutcomeRequest, latest: datetime) -> OutcomeReport:
    """The outcome that the request reports."""
    intake = Intake(latest)
    if not request.HasField("outcome"):
        intake.refuse("", "outcome", "is required")
        intake.finish()
    return _read_outcome(request.outcome, intake)


def read_event(request: ingest_pb2.PublishRequest, latest: datetime) -> OutcomeReport | Published:
    """The event that the request publishes."""
    intake = Intake(latest)
    which = request.WhichOneof("event")
    if which is None:
        intake.refuse("", "event", f"is required; allowed: outcome, {', '.join(PUBLISHED)}")
        intake.finish()
    if which == "outcome":
        return _read_outcome(request.outcome, intake)
    event: Published = PUBLISHED[str(which)].read(getattr(request, str(which)), str(which), intake)
    if isinstance(event, Merchant) and event.mcc is not None and not _is_category(event.mcc):
        # The event itself lets any text pass as a category, a card number too.
        intake.refuse("merchant", "mcc", "is not a category code; allowed: four digits (ISO 18245)")
    _refuse_at_the_edge(event, str(which), intake)
    intake.finish()
    return event


def read_alone(schema: str, raw: bytes, latest: datetime) -> Payment | Outcome | Published:
    """The event in ``raw``, a message by itself as on a topic; ``schema`` is the full name of its type."""
    shape = _ALONE.get(schema)
    if shape is None:
        raise InvalidRequestError((Violation("schema", f"is no event's; allowed: {', '.join(_ALONE)}"),))
    intake = Intake(latest)
    message = parse(shape.message_type, raw)
    if shape is OUTCOME:
        if not message.HasField("user_id"):
            intake.refuse("", "user_id", "is required: without it nobody knows where the payment is")
        return _read_outcome(message, intake).outcome
    event: Payment | Published = shape.read(message, "", intake)
    _refuse_at_the_edge(event, "", intake)
    intake.finish()
    return event


def write_alone(event: Payment | Outcome | Published) -> tuple[str, bytes]:
    """The full name and the bytes of the message that is ``event`` by itself."""
    shape = next(shape for shape in _ALONE.values() if shape.kind is type(event))
    return shape.message_type.DESCRIPTOR.full_name, shape.write(event).SerializeToString(deterministic=True)


def schema_of(kind: str) -> str:
    """The full name of the message type of a kind of event, as :func:`read_alone` takes it."""
    return next(name for name, shape in _ALONE.items() if shape.kind.kind == kind)


def write_event(event: Outcome | Published) -> ingest_pb2.PublishRequest:
    """The request that publishes ``event``."""
    if isinstance(event, Outcome):
        return ingest_pb2.PublishRequest(outcome=OUTCOME.write(event))
    return ingest_pb2.PublishRequest(**{event.kind: PUBLISHED[event.kind].write(event)})


def write_explanation(explanation: Explanation, texts: tuple[str, ...]) -> risk_pb2.ExplainDecisionResponse:
    """The reply that tells all that is known; ``texts`` are the decision's reasons in words."""
    reasons = zip(explanation.decision.reasons, texts, strict=True)
    return risk_pb2.ExplainDecisionResponse(
        payment=PAYMENT.write(explanation.payment),
        decision=DECISION.write(explanation.decision),
        reason_texts=[risk_pb2.ReasonText(code=reason.code, text=text) for reason, text in reasons],
        features=[risk_pb2.Feature(name=name, value=value) for name, value in explanation.features],
        outcomes=[OUTCOME.write(outcome) for outcome in explanation.outcomes],
        quarantined=explanation.quarantined,
    )


def decision_bytes(decision: Decision) -> bytes:
    """The wire bytes of a decision: equal decisions give equal bytes."""
    return DECISION.write(decision).SerializeToString(deterministic=True)


def read_decision(message: decision_pb2.Decision) -> Decision:
    """The decision that a server sent."""
    intake = Intake(datetime.max.replace(tzinfo=UTC))
    decision = DECISION.read(message, "decision", intake)
    intake.finish()
    return decision


def write_budget(seconds: float) -> Duration:
    """A budget on the wire."""
    whole, part = divmod(seconds, 1.0)
    return Duration(seconds=int(whole), nanos=int(part * 1e9))


def _read_outcome(message: events_pb2.Outcome, intake: Intake) -> OutcomeReport:
    outcome = OUTCOME.read(message, "outcome", intake, given={"outcome_id": "unnamed", "user_id": "unknown"})
    intake.finish()
    if not message.HasField("outcome_id"):
        outcome = replace(outcome, outcome_id=_outcome_id(outcome))
    return OutcomeReport(outcome, message.HasField("user_id"))


def _refuse_at_the_edge(event: Payment | Published, path: str, intake: Intake) -> None:
    for name, message in edge_problems(event).items():
        intake.refuse(path, name, message)


def _is_category(mcc: str) -> bool:
    return len(mcc) == 4 and mcc.isascii() and mcc.isdigit()


def _outcome_id(outcome: Outcome) -> str:
    # Without the user, so that naming the user in a repeat gives the same id. Plain hexadecimal digits
    # are known not to be a card number.
    said = (
        outcome.tenant,
        outcome.transaction_id,
        outcome.outcome_kind,
        outcome.verdict,
        outcome.three_ds_status or "",
        outcome.source,
        outcome.code,
        repr(outcome.confidence),
        outcome.event_time.isoformat(),
        outcome.reported_time.isoformat() if outcome.reported_time else "",
    )
    return blake2b("\x00".join(said).encode(), digest_size=16).hexdigest()


def _read_budget(budget: Duration, intake: Intake) -> float:
    seconds = budget.seconds + budget.nanos / 1e9
    if not (0.0 < seconds <= _MAX_BUDGET_S and 0 <= budget.nanos < 1_000_000_000):
        intake.refuse("", "budget", f"is not a budget; allowed: above 0, at most {_MAX_BUDGET_S} s")
    return seconds
