"""What a process asks about a payment whose shard another one owns, and what it is told."""

import json
from dataclasses import dataclass
from time import sleep
from typing import Any, Final

from alerting.engine import Explanation, UnknownTransactionError
from detectors.events import Outcome, Payment
from flows.codec import BadRecord, decode_decision, decode_event, encode_decision, encode_event
from flows.on_record import explain
from flows.sqlite_shard import SqliteShard

_LOOK_AGAIN_S: Final = 0.01
_PATIENCE: Final = 100


@dataclass(frozen=True, slots=True)
class Question:
    """What is on record about a payment?"""

    tenant: str
    transaction_id: str

    def encode(self) -> bytes:
        """The question as bytes."""
        return json.dumps([self.tenant, self.transaction_id]).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Question":
        """The question that :meth:`encode` wrote; raises ValueError."""
        found = json.loads(raw)
        if not (isinstance(found, list) and len(found) == 2 and all(isinstance(text, str) for text in found)):
            raise ValueError("not a question")
        return cls(*found)


def answer(reader: SqliteShard, question: Question) -> bytes | None:
    """What a shard file has on record; None where it does not know the payment.

    What is in the log by now is waited for, for a second at most: whoever asks may have been told of it.
    """
    wanted, patience = reader.end, _PATIENCE
    while patience and reader.position < wanted:
        patience -= 1
        sleep(_LOOK_AGAIN_S)
    try:
        return encode_explanation(explain(reader, question.tenant, question.transaction_id))
    except UnknownTransactionError:
        return None


def encode_explanation(explanation: Explanation) -> bytes:
    """An explanation as JSON."""
    return json.dumps(
        {
            "payment": encode_event(explanation.payment).decode(),
            "decision": encode_decision(explanation.decision).decode(),
            "features": explanation.features,
            "outcomes": [encode_event(outcome).decode() for outcome in explanation.outcomes],
            "quarantined": explanation.quarantined,
        }
    ).encode()


def decode_explanation(raw: bytes) -> Explanation:
    """The explanation that :func:`encode_explanation` wrote; raises ValueError."""
    found: dict[str, Any] = json.loads(raw)
    payment = _event(found["payment"])
    if not isinstance(payment, Payment):
        raise ValueError("the answer is about no payment")
    outcomes = tuple(map(_event, found["outcomes"]))
    return Explanation(
        payment=payment,
        decision=decode_decision(found["decision"].encode()),
        features=tuple((str(name), float(value)) for name, value in found["features"]),
        outcomes=tuple(outcome for outcome in outcomes if isinstance(outcome, Outcome)),
        quarantined=bool(found["quarantined"]),
    )


def _event(text: str) -> object:
    event = decode_event(text.encode(), "another process")
    if isinstance(event, BadRecord):
        raise ValueError(event.reason)
    return event
