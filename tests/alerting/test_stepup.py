"""Which exemption from strong authentication is suggested, case by case, and when none may be."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from alerting.currencies import Currencies, ReferenceAmounts
from alerting.decide import Decider
from alerting.decision import ChallengeIndicator, Exemption, StepUpAdvice
from alerting.policy import Policy, Sca, StepUp, Thresholds, TraBand
from alerting.stepup import ScaCounters, StepUpAdvisor, is_remote
from detectors.assessment import Assessment, Evidence
from detectors.events import Channel, EntryMode, Payment, PaymentType

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONE = StepUpAdvice(ChallengeIndicator.NO_PREFERENCE, Exemption.NONE, None, None)
LOW = StepUpAdvice(ChallengeIndicator.NO_CHALLENGE, Exemption.LOW_VALUE, None, None)
TRA = {
    band: StepUpAdvice(
        ChallengeIndicator.NO_CHALLENGE_RISK_ANALYSIS_DONE, Exemption.TRANSACTION_RISK, band, None
    )
    for band in (100, 250, 500)
}
TRANSFER = PaymentType.TRANSFER


@dataclass(frozen=True)
class Case:
    """A remote purchase of ``cents``, and what is known beside it."""

    cents: int
    expected: StepUpAdvice
    rate: float | None = None
    transfer_rate: float | None = None
    count: int = 0
    total: int = 0
    surprise: float = 0.0
    channel: Channel | None = Channel.ECOMMERCE
    entry_mode: EntryMode | None = None
    payment_type: PaymentType = PaymentType.PURCHASE
    currency: str = "EUR"
    enabled: bool = True


CASES = [
    # Low value: the amount.
    Case(1, LOW),
    Case(3_000, LOW),
    Case(3_001, NONE),
    # Low value: the sum since the last strong authentication, this payment included.
    Case(3_000, LOW, total=7_000),
    Case(3_000, NONE, total=7_001),
    Case(1, NONE, total=10_000),
    # Low value: the count, this payment included.
    Case(100, LOW, count=4),
    Case(100, NONE, count=5),
    Case(100, NONE, count=6),
    Case(3_000, LOW, count=4, total=7_000),
    Case(3_000, NONE, count=5, total=7_000),
    # Low value is asked first; risk analysis takes over when it is used up.
    Case(3_000, LOW, rate=0.01),
    Case(3_000, TRA[100], rate=0.01, total=7_001),
    Case(3_000, TRA[100], rate=0.13, count=5),
    Case(3_000, NONE, rate=0.131, count=5),
    # Risk analysis: amount and fraud rate.
    Case(3_001, TRA[100], rate=0.13),
    Case(10_000, TRA[100], rate=0.13),
    Case(10_000, NONE, rate=0.1301),
    Case(10_001, NONE, rate=0.13),
    Case(10_001, TRA[250], rate=0.06),
    Case(25_000, TRA[250], rate=0.06),
    Case(25_000, NONE, rate=0.0601),
    Case(25_001, NONE, rate=0.06),
    Case(25_001, TRA[500], rate=0.01),
    Case(50_000, TRA[500], rate=0.01),
    Case(50_000, NONE, rate=0.0101),
    Case(50_001, NONE, rate=0.01),
    Case(50_001, NONE, rate=0.0),
    Case(10_000, TRA[100], rate=0.0),
    Case(10_000, NONE, rate=None),
    Case(10_000, NONE, rate=None, transfer_rate=0.001),
    # Credit transfers have reference rates of their own.
    Case(10_000, TRA[100], transfer_rate=0.015, payment_type=TRANSFER),
    Case(10_000, NONE, transfer_rate=0.016, payment_type=TRANSFER),
    Case(10_000, NONE, rate=0.01, payment_type=TRANSFER),
    Case(25_000, TRA[250], transfer_rate=0.01, payment_type=TRANSFER),
    Case(50_000, TRA[500], transfer_rate=0.005, payment_type=TRANSFER),
    Case(50_000, NONE, transfer_rate=0.006, payment_type=TRANSFER),
    Case(50_001, NONE, transfer_rate=0.0, payment_type=TRANSFER),
    # A finding rules everything out.
    Case(100, LOW, surprise=1.499),
    Case(100, NONE, surprise=1.5),
    Case(100, NONE, surprise=6.0),
    Case(10_000, TRA[100], rate=0.01, surprise=1.499),
    Case(10_000, NONE, rate=0.01, surprise=1.5),
    Case(100, NONE, surprise=float("nan")),
    # Only what is remote and electronic.
    Case(100, LOW, channel=Channel.WALLET),
    Case(100, LOW, channel=Channel.BANK),
    Case(100, LOW, entry_mode=EntryMode.CREDENTIAL_ON_FILE),
    Case(100, NONE, channel=Channel.WALLET, entry_mode=EntryMode.CONTACTLESS),
    Case(100, NONE, entry_mode=EntryMode.CHIP),
    Case(100, NONE, channel=Channel.POS),
    Case(100, NONE, channel=Channel.ATM),
    Case(100, NONE, channel=Channel.MOTO),
    Case(100, NONE, channel=None),
    Case(100, NONE, channel=None, entry_mode=EntryMode.ECOMMERCE),
    Case(10_000, NONE, rate=0.01, channel=Channel.POS),
    Case(100, NONE, payment_type=PaymentType.REFUND),
    Case(100, NONE, payment_type=PaymentType.CASH_WITHDRAWAL),
    Case(100, NONE, payment_type=PaymentType.ACCOUNT_VERIFICATION),
    # Other currencies by their reference rate; without one, nothing.
    Case(3_333, LOW, currency="USD"),
    Case(3_334, NONE, currency="USD"),
    Case(11_111, TRA[100], rate=0.1, currency="USD"),
    Case(11_112, NONE, rate=0.1, currency="USD"),
    Case(100, NONE, currency="GBP"),
    # Switched off.
    Case(100, NONE, enabled=False),
    Case(10_000, NONE, rate=0.01, enabled=False),
]


def paid(case: Case) -> Payment:
    return Payment(
        "t",
        "u",
        case.cents,
        case.currency,
        NOON,
        "m",
        payment_type=case.payment_type,
        channel=case.channel,
        entry_mode=case.entry_mode,
    )


def found(surprise: float) -> Assessment:
    evidence = ((Evidence("AMOUNT_HIGH", surprise, 1.0), 1.0),) if surprise else ()
    return Assessment(5.0, 0.5, evidence, ())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_exemption(case: Case) -> None:
    sca = Sca(
        enabled=case.enabled,
        fraud_rate_percent=case.rate,
        transfer_fraud_rate_percent=case.transfer_rate,
    )
    advisor = StepUpAdvisor(StepUp(), sca, ReferenceAmounts(Currencies("EUR", {"USD": 0.9})))
    counters = ScaCounters(case.count, case.total)
    assert advisor.of_approval(paid(case), found(case.surprise), counters) == case.expected


@pytest.mark.parametrize("score", [40.0, 70.0, 80.0, 90.0])
def test_no_exemption_where_a_decision_gives_reasons(score: float) -> None:
    policy = Policy("p", "test", Thresholds(70.0, 80.0, 90.0), sca=Sca(fraud_rate_percent=0.0))
    decider = Decider(policy, (), "m", "f")
    assessment = replace(found(0.1), score=score)
    decision = decider.decide(paid(CASES[0]), assessment, ScaCounters(), 1)
    assert decision.reasons
    assert decision.step_up.exemption is Exemption.NONE


def test_a_base_that_is_not_the_euro_still_counts_in_euro() -> None:
    dollars = ReferenceAmounts(Currencies("USD", {"EUR": 1.25}))
    advisor = StepUpAdvisor(StepUp(), Sca(), dollars)
    for cents, expected in ((3_750, LOW), (3_751, NONE)):
        payment = paid(Case(cents, expected, currency="USD"))
        assert advisor.of_approval(payment, found(0.0), ScaCounters()) == expected


def test_without_a_rate_for_the_euro_nothing_is_exempt() -> None:
    advisor = StepUpAdvisor(StepUp(), Sca(), ReferenceAmounts(Currencies("USD")))
    payment = paid(Case(1, NONE, currency="USD"))
    assert advisor.of_approval(payment, found(0.0), ScaCounters()) == NONE


def test_a_purchase_by_card_on_a_website_is_remote() -> None:
    assert is_remote(paid(Case(1, LOW)))


def test_bands_are_the_three_of_the_law_in_rising_order() -> None:
    with pytest.raises(ValueError, match="max_eur: 300 is no band; allowed: 100, 250, 500"):
        TraBand(300, 0.1)
    with pytest.raises(ValueError, match=r"bands: \[250, 100\] are out of order"):
        Sca(bands=(TraBand(250, 0.06), TraBand(100, 0.13)))
