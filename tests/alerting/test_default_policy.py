"""The shipped policy is valid, does what its comments say, and is installed with the package."""

import re
from datetime import UTC, datetime

import pytest

from alerting.decide import Decider, ScaCounters
from alerting.decision import Action, Exemption, FallbackCause
from alerting.policy import FallbackMatrix, Sca, StepUp
from alerting.thresholds import NEVER
from detectors.assessment import Assessment, Evidence
from detectors.events import Channel, Payment, PaymentType
from detectors.features import NAMES
from detectors.money import MINOR_DIGITS
from flows.policy_file import default_policy_text, parse_policy

TEXT = default_policy_text()
POLICY = parse_policy(TEXT)
DECIDER = Decider(POLICY, NAMES, "m", "f")
CALM = (0.0,) * len(NAMES)


def paid(amount_minor: int = 5_000, **kinds: object) -> Payment:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return Payment("t", "u", amount_minor, "EUR", noon, "m", **kinds)  # type: ignore[arg-type]  # any field


def action(payment: Payment, score: float = 0.0, **features: float) -> Action:
    values = tuple(features.get(name, 0.0) for name in NAMES)
    return DECIDER.decide(payment, Assessment(score, 1.0, (), values), ScaCounters(), 1).action


def one_in(score: float) -> float:
    return float(10 ** (score / 25))


def test_the_rates_in_the_comments_are_those_of_the_thresholds() -> None:
    general = POLICY.thresholds
    assert (general.step_up, general.review, general.decline) == (50.0, 75.0, 97.0)
    assert one_in(90) == pytest.approx(4_000, rel=0.01)
    assert one_in(general.step_up) == pytest.approx(100)
    assert one_in(general.review) == pytest.approx(1_000)
    assert one_in(general.decline) == pytest.approx(7_500, rel=0.02)
    assert one_in(100) == pytest.approx(10_000)
    assert 10**POLICY.sca.finding_surprise == pytest.approx(30, rel=0.06)


def test_small_purchases_are_never_declined_by_score() -> None:
    assert action(paid(1_000), 74.0) is Action.APPROVE
    assert action(paid(1_000), 100.0) is Action.REVIEW
    assert action(paid(1_001), 100.0) is Action.DECLINE
    assert POLICY.segments[0].decline == NEVER


@pytest.mark.parametrize(
    "payment",
    [
        paid(payment_type=PaymentType.TRANSFER),
        paid(500, payment_type=PaymentType.CASH_WITHDRAWAL),
        paid(mcc="7995"),
        paid(mcc="6050"),
        paid(mcc="6051"),
        paid(mcc="4829"),
        paid(mcc="6540"),
    ],
)
def test_what_does_not_come_back_is_challenged_sooner(payment: Payment) -> None:
    assert action(payment, 45.0) is Action.STEP_UP
    assert action(paid(mcc="5411"), 45.0) is Action.APPROVE


@pytest.mark.parametrize(
    ("feature", "limit", "due"),
    [
        ("user_count_10m", 20, Action.STEP_UP),
        ("card_count_10m", 20, Action.STEP_UP),
        ("device_count_10m", 30, Action.REVIEW),
    ],
)
def test_bursts_are_stopped_whatever_the_score(feature: str, limit: int, due: Action) -> None:
    assert action(paid(), **{feature: float(limit)}) is Action.APPROVE
    assert action(paid(), **{feature: float(limit + 1)}) is due


@pytest.mark.parametrize("cause", FallbackCause)
def test_no_fallback_approves(cause: FallbackCause) -> None:
    rows = POLICY.fallback.rows
    assert all(row.action is not Action.APPROVE for row in rows)
    assert DECIDER.fallback(paid(), cause).action is Action.STEP_UP
    assert DECIDER.fallback(paid(payment_type=PaymentType.REFUND), cause).action is Action.REVIEW
    large = DECIDER.fallback(paid(500_000), cause).action
    worse = cause in (FallbackCause.STALE_STATE, FallbackCause.FAULT)
    assert large is (Action.REVIEW if worse else Action.STEP_UP)


def test_an_exemption_needs_an_approved_remote_payment_without_findings() -> None:
    def exemption(payment: Payment, surprise: float) -> Exemption:
        evidence = ((Evidence("AMOUNT_HIGH", surprise, 1.0), 1.0),)
        decision = DECIDER.decide(payment, Assessment(5.0, 1.0, evidence, CALM), ScaCounters(), 1)
        return decision.step_up.exemption

    online = Channel.ECOMMERCE
    assert exemption(paid(3_000, channel=online), 1.0) is Exemption.LOW_VALUE
    assert exemption(paid(3_000, channel=online), 1.5) is Exemption.NONE
    assert exemption(paid(3_000, channel=Channel.POS), 1.0) is Exemption.NONE
    # The fraud rates are unknown, so risk analysis exempts nothing.
    assert exemption(paid(3_001, channel=online), 1.0) is Exemption.NONE


def test_what_the_file_spells_out_is_what_the_code_defaults_to() -> None:
    assert POLICY.step_up == StepUp()
    assert POLICY.sca == Sca()
    assert POLICY.fallback.default is FallbackMatrix().default


def test_the_examples_in_comments_are_valid() -> None:
    examples = "\n".join(re.findall(r"^#   (.*)$", TEXT, re.MULTILINE))
    rates = "\n".join(line for line in examples.splitlines() if "rate_percent" in line)
    parts = examples.replace(rates, "")
    policy = parse_policy(f"{TEXT.replace('[sca]', f'[sca]{chr(10)}{rates}', 1)}\n{parts}")
    assert [rule.id for rule in policy.rules] == ["first-payment-abroad-by-hand"]
    assert [listing.id for listing in policy.lists] == ["stolen-devices"]
    assert (policy.sca.fraud_rate_percent, policy.sca.transfer_fraud_rate_percent) == (0.05, 0.004)


def test_every_action_has_its_indicator_explained() -> None:
    explained = dict(re.findall(r"(0[1-6]) ([a-z ]+)", TEXT))
    assert sorted(explained) == ["01", "02", "03", "04", "05", "06"]


def test_every_currency_that_is_traded_has_a_rate() -> None:
    base, rates = POLICY.currencies.base, POLICY.currencies.rates
    accounts_only = {"BOV", "CHE", "CHW", "COU", "KPW", "MXV", "USN", "UYI", "UYW", "XAD"}
    assert set(MINOR_DIGITS) - set(rates) == accounts_only | {base}
    assert all(1e-7 < rate < 100.0 for rate in rates.values())


def test_the_text_is_plain_and_its_lines_are_short() -> None:
    assert TEXT.isascii()
    assert max(map(len, TEXT.splitlines())) <= 110
