"""What a shard has on record about a payment: its decision, and what that rests on."""

from array import array
from collections.abc import Iterator

from alerting.decision import Decision, fallback_event_id
from alerting.engine import Explanation, PayloadConflictError, UnknownTransactionError
from detectors.events import Outcome, Payment
from detectors.features import named
from flows import keys
from flows.codec import decode_decision
from flows.log import NewRecord, event_key
from flows.sqlite_shard import SqliteShard


def effective_decision(shard: SqliteShard, tenant: str, transaction_id: str) -> Decision | None:
    """The decision on record for a transaction: the fallback's where one was given."""
    position = shard.find(fallback_event_id(tenant, transaction_id))
    if position is None:
        position = shard.find(payment_event_id(tenant, transaction_id))
    row = None if position is None else shard.ledger_row(position)
    return None if row is None else decode_decision(row.decision)


def known_decision(shard: SqliteShard, record: NewRecord, payment: Payment) -> Decision | None:
    """The decision on record for a payment; raises PayloadConflictError where its content differs."""
    place = shard.lookup(record.event_key)
    if place is None:
        return None
    if place[1] != record.digest:
        raise PayloadConflictError(payment.transaction_id)
    return effective_decision(shard, payment.tenant, payment.transaction_id)


def explain(shard: SqliteShard, tenant: str, transaction_id: str) -> Explanation:
    """What a decision rests on, read from a shard; raises UnknownTransactionError."""
    payment_at = shard.find(payment_event_id(tenant, transaction_id))
    decision = effective_decision(shard, tenant, transaction_id)
    if payment_at is None or decision is None:
        raise UnknownTransactionError(transaction_id)
    event = shard.read(payment_at - 1, 1)[0].event
    payment = event if isinstance(event, Payment) else getattr(event, "payment")  # noqa: B009
    row = shard.ledger_row(payment_at)
    values = array("f", row.features if row is not None else b"")
    return Explanation(
        payment=payment,
        decision=decision,
        features=named(decision.feature_version, values),
        outcomes=tuple(outcomes(shard, tenant, transaction_id)),
        quarantined=shard.load(keys.quarantine(tenant, transaction_id)) is not None,
    )


def outcomes(shard: SqliteShard, tenant: str, transaction_id: str) -> Iterator[Outcome]:
    """What was reported of a transaction, in log order."""
    for position in shard.outcome_positions(event_key(payment_event_id(tenant, transaction_id))):
        outcome = shard.read(position - 1, 1)[0].event
        if isinstance(outcome, Outcome):
            yield outcome


def payment_event_id(tenant: str, transaction_id: str) -> str:
    """The event id of a payment."""
    return f"{Payment.kind}/{tenant}/{transaction_id}"
