"""Events and decisions as bytes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackAnswered,
    FallbackCause,
    PolicyActivated,
    StepUpAdvice,
)
from detectors.events import Location, Outcome, OutcomeKind, Payment, Preferences, Verdict
from flows.codec import (
    MAX_RECORD_BYTES,
    BadRecord,
    decode_decision,
    decode_event,
    encode_decision,
    encode_event,
)
from flows.log import NewRecord
from geo import Position

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYMENT = Payment("t-1", "u-1", 100, "EUR", NOON, "m-1", payer_position=Position(50.0, 4.0))


def test_an_event_comes_back_as_it_was() -> None:
    assert decode_event(encode_event(PAYMENT), "test") == PAYMENT


def test_decoded_times_are_in_the_one_zone_of_the_house() -> None:
    answered = FallbackAnswered(PAYMENT, Action.STEP_UP, FallbackCause.DEADLINE, "p", payment_logged=True)
    outcome = Outcome(
        "o-1", "t-1", "u-1", OutcomeKind.ANALYST, Verdict.FRAUD, NOON, reported_time=NOON + timedelta(1)
    )
    for event in (PAYMENT, Location("u-1", Position(50.0, 4.0), NOON), outcome, answered):
        decoded = decode_event(encode_event(event), "test")
        assert decoded == event
        assert not isinstance(decoded, BadRecord)
        assert decoded.event_time.tzinfo is UTC
        if isinstance(decoded, Outcome):
            assert decoded.reported_time is not None
            assert decoded.reported_time.tzinfo is UTC
    advice = StepUpAdvice(ChallengeIndicator.CHALLENGE_WANTED, Exemption.NONE, None, NOON)
    decision = Decision("d", "t", "s", "u", NOON, Action.STEP_UP, 0.0, 0.0, (), (), advice, "m", "p", "f", 0)
    decoded_decision = decode_decision(encode_decision(decision))
    assert decoded_decision == decision
    assert decoded_decision.event_time.tzinfo is UTC
    assert decoded_decision.step_up.expires_at is not None
    assert decoded_decision.step_up.expires_at.tzinfo is UTC


def test_the_kind_may_stand_anywhere() -> None:
    members = json.loads(encode_event(PAYMENT))
    kind = members.pop("kind")
    assert decode_event(json.dumps({**members, "kind": kind}).encode(), "test") == PAYMENT


def test_equal_content_has_equal_digests_and_other_content_has_not() -> None:
    again = decode_event(encode_event(PAYMENT), "test")
    assert not isinstance(again, BadRecord)
    other = Payment("t-1", "u-1", 101, "EUR", PAYMENT.event_time, "m-1")
    assert NewRecord.of(again).digest == NewRecord.of(PAYMENT).digest
    assert NewRecord.of(other).digest != NewRecord.of(PAYMENT).digest


def test_an_overlong_record_is_refused_unread() -> None:
    record = decode_event(b"[" * (MAX_RECORD_BYTES + 1), "test")
    assert isinstance(record, BadRecord)
    assert str(MAX_RECORD_BYTES) in record.reason
    assert len(record.raw) <= 256


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "JSON"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"{}", "kind"),
        (b'{"kind":7}', "kind"),
        (b'{"kind":"parcel","x":1}', "parcel"),
        (b'{"kind":"payment","transaction_id":"t"', "JSON"),
        (b'{"kind":"payment",}', "transaction_id"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 60_000, "JSON"),
    ],
)
def test_what_is_no_event_says_why(raw: bytes, reason: str) -> None:
    record = decode_event(raw, "file:3")
    assert isinstance(record, BadRecord)
    assert reason.lower() in record.reason.lower() or "json" in record.reason.lower()
    assert record.origin == "file:3"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    decode_event(raw, "test")


@given(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(
                ["payment", "location", "outcome", "tick", "policy_activated", "fallback_answered"]
            )
        },
        optional=dict.fromkeys(
            ("transaction_id", "event_time", "payer_position", "text", "payment"), json_values
        ),
    )
)
def test_no_object_raises(members: dict[str, Any]) -> None:
    decode_event(json.dumps(members).encode(), "test")


@given(st.data())
def test_a_damaged_event_is_an_event_or_a_bad_record(data: st.DataObject) -> None:
    raw = bytearray(encode_event(PAYMENT))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    record = decode_event(bytes(raw), "test")
    if not isinstance(record, BadRecord):
        assert decode_event(encode_event(record), "test") == record


def test_whatever_can_be_made_can_be_read_again() -> None:
    """The log refuses nothing that an event's own checks let pass."""
    longest = Preferences("u" * 128, PAYMENT.event_time, watched_assets=('"' * 128,) * 200)
    assert decode_event(encode_event(longest), "test") == longest
    policy = PolicyActivated("€" * 48_000, "p-1", PAYMENT.event_time)
    assert decode_event(encode_event(policy), "test") == policy


def test_a_slash_in_an_id_can_not_be_taken_for_the_next_part() -> None:
    place, time = Position(50.0, 4.0), PAYMENT.event_time
    one = Location("a/b", place, time, device_id="c")
    other = Location("a", place, time, device_id="b/c")
    assert one.event_id != other.event_id
    with pytest.raises(ValueError, match="tenant"):
        Location("u", place, time, tenant="a/b")
