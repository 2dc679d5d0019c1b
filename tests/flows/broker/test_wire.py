"""Records of the shard log as messages, and what somebody else wrote into the topic."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerting.decision import Action, FallbackAnswered, FallbackCause
from detectors.events import Payment
from flows.broker.wire import (
    ASKED,
    ORIGIN,
    RECORD,
    LogMessage,
    Origin,
    message_headers,
    message_key,
    read_message,
)
from flows.codec import BadRecord, Event
from flows.frames import Kind
from flows.log import NewRecord
from tests.detectors.event_strategies import CONSENTS, LABELS, LOCATIONS, PAYMENTS, STEP_UPS

ORIGINS = st.none() | st.builds(Origin, st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
ARRIVALS = st.integers(0, 2**63 - 1)


def answered(payment: Payment) -> FallbackAnswered:
    return FallbackAnswered(payment, Action.STEP_UP, FallbackCause.DEADLINE, "p-1", payment_logged=False)


ASKS: st.SearchStrategy[tuple[Kind, Event]] = st.one_of(
    PAYMENTS.map(lambda event: (Kind.PAYMENT, event)),
    PAYMENTS.map(lambda event: (Kind.FALLBACK, answered(event))),
    st.one_of(LABELS, STEP_UPS, LOCATIONS, CONSENTS, PAYMENTS).map(lambda event: (Kind.EVENT, event)),
)


@given(ASKS, ARRIVALS, ORIGINS)
def test_a_message_comes_back_as_it_was(
    asked: tuple[Kind, Event], arrival_us: int, origin: Origin | None
) -> None:
    kind, event = asked
    sent = LogMessage(kind, NewRecord.of(event, arrival_us), origin)
    assert read_message(sent.record.payload, message_headers(sent), "here") == sent
    assert message_key(event)


@given(PAYMENTS)
def test_all_messages_of_a_user_have_one_key(payment: Payment) -> None:
    other = replace(payment, transaction_id="another")
    assert message_key(payment) == message_key(other) == message_key(answered(payment))


VALUES = st.none() | st.binary(max_size=64)
NAMES = st.sampled_from([ASKED, RECORD, ORIGIN, "traceparent"])


@given(VALUES, st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_whatever_somebody_else_wrote_is_a_bad_record(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    found = read_message(value, headers, "here")  # type: ignore[arg-type]  # Kafka allows a header no value
    assert isinstance(found, BadRecord)
    assert found.origin == "here"


@given(PAYMENTS, st.sampled_from([ASKED, RECORD]), VALUES)
def test_a_message_without_one_of_its_headers_is_a_bad_record(
    payment: Payment, name: str, instead: bytes | None
) -> None:
    headers = message_headers(LogMessage(Kind.PAYMENT, NewRecord.of(payment)))
    assume(instead not in (b"decide", b"log", b"answered"))
    changed = [(each, instead if each == name else told) for each, told in headers]
    found = read_message(NewRecord.of(payment).payload, changed, "here")  # type: ignore[arg-type]
    assert isinstance(found, BadRecord)


@given(PAYMENTS, st.binary(max_size=40).filter(lambda raw: len(raw) != 24))
def test_an_origin_that_is_none_is_nobody(payment: Payment, origin: bytes) -> None:
    message = LogMessage(Kind.PAYMENT, NewRecord.of(payment))
    assert read_message(message.record.payload, [*message_headers(message), (ORIGIN, origin)], "") == message


@pytest.mark.parametrize("kind", [Kind.PAYMENT, Kind.FALLBACK])
@given(event=LABELS)
def test_a_decision_is_asked_for_payments_only(kind: Kind, event: Event) -> None:
    message = LogMessage(kind, NewRecord.of(event))
    found = read_message(message.record.payload, message_headers(message), "here")
    assert isinstance(found, BadRecord)
    assert found.reason == f"not written by Tapwatch: outcome for {kind.name}"


@given(PAYMENTS)
def test_an_arrival_beyond_what_a_file_holds_is_a_bad_record(payment: Payment) -> None:
    message = LogMessage.of(payment, 2**63)
    read = read_message(message.record.payload, message_headers(message), "here")
    assert isinstance(read, BadRecord)
    assert "arrived at" in read.reason
