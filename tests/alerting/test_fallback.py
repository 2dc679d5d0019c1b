"""The fallback matrix, cell by cell."""

from datetime import UTC, datetime

import pytest

from alerting.conditions import Conditions
from alerting.currencies import Currencies, ReferenceAmounts
from alerting.decision import Action, FallbackCause
from alerting.fallback import FallbackMatrix, FallbackRow, FallbackTable
from detectors.events import Payment, PaymentType

DEADLINE, OVERLOAD, STALE, FAULT = (
    FallbackCause.DEADLINE,
    FallbackCause.OVERLOAD,
    FallbackCause.STALE_STATE,
    FallbackCause.FAULT,
)
MATRIX = FallbackMatrix(
    default=Action.STEP_UP,
    rows=(
        FallbackRow(Action.DECLINE, Conditions(tenant=("shop",)), (FAULT,)),
        FallbackRow(Action.APPROVE, Conditions(tenant=("shop",), max_amount=10.0), (DEADLINE, OVERLOAD)),
        FallbackRow(Action.REVIEW, Conditions(payment_type=(PaymentType.REFUND,))),
        FallbackRow(Action.REVIEW, Conditions(min_amount=1_000.0)),
        FallbackRow(Action.DECLINE, Conditions(min_amount=100.0), (STALE,)),
    ),
)


def payment(tenant: str, amount_minor: int, currency: str, payment_type: PaymentType) -> Payment:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return Payment("t", "u", amount_minor, currency, noon, "m", tenant=tenant, payment_type=payment_type)


@pytest.mark.parametrize(
    ("tenant", "amount_minor", "cause", "action"),
    [
        ("shop", 500, DEADLINE, Action.APPROVE),
        ("shop", 1_000, OVERLOAD, Action.APPROVE),
        ("shop", 1_001, OVERLOAD, Action.STEP_UP),
        ("shop", 500, STALE, Action.STEP_UP),
        ("shop", 500, FAULT, Action.DECLINE),
        ("shop", 200_000, FAULT, Action.DECLINE),
        ("shop", 200_000, DEADLINE, Action.REVIEW),
        ("shop", 10_000, STALE, Action.DECLINE),
        ("bank", 500, DEADLINE, Action.STEP_UP),
        ("bank", 500, OVERLOAD, Action.STEP_UP),
        ("bank", 500, STALE, Action.STEP_UP),
        ("bank", 500, FAULT, Action.STEP_UP),
        ("bank", 9_999, STALE, Action.STEP_UP),
        ("bank", 10_000, STALE, Action.DECLINE),
        ("bank", 10_000, FAULT, Action.STEP_UP),
        ("bank", 99_999, STALE, Action.DECLINE),
        ("bank", 100_000, STALE, Action.REVIEW),
        ("bank", 100_000, FAULT, Action.REVIEW),
    ],
)
def test_cell(tenant: str, amount_minor: int, cause: FallbackCause, action: Action) -> None:
    table = FallbackTable(MATRIX, ReferenceAmounts(Currencies()))
    assert table.action(payment(tenant, amount_minor, "EUR", PaymentType.PURCHASE), cause) is action


def test_a_row_may_be_for_one_type_of_payment() -> None:
    table = FallbackTable(MATRIX, ReferenceAmounts(Currencies()))
    assert table.action(payment("bank", 500, "EUR", PaymentType.REFUND), DEADLINE) is Action.REVIEW


@pytest.mark.parametrize(
    ("tenant", "cause", "action"),
    [
        ("shop", DEADLINE, Action.REVIEW),
        ("bank", DEADLINE, Action.REVIEW),
        ("bank", STALE, Action.DECLINE),
        ("shop", FAULT, Action.DECLINE),
    ],
)
def test_an_amount_without_a_reference_rate_gets_the_strictest_that_may_be_meant(
    tenant: str, cause: FallbackCause, action: Action
) -> None:
    table = FallbackTable(MATRIX, ReferenceAmounts(Currencies()))
    for amount_minor in (1, 10**9):
        assert table.action(payment(tenant, amount_minor, "USD", PaymentType.PURCHASE), cause) is action


@pytest.mark.parametrize("cause", FallbackCause)
def test_without_rows_every_payment_is_stepped_up(cause: FallbackCause) -> None:
    table = FallbackTable(FallbackMatrix(), ReferenceAmounts(Currencies()))
    assert table.action(payment("any", 1, "EUR", PaymentType.PURCHASE), cause) is Action.STEP_UP


def test_the_default_never_approves_and_a_row_only_up_to_an_amount() -> None:
    with pytest.raises(ValueError, match="default: 'APPROVE'"):
        FallbackMatrix(default=Action.APPROVE)
    with pytest.raises(ValueError, match=r"when\.max_amount: missing"):
        FallbackRow(Action.APPROVE)
    with pytest.raises(ValueError, match=r"cause: \[\] fits no answer"):
        FallbackRow(Action.REVIEW, cause=())
