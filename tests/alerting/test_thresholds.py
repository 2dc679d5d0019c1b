"""Thresholds, segments, limits and the conditions that say which payments they are for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alerting.conditions import ANY, Conditions
from alerting.currencies import Currencies, ReferenceAmounts
from alerting.decision import Action
from alerting.limits import Limit, LimitChecks, feature_problem
from alerting.thresholds import NEVER, Segment, SegmentedThresholds, Thresholds
from detectors.events import Channel, Payment, PaymentType

AMOUNTS = ReferenceAmounts(Currencies("EUR", {"USD": 0.5, "JPY": 0.01}))
PAYMENT = Payment("t", "u", 10_000, "EUR", datetime(2026, 3, 1, tzinfo=UTC), "m", tenant="shop")
GENERAL = Thresholds(70.0, 80.0, 90.0)


@pytest.mark.parametrize(
    ("score", "action"),
    [
        (0.0, Action.APPROVE),
        (69.999_999, Action.APPROVE),
        (70.0, Action.STEP_UP),
        (79.999_999, Action.STEP_UP),
        (80.0, Action.REVIEW),
        (89.999_999, Action.REVIEW),
        (90.0, Action.DECLINE),
        (100.0, Action.DECLINE),
    ],
)
def test_the_strictest_threshold_that_is_reached_acts(score: float, action: Action) -> None:
    assert GENERAL.action(score) is action


def test_equal_thresholds_leave_out_the_milder_action() -> None:
    assert Thresholds(80.0, 80.0, 80.0).action(80.0) is Action.DECLINE


def test_never_is_above_every_score() -> None:
    assert Thresholds(NEVER, NEVER, NEVER).action(100.0) is Action.APPROVE


@pytest.mark.parametrize(
    ("conditions", "changes", "fits"),
    [
        (ANY, {}, True),
        (Conditions(tenant=("shop", "bank")), {}, True),
        (Conditions(tenant=("bank",)), {}, False),
        (Conditions(channel=(Channel.POS,)), {"channel": Channel.POS}, True),
        (Conditions(channel=(Channel.POS,)), {"channel": None}, False),
        (Conditions(payment_type=(PaymentType.TRANSFER,)), {}, False),
        (Conditions(merchant_country=("FR", "BE")), {"merchant_country": "BE"}, True),
        (Conditions(merchant_country=("FR", "BE")), {}, False),
        (Conditions(mcc=("5411",)), {"mcc": "5411"}, True),
        (Conditions(mcc=("5411",)), {"mcc": "5412"}, False),
        (Conditions(mcc=("3000-3299",)), {"mcc": "3000"}, True),
        (Conditions(mcc=("3000-3299",)), {"mcc": "3299"}, True),
        (Conditions(mcc=("3000-3299",)), {"mcc": "2999"}, False),
        (Conditions(mcc=("3000-3299",)), {"mcc": "3300"}, False),
        (Conditions(mcc=("0001-0002", "5411")), {"mcc": None}, False),
        (Conditions(min_amount=100.0), {}, True),
        (Conditions(min_amount=100.0), {"amount_minor": 9_999}, False),
        (Conditions(max_amount=100.0), {}, True),
        (Conditions(max_amount=100.0), {"amount_minor": 10_001}, False),
        (Conditions(min_amount=50.0, max_amount=50.0), {"currency": "USD"}, True),
        (Conditions(min_amount=50.0), {"currency": "JPY", "amount_minor": 5_000}, True),
        (Conditions(min_amount=50.0), {"currency": "JPY", "amount_minor": 4_999}, False),
        (Conditions(min_amount=0.0), {"currency": "GBP"}, False),
        (Conditions(max_amount=1e15), {"currency": "GBP"}, False),
        (Conditions(tenant=("shop",), mcc=("5411",)), {"mcc": "5411"}, True),
        (Conditions(tenant=("bank",), mcc=("5411",)), {"mcc": "5411"}, False),
    ],
)
def test_conditions_fit(conditions: Conditions, changes: dict[str, object], fits: bool) -> None:
    payment = replace(PAYMENT, **changes)  # type: ignore[arg-type]  # any field of a payment
    assert conditions.matcher(AMOUNTS)(payment) is fits


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"tenant": ()}, r"tenant: \[\] fits no payment"),
        ({"mcc": ("541",)}, "mcc: '541' is no category"),
        ({"mcc": ("3299-3000",)}, "mcc: '3299-3000' is no category"),
        ({"merchant_country": ("fr",)}, "merchant_country: 'fr' is no country"),
        ({"min_amount": -1.0}, r"min_amount: -1\.0 is out of range"),
        ({"max_amount": float("nan")}, "max_amount: nan is out of range"),
        ({"min_amount": 2.0, "max_amount": 1.0}, "min_amount: 2 is above max_amount 1"),
    ],
)
def test_conditions_that_can_t_be_are_refused(keys: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Conditions(**keys)  # type: ignore[arg-type]  # any keys


def test_the_first_segment_that_fits_is_taken() -> None:
    segments = (
        Segment("bank", Conditions(tenant=("bank",)), step_up=10.0),
        Segment("large", Conditions(min_amount=100.0), step_up=20.0, decline=85.0),
        Segment("shop", Conditions(tenant=("shop",)), step_up=30.0),
    )
    thresholds = SegmentedThresholds(GENERAL, segments, AMOUNTS)
    assert thresholds.of(PAYMENT) == Thresholds(20.0, 80.0, 85.0)
    assert thresholds.of(replace(PAYMENT, amount_minor=1)) == Thresholds(30.0, 80.0, 90.0)
    assert thresholds.of(replace(PAYMENT, tenant="bank")) == Thresholds(10.0, 80.0, 90.0)
    assert thresholds.of(replace(PAYMENT, tenant="other", amount_minor=1)) == GENERAL


def test_without_a_reference_rate_the_strictest_of_the_possible_bands_holds() -> None:
    segments = (
        Segment("small", Conditions(max_amount=10.0), step_up=80.0, decline=NEVER),
        Segment("large", Conditions(min_amount=100.0), review=75.0),
        Segment("shop", Conditions(tenant=("shop",)), step_up=60.0, decline=95.0),
        Segment("later", Conditions(min_amount=1.0), step_up=1.0),
    )
    unrated = replace(PAYMENT, currency="BRL")
    thresholds = SegmentedThresholds(GENERAL, segments, AMOUNTS)
    assert thresholds.of(unrated) == Thresholds(60.0, 75.0, 90.0)
    assert thresholds.of(replace(unrated, tenant="other")) == Thresholds(1.0, 75.0, 90.0)
    assert SegmentedThresholds(GENERAL, segments[:1], AMOUNTS).of(unrated) == GENERAL


def test_a_limit_for_a_band_holds_for_amounts_without_a_reference_rate() -> None:
    checks = LimitChecks(
        (Limit("large", "sum", 1.0, Action.REVIEW, Conditions(min_amount=1e6)),), ("sum",), AMOUNTS
    )
    assert checks.hits(PAYMENT, (2.0,)) == []
    assert [hit.id for hit in checks.hits(replace(PAYMENT, currency="BRL"), (2.0,))] == ["large"]


def test_a_limit_is_hit_above_its_maximum_and_where_it_applies() -> None:
    limits = (
        Limit("mild", "count", 3.0, Action.STEP_UP),
        Limit("strict", "sum", 100.0, Action.DECLINE, Conditions(tenant=("shop",))),
        Limit("elsewhere", "sum", 1.0, Action.DECLINE, Conditions(tenant=("bank",))),
    )
    checks = LimitChecks(limits, ("sum", "count"), AMOUNTS)
    assert checks.hits(PAYMENT, (100.0, 3.0)) == []
    assert [hit.id for hit in checks.hits(PAYMENT, (100.5, 4.0))] == ["strict", "mild"]
    (hit,) = checks.hits(PAYMENT, (0.0, 4.0))
    assert (hit.reason.value, hit.reason.usual_high, hit.action) == (4.0, 3.0, Action.STEP_UP)


def test_an_unknown_feature_is_named_with_what_is_near_or_all() -> None:
    names = ("user_count_1h", "gap_s")
    assert feature_problem("gap_s", names) is None
    assert (
        feature_problem("user_count_1x", names) == "'user_count_1x' is unknown; allowed: user_count_1h, ..."
    )
    assert feature_problem("zzz", names) == "'zzz' is unknown; allowed: user_count_1h, gap_s"


def test_amounts_are_compared_without_loss_in_the_base() -> None:
    # 0.1 * 3 is not 0.3: 30 cents must still be 0.30 exactly.
    assert AMOUNTS.in_base(replace(PAYMENT, amount_minor=30)) == 0.3
    assert AMOUNTS.in_base(replace(PAYMENT, amount_minor=10**15)) == 1e13
    assert AMOUNTS.in_euro_minor(replace(PAYMENT, amount_minor=10**15)) == 10**15


@pytest.mark.parametrize(
    ("base", "rates", "problem"),
    [
        ("EUX", {}, "base: 'EUX' is not a currency"),
        ("EUR", {"XXQ": 1.0}, "rates: 'XXQ' is not a currency"),
        ("EUR", {"USD": 0.0}, r"rates\.USD: 0\.0 is out of range"),
        ("EUR", {"USD": float("inf")}, r"rates\.USD: inf is out of range"),
        ("EUR", {"EUR": 2.0}, r"rates\.EUR: 2\.0 is the base's own rate; allowed: 1"),
    ],
)
def test_rates_that_can_t_be_are_refused(base: str, rates: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Currencies(base, rates)
