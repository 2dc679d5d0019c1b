"""Events and decisions travel without loss, and every field has its counterpart."""

from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from enum import StrEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from hypothesis import given

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Source,
)
from alerting.engine import Published
from alerting.rpc import convert
from alerting.rpc.errors import InvalidRequestError
from alerting.rpc.intake import Intake
from alerting.rpc.shape import Shape
from detectors.assessment import Family
from detectors.events import (
    Channel,
    ConsentPurpose,
    EntryMode,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    ThreeDSStatus,
    TradeSide,
    Verdict,
)
from tapwatch.v1 import decision_pb2, events_pb2, risk_pb2
from tests.alerting.rpc.fake_engine import NOW, a_payment
from tests.alerting.rpc.wire_values import DECISIONS, WILD_PAYMENTS
from tests.detectors.event_strategies import (
    CONSENTS,
    LABELS,
    LOCATIONS,
    MERCHANTS,
    PAYMENTS,
    PREFERENCES,
    STEP_UPS,
    TICKS,
    TRADES,
)

_END = datetime.max.replace(tzinfo=UTC)


@given(PAYMENTS)
def test_a_payment_comes_back_from_its_wire_bytes(payment: Payment) -> None:
    raw = convert.PAYMENT.write(payment).SerializeToString()
    request = risk_pb2.DecideRequest(payment=events_pb2.Payment.FromString(raw))
    assert convert.read_decide(request, _END) == (payment, None)


@given(LABELS | STEP_UPS | LOCATIONS | CONSENTS | PREFERENCES | MERCHANTS | TICKS | TRADES)
def test_every_other_event_comes_back_from_its_wire_bytes(event: Outcome | Published) -> None:
    request = type(convert.write_event(event)).FromString(convert.write_event(event).SerializeToString())
    back = convert.read_event(request, _END)
    assert (back.outcome if isinstance(back, convert.OutcomeReport) else back) == event


@given(DECISIONS)
def test_a_decision_comes_back_and_equal_decisions_have_equal_bytes(decision: Decision) -> None:
    raw = convert.decision_bytes(decision)
    assert convert.read_decision(convert.DECISION.message_type.FromString(raw)) == decision
    assert convert.decision_bytes(decision) == raw


@given(WILD_PAYMENTS)
def test_whatever_a_payment_holds_gives_a_payment_or_violations(message: events_pb2.Payment) -> None:
    try:
        payment, _ = convert.read_decide(risk_pb2.DecideRequest(payment=message), NOW)
    except InvalidRequestError as error:
        named = [violation.field for violation in error.violations]
    else:
        named = []
        assert payment.event_time <= NOW
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (events_pb2.PaymentType, PaymentType),
        (events_pb2.Channel, Channel),
        (events_pb2.EntryMode, EntryMode),
        (events_pb2.OutcomeKind, OutcomeKind),
        (events_pb2.Verdict, Verdict),
        (events_pb2.ThreeDsStatus, ThreeDSStatus),
        (events_pb2.ConsentPurpose, ConsentPurpose),
        (events_pb2.TradeSide, TradeSide),
        (decision_pb2.Action, Action),
        (decision_pb2.DecisionSource, Source),
        (decision_pb2.FallbackCause, FallbackCause),
        (decision_pb2.ReasonFamily, Family),
        (decision_pb2.ChallengeIndicator, ChallengeIndicator),
        (decision_pb2.Exemption, Exemption),
    ],
)
def test_an_enum_has_the_same_members_on_the_wire(wire: EnumTypeWrapper, kind: type[StrEnum]) -> None:
    prefix = wire.keys()[0].removesuffix("UNSPECIFIED")
    assert {name.removeprefix(prefix) for name in wire.keys()[1:]} == {member.name for member in kind}


def test_an_absent_tenant_is_the_default_one_and_an_unspecified_type_is_a_purchase() -> None:
    message = convert.PAYMENT.write(a_payment())
    message.ClearField("tenant")
    message.ClearField("payment_type")
    payment, _ = convert.read_decide(risk_pb2.DecideRequest(payment=message), _END)
    assert (payment.tenant, payment.payment_type) == ("default", PaymentType.PURCHASE)


def test_times_keep_microseconds_and_lose_what_is_finer() -> None:
    message = convert.PAYMENT.write(a_payment())
    message.event_time.nanos = 123_456_789
    payment, _ = convert.read_decide(risk_pb2.DecideRequest(payment=message), _END)
    assert payment.event_time.microsecond == 123_456


def test_times_come_back_in_the_standard_utc_zone() -> None:
    payment, _ = convert.read_decide(risk_pb2.DecideRequest(payment=convert.PAYMENT.write(a_payment())), _END)
    assert payment.event_time.tzinfo is timezone.utc  # noqa: UP017  # the very object


def test_a_shape_whose_sides_differ_fails_when_it_is_made() -> None:
    @dataclass
    class Point:
        lat: float
        lon: float

    with pytest.raises(TypeError, match="Point lacks what its message has: accuracy_m"):
        Shape(Point, events_pb2.Position)


def test_budgets_keep_their_length() -> None:
    request = risk_pb2.DecideRequest(
        payment=convert.PAYMENT.write(a_payment()), budget=convert.write_budget(0.25)
    )
    assert convert.read_decide(request, _END)[1] == 0.25


def test_an_intake_without_violations_finishes_quietly() -> None:
    Intake(_END).finish()
