"""Whatever stands on an input topic becomes an event or a reason, never an error."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decision import PolicyActivated
from alerting.rpc.convert import write_alone
from detectors.checks import LATEST
from detectors.events import Location, Merchant, Outcome, OutcomeKind, Payment, Tick, Verdict, Visit
from flows.broker.ingest.inputs import KIND_OF, InputReader, Received, Refusal, Trouble, in_time
from flows.codec import MAX_RECORD_BYTES, Event, encode_event
from geo import Position
from tests.detectors.event_strategies import EVENTS
from tests.flows.broker.received_made import NOW, Made
from tests.replay.events_made import a_payment

READER = InputReader("tapwatch")
TOPIC_OF = {kind: f"tapwatch.{name}.v1" for name, kind in KIND_OF.items()}
FOREVER = LATEST
PROTOBUF = ("content-type", b"application/x-protobuf")


def read(received: Received) -> Event | Refusal:
    return READER.read(received, NOW + timedelta(days=1))


def refused(received: Received) -> Refusal:
    result = read(received)
    assert isinstance(result, Refusal)
    assert result.origin == f"{received.topic}/{received.partition}/{received.offset}"
    return result


def members(event: Event, **changed: Any) -> bytes:
    return json.dumps({**json.loads(encode_event(event)), **changed}).encode()


@given(event=EVENTS, mixed=st.booleans(), spaced=st.booleans())
def test_every_event_is_read_from_its_topic_and_from_the_mixed_one(
    event: Event, mixed: bool, spaced: bool
) -> None:
    value = members(event) if spaced else encode_event(event)
    topic = "tapwatch.events.v1" if mixed else TOPIC_OF[event.kind]
    assert READER.read(Made(topic, value), FOREVER) == event


@given(event=EVENTS)
def test_the_kind_may_be_left_out_where_there_is_only_one(event: Event) -> None:
    plain = json.loads(encode_event(event))
    del plain["kind"]
    value = json.dumps(plain).encode()
    assert READER.read(Made(TOPIC_OF[event.kind], value), FOREVER) == event
    assert refused(Made("tapwatch.events.v1", value)).trouble is Trouble.KIND


@given(event=EVENTS, named=st.booleans())
def test_a_message_and_its_json_give_the_same_event(event: Event, named: bool) -> None:
    assert not isinstance(event, PolicyActivated)
    schema, value = write_alone(event)  # type: ignore[arg-type]  # no event of our own is among them
    headers = (PROTOBUF, ("schema", schema.encode())) if named else (PROTOBUF,)
    assert READER.read(Made(TOPIC_OF[event.kind], value, headers), FOREVER) == event
    mixed = READER.read(Made("tapwatch.events.v1", value, headers), FOREVER)
    assert mixed == event if named else isinstance(mixed, Refusal)


@pytest.mark.parametrize("said", [Location("u-1", Position(50.0, 4.0), NOW), Visit("v-1", "u-1", "m-1", NOW)])
def test_what_a_device_says_by_a_clock_that_runs_ahead_is_refused(said: Location | Visit) -> None:
    received = Made(TOPIC_OF[said.kind], encode_event(said))
    assert in_time(received, said, NOW) is said
    refusal = in_time(received, said, NOW - timedelta(seconds=1))
    assert isinstance(refusal, Refusal)
    assert refusal.trouble is Trouble.AHEAD
    refused_before = Refusal("of another reason", "here", b"", Trouble.EMPTY)
    assert in_time(received, refused_before, NOW) is refused_before


def test_what_no_device_says_may_be_ahead() -> None:
    made = a_payment(1)
    received = Made(TOPIC_OF[made.kind], encode_event(made))
    assert in_time(received, made, made.event_time - timedelta(hours=1)) is made


ANY_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "schema", "x"]),
        st.binary()
        | st.sampled_from([b"application/x-protobuf", b"application/json", b"tapwatch.v1.Outcome"]),
    ),
    max_size=3,
).map(tuple)


@given(
    value=st.none() | st.binary() | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ).map(lambda made: json.dumps(made).encode()),
    headers=ANY_HEADERS,
    topic=st.sampled_from(READER.topics),
)  # fmt: skip
def test_no_bytes_raise(value: bytes | None, headers: tuple[tuple[str, bytes], ...], topic: str) -> None:
    result = read(Made(topic, value, headers))
    assert not isinstance(result, Refusal) or result.trouble is not Trouble.FAULT


@given(event=EVENTS, at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_no_damage_to_good_bytes_raises(event: Event, at: int, byte: int, cut: bool) -> None:
    for value, headers in ((encode_event(event), ()), (write_alone(event)[1], (PROTOBUF,))):  # type: ignore[arg-type]
        at %= max(len(value), 1)
        damaged = value[:at] if cut else value[:at] + bytes([byte]) + value[at + 1 :]
        result = READER.read(Made(TOPIC_OF[event.kind], damaged, headers), FOREVER)
        assert not isinstance(result, Refusal) or result.trouble is not Trouble.FAULT


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        (None, Trouble.EMPTY),
        (b"", Trouble.EMPTY),
        (b" " * (MAX_RECORD_BYTES + 1), Trouble.TOO_LARGE),
        (b"\x80\x81", Trouble.UNREADABLE),
        (b"[" * 100_000, Trouble.UNREADABLE),
        (b"[1]", Trouble.UNREADABLE),
        (b'{"kind":"payment"', Trouble.UNREADABLE),
        (b'{"kind":7}', Trouble.KIND),
        (b'{"kind":"refund","a":1}', Trouble.KIND),
        (b'{"kind": "tick"}', Trouble.KIND),
        (encode_event(PolicyActivated("x = 1", "v", NOW)), Trouble.KIND),
        (members(a_payment(1), amount_minor=-5), Trouble.INVALID),
        (members(a_payment(1), merchant_kind="x"), Trouble.INVALID),
        (members(a_payment(1), user_id="4111 1111 1111 1111"), Trouble.INVALID),
        (members(a_payment(1), event_time="2026-03-04T12:00:00Z"), Trouble.AHEAD),
    ],
)
def test_what_is_wrong_is_named(value: bytes | None, trouble: Trouble) -> None:
    refusal = refused(Made(value=value))
    assert refusal.trouble is trouble
    assert refusal.raw == (value or b"")
    assert "4111" not in refusal.reason


def test_no_policy_comes_in_by_the_mixed_topic() -> None:
    policy = encode_event(PolicyActivated("x = 1", "v", NOW))
    assert refused(Made("tapwatch.events.v1", policy)).trouble is Trouble.KIND


def test_a_report_from_the_future_is_refused_whatever_its_form() -> None:
    outcome = Outcome(
        "o-1", "t-1", "u-1", OutcomeKind.ANALYST, Verdict.FRAUD, NOW, reported_time=NOW + timedelta(days=9)
    )
    topic = TOPIC_OF["outcome"]
    assert refused(Made(topic, encode_event(outcome))).trouble is Trouble.AHEAD
    assert refused(Made(topic, write_alone(outcome)[1], (PROTOBUF,))).trouble is Trouble.AHEAD


@pytest.mark.parametrize(
    ("headers", "trouble"),
    [
        ((("content-type", b"text/csv"),), Trouble.FORMAT),
        ((PROTOBUF, ("schema", b"tapwatch.v1.Tick")), Trouble.KIND),
        ((PROTOBUF,), Trouble.UNREADABLE),
    ],
)
def test_a_form_that_is_not_known_is_named(headers: tuple[tuple[str, bytes], ...], trouble: Trouble) -> None:
    assert refused(Made(value=b"\xff\xff\xff", headers=headers)).trouble is trouble


def test_a_message_of_a_foreign_schema_on_the_mixed_topic_is_refused() -> None:
    headers = (PROTOBUF, ("schema", b"shop.v1.Order"))
    assert refused(Made("tapwatch.events.v1", b"\x08\x01", headers)).trouble is Trouble.FORMAT


def test_a_content_type_may_have_parameters() -> None:
    headers = (("content-type", b"Application/JSON; charset=utf-8"),)
    assert isinstance(read(Made(value=encode_event(a_payment(1)), headers=headers)), Payment)


def test_an_outcome_without_its_user_has_no_place() -> None:
    outcome = Outcome("o-1", "t-1", "u-1", OutcomeKind.ANALYST, Verdict.FRAUD, NOW)
    _, value = write_alone(outcome)
    named = b"\x1a\x03u-1"
    assert value.count(named) == 1
    refusal = refused(Made(TOPIC_OF["outcome"], value.replace(named, b""), (PROTOBUF,)))
    assert "user_id: is required" in refusal.reason


def test_a_tick_that_can_not_be_is_refused_in_both_forms() -> None:
    tick = Tick("v", "BTC", "EUR", NOW, 1.0, 1.0, 1.0, 1.0, 0.0)
    topic = TOPIC_OF["tick"]
    assert refused(Made(topic, members(tick, open=-1.0))).trouble is Trouble.INVALID
    _, value = write_alone(tick)
    assert refused(Made(topic, value.replace(b"EUR", b"E\x01R"), (PROTOBUF,))).trouble is Trouble.INVALID


def test_opening_hours_that_nobody_understands_are_refused_in_both_forms() -> None:
    shop = Merchant("m-1", NOW, opening_hours="9 to 5", time_zone="Mars/Olympus")
    schema, message = write_alone(shop)
    for value, headers in ((encode_event(shop), ()), (message, (PROTOBUF, ("schema", schema.encode())))):
        refusal = refused(Made(TOPIC_OF["merchant"], value, headers))
        assert refusal.trouble is Trouble.INVALID
        assert "opening_hours: '9 to 5' can't be read; allowed: rules such as 'Mo-Fr" in refusal.reason
        assert "time_zone: 'Mars/Olympus' is unknown; allowed: names such as" in refusal.reason
