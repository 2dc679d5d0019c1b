"""What holds for every payment, every assessment and several policies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerting.checks import STRICTNESS
from alerting.conditions import Conditions
from alerting.decide import Decider, ScaCounters
from alerting.decision import Action, ChallengeIndicator, Decision, Exemption
from alerting.policy import (
    Currencies,
    Limit,
    ListEntry,
    ListField,
    Listing,
    ListKind,
    Policy,
    Rule,
    Sca,
    Segment,
    Thresholds,
)
from detectors.assessment import Assessment, Evidence
from detectors.events import Channel, EntryMode, Payment, PaymentType
from detectors.reasons import REASONS

NAMES = ("user_count_1h", "gap_s")
GENERAL = Thresholds(70.0, 80.0, 90.0)
PLAIN = Policy(
    version="p-plain", label="plain", thresholds=GENERAL, currencies=Currencies("EUR", {"USD": 0.9})
)
GUARDED = replace(
    PLAIN,
    version="p-guarded",
    lists=(
        Listing("deny", ListKind.DENY, ListField.MCC, (ListEntry("7995"),), Action.STEP_UP),
        Listing("deny-user", ListKind.DENY, ListField.USER_ID, (ListEntry("u-2"),)),
    ),
    rules=(
        Rule("ratio", "amount / gap_s > 5", Action.REVIEW),
        Rule("hand", "entry_mode == 'MANUAL' and score > 50", Action.STEP_UP),
    ),
    limits=(Limit("many", "user_count_1h", 5.0, Action.REVIEW),),
    sca=Sca(fraud_rate_percent=0.05, transfer_fraud_rate_percent=0.005),
)
SEGMENTED = replace(
    GUARDED,
    version="p-segmented",
    segments=(
        Segment("cash", Conditions(payment_type=(PaymentType.CASH_WITHDRAWAL,)), step_up=40.0),
        Segment("small", Conditions(max_amount=20.0), step_up=80.0),
    ),
)
DECIDERS = {p.version: Decider(p, NAMES, "model", "features") for p in (PLAIN, GUARDED, SEGMENTED)}
MONEY_LEAVES = (PaymentType.PURCHASE, PaymentType.CASH_WITHDRAWAL, PaymentType.TRANSFER)

versions = st.sampled_from(sorted(DECIDERS))
scores = st.floats(0.0, 100.0)
payments = st.builds(
    Payment,
    transaction_id=st.sampled_from(("t-1", "t-2")),
    user_id=st.sampled_from(("u-1", "u-2")),
    amount_minor=st.integers(1, 10**15),
    currency=st.sampled_from(("EUR", "USD", "JPY", "KWD")),
    event_time=st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    merchant_id=st.just("m-1"),
    payment_type=st.sampled_from(PaymentType),
    mcc=st.sampled_from((None, "5411", "7995")),
    channel=st.sampled_from((None, *Channel)),
    entry_mode=st.sampled_from((None, *EntryMode)),
)
evidence = st.builds(
    Evidence,
    code=st.sampled_from(sorted(REASONS)),
    surprise=st.floats(0.0, 6.0),
    value=st.floats(-1e6, 1e6),
    usual_low=st.none() | st.floats(-1e6, 1e6),
    usual_high=st.none() | st.floats(-1e6, 1e6),
)
assessments = st.builds(
    Assessment,
    score=scores,
    raw_score=st.floats(0.0, 60.0),
    evidence=st.lists(st.tuples(evidence, st.floats(0.0, 1.0)), max_size=8).map(tuple),
    features=st.tuples(st.floats(0.0, 20.0), st.sampled_from((-1.0, 0.0, 60.0))),
)
counters = st.builds(ScaCounters, st.integers(0, 7), st.integers(0, 12_000))


@given(versions, payments, assessments, counters)
def test_every_decision_is_valid(
    version: str, payment: Payment, assessment: Assessment, sca: ScaCounters
) -> None:
    decision = DECIDERS[version].decide(payment, assessment, sca, 3)
    assert decision == DECIDERS[version].decide(payment, assessment, sca, 3)
    assert len(decision.reasons) <= 5
    assert decision.reasons or decision.action is Action.APPROVE
    assert abs(decision.score - assessment.score) <= 0.005 + 1e-9
    assert (decision.step_up.expires_at is not None) == (decision.action is Action.STEP_UP)
    if decision.action is Action.STEP_UP:
        assert decision.step_up.expires_at == payment.event_time + timedelta(seconds=600)
    _check_exemption(payment, decision, assessment)


def _check_exemption(payment: Payment, decision: Decision, assessment: Assessment) -> None:
    advice = decision.step_up
    if advice.exemption is Exemption.NONE:
        assert advice.tra_band_eur is None
        return
    assert decision.action is Action.APPROVE
    assert not decision.reasons
    assert all(found.surprise < 1.5 for found, _ in assessment.evidence)
    assert payment.channel in (Channel.ECOMMERCE, Channel.WALLET, Channel.BANK)
    assert payment.amount_minor <= 56_000
    assert advice.challenge in (
        ChallengeIndicator.NO_CHALLENGE,
        ChallengeIndicator.NO_CHALLENGE_RISK_ANALYSIS_DONE,
    )


@given(versions, payments, assessments, counters, scores)
def test_a_higher_score_never_makes_the_action_milder(
    version: str, payment: Payment, assessment: Assessment, sca: ScaCounters, other: float
) -> None:
    low, high = sorted((assessment.score, other))
    mild, strict = (
        DECIDERS[version].decide(payment, replace(assessment, score=score), sca, 3).action
        for score in (low, high)
    )
    assert STRICTNESS[mild] <= STRICTNESS[strict]


@given(st.sampled_from(("p-plain", "p-guarded")), payments, assessments, counters)
def test_the_action_is_at_least_what_the_thresholds_say(
    version: str, payment: Payment, assessment: Assessment, sca: ScaCounters
) -> None:
    decision = DECIDERS[version].decide(payment, assessment, sca, 3)
    if payment.payment_type in MONEY_LEAVES:
        assert STRICTNESS[decision.action] >= STRICTNESS[GENERAL.action(assessment.score)]
    if version == "p-plain" and payment.payment_type in MONEY_LEAVES:
        assert decision.action is GENERAL.action(assessment.score)
