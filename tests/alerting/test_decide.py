"""What decides: lists, rules, limits, allow lists and thresholds in their order, and what a decision says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerting.conditions import Conditions
from alerting.decide import Decider, ScaCounters
from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    FallbackCause,
    Source,
    StepUpAdvice,
    decision_id,
)
from alerting.policy import (
    Currencies,
    Limit,
    ListEntry,
    ListField,
    Listing,
    ListKind,
    Policy,
    Rule,
    Segment,
    StepUp,
    Thresholds,
)
from alerting.wording import reason_line
from detectors.assessment import Assessment, Evidence, Family
from detectors.events import Payment, PaymentType

NAMES = ("user_count_1h",)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYMENT = Payment("t-1", "u-1", 5_000, "EUR", NOON, "m-1", device_id="d-1")
NO_SCA = ScaCounters()

DENY = Listing("deny", ListKind.DENY, ListField.DEVICE_ID, (ListEntry("d-1"),))
DENY_STEP_UP = replace(DENY, id="deny-mildly", action=Action.STEP_UP)
ALLOW = Listing("allow", ListKind.ALLOW, ListField.USER_ID, (ListEntry("u-1"),))
RULE_DECLINE = Rule("rule-decline", "amount >= 50", Action.DECLINE)
RULE_STEP_UP = Rule("rule-step-up", "amount >= 50", Action.STEP_UP)
LIMIT = Limit("limit", "user_count_1h", 3.0, Action.REVIEW)


Part = Listing | Rule | Limit | Segment


def policy(*parts: Part) -> Policy:
    return Policy(
        version="p-1",
        label="test",
        thresholds=Thresholds(70.0, 80.0, 90.0),
        segments=tuple(part for part in parts if isinstance(part, Segment)),
        lists=tuple(part for part in parts if isinstance(part, Listing)),
        rules=tuple(part for part in parts if isinstance(part, Rule)),
        limits=tuple(part for part in parts if isinstance(part, Limit)),
    )


def assessed(score: float, evidence: int = 1, count: float = 0.0) -> Assessment:
    found = tuple((Evidence("AMOUNT_HIGH", 1.0, float(n), 1.0, 2.0, "EUR"), 0.5) for n in range(evidence))
    return Assessment(score, score / 10, found, (count,))


def decide(policy: Policy, assessment: Assessment, payment: Payment = PAYMENT) -> Decision:
    return Decider(policy, NAMES, "model-1", "features-1").decide(payment, assessment, NO_SCA, 7)


@pytest.mark.parametrize(
    ("parts", "score", "count", "action", "ids"),
    [
        ((), 69.999, 0, Action.APPROVE, ()),
        ((), 70.0, 0, Action.STEP_UP, ()),
        ((), 80.0, 0, Action.REVIEW, ()),
        ((), 90.0, 0, Action.DECLINE, ()),
        ((), 100.0, 0, Action.DECLINE, ()),
        ((DENY,), 0.0, 0, Action.DECLINE, ("deny",)),
        ((DENY_STEP_UP,), 0.0, 0, Action.STEP_UP, ("deny-mildly",)),
        ((DENY_STEP_UP,), 85.0, 0, Action.REVIEW, ("deny-mildly",)),
        ((DENY_STEP_UP, DENY), 0.0, 0, Action.DECLINE, ("deny", "deny-mildly")),
        ((RULE_STEP_UP,), 0.0, 0, Action.STEP_UP, ("rule-step-up",)),
        ((RULE_STEP_UP,), 95.0, 0, Action.DECLINE, ("rule-step-up",)),
        ((RULE_STEP_UP, RULE_DECLINE), 0.0, 0, Action.DECLINE, ("rule-decline", "rule-step-up")),
        ((DENY_STEP_UP, RULE_DECLINE), 0.0, 0, Action.DECLINE, ("deny-mildly", "rule-decline")),
        ((LIMIT,), 0.0, 3, Action.APPROVE, ()),
        ((LIMIT,), 0.0, 4, Action.REVIEW, ("limit",)),
        ((LIMIT, RULE_STEP_UP), 0.0, 4, Action.REVIEW, ("rule-step-up", "limit")),
        ((ALLOW,), 99.0, 0, Action.APPROVE, ("allow",)),
        ((ALLOW, DENY), 0.0, 0, Action.DECLINE, ("deny", "allow")),
        ((ALLOW, DENY_STEP_UP), 99.0, 0, Action.STEP_UP, ("deny-mildly", "allow")),
        ((ALLOW, RULE_DECLINE), 0.0, 0, Action.DECLINE, ("rule-decline", "allow")),
        ((ALLOW, RULE_STEP_UP), 99.0, 0, Action.STEP_UP, ("rule-step-up", "allow")),
        ((ALLOW, LIMIT), 99.0, 4, Action.REVIEW, ("limit", "allow")),
    ],
)
def test_precedence(
    parts: tuple[Part, ...],
    score: float,
    count: float,
    action: Action,
    ids: tuple[str, ...],
) -> None:
    decision = decide(policy(*parts), assessed(score, count=count))
    assert (decision.action, decision.rule_ids) == (action, ids)


@pytest.mark.parametrize("payment_type", [PaymentType.REFUND, PaymentType.ACCOUNT_VERIFICATION])
@pytest.mark.parametrize(
    ("parts", "action"),
    [
        ((), Action.APPROVE),
        ((LIMIT,), Action.APPROVE),
        ((DENY,), Action.DECLINE),
        ((RULE_STEP_UP,), Action.STEP_UP),
    ],
)
def test_refunds_and_verifications_are_approved_unless_a_list_or_rule_denies(
    payment_type: PaymentType, parts: tuple[Part, ...], action: Action
) -> None:
    payment = replace(PAYMENT, payment_type=payment_type)
    assert decide(policy(*parts), assessed(99.0, count=9.0), payment).action is action


def test_the_first_segment_that_fits_gives_the_thresholds() -> None:
    segments = (
        Segment("abroad", Conditions(merchant_country=("FR",)), step_up=10.0),
        Segment("small", Conditions(max_amount=50.0), step_up=75.0),
        Segment("also-abroad", Conditions(merchant_country=("FR",)), step_up=60.0),
    )
    abroad = replace(PAYMENT, merchant_country="FR")
    assert decide(policy(*segments), assessed(10.0), abroad).action is Action.STEP_UP
    assert decide(policy(*segments), assessed(74.0)).action is Action.APPROVE
    assert (
        decide(policy(*segments), assessed(74.0), replace(PAYMENT, amount_minor=5_001)).action
        is Action.STEP_UP
    )


def test_what_a_segment_leaves_out_stays_general() -> None:
    segment = Segment("all", Conditions(tenant=("default",)), step_up=5.0)
    assert decide(policy(segment), assessed(80.0)).action is Action.REVIEW
    assert decide(policy(segment), assessed(79.0)).action is Action.STEP_UP


def test_thresholds_compare_the_unrounded_score() -> None:
    decision = decide(policy(), assessed(69.999_9))
    assert (decision.action, decision.score) == (Action.APPROVE, 70.0)


def test_a_score_that_is_no_number_is_never_approved() -> None:
    assert decide(policy(), assessed(float("nan"))).action is Action.DECLINE


def test_a_decision_says_who_decided_by_what() -> None:
    decision = decide(policy(), assessed(12.345_6))
    assert decision == Decision(
        decision_id=decision_id("default", "t-1"),
        transaction_id="t-1",
        tenant="default",
        user_id="u-1",
        event_time=NOON,
        action=Action.APPROVE,
        score=12.35,
        raw_score=12.345_6 / 10,
        reasons=(),
        rule_ids=(),
        step_up=StepUpAdvice(ChallengeIndicator.NO_PREFERENCE, decision.step_up.exemption, None, None),
        model_version="model-1",
        policy_version="p-1",
        feature_version="features-1",
        log_position=7,
        source=Source.ENGINE,
    )


def test_an_approval_gives_reasons_from_half_the_step_up_threshold_on() -> None:
    assert decide(policy(), assessed(34.99)).reasons == ()
    assert [reason.code for reason in decide(policy(), assessed(35.0)).reasons] == ["AMOUNT_HIGH"]


def test_at_most_five_reasons_the_policy_s_own_first() -> None:
    decision = decide(policy(DENY, RULE_STEP_UP, LIMIT), assessed(75.0, evidence=9, count=4.0))
    codes = [reason.code for reason in decision.reasons]
    assert codes == ["DENY_LIST", "RULE", "VELOCITY_LIMIT", "AMOUNT_HIGH", "AMOUNT_HIGH"]
    denied, _, limited, first, _ = decision.reasons
    assert (denied.subject, denied.family, denied.weight) == ("deny", Family.KNOWN_FRAUD_PATTERN, 1.0)
    assert (limited.value, limited.usual_high, limited.subject) == (4.0, 3.0, "limit")
    assert (first.value, first.usual_low, first.usual_high, first.unit, first.weight) == (
        0.0,
        1.0,
        2.0,
        "EUR",
        0.5,
    )
    assert first.family is Family.ABNORMAL_SPENDING


def test_a_score_without_evidence_still_gives_a_reason() -> None:
    (reason,) = decide(policy(), assessed(77.0, evidence=0)).reasons
    assert (reason.code, reason.value, reason.usual_high) == ("SCORE", 77.0, 70.0)


def test_a_rule_that_fails_is_named_and_changes_nothing() -> None:
    broken = Rule("broken", "amount / user_count_1h > 0", Action.DECLINE)
    decision = decide(policy(broken, ALLOW), assessed(99.0))
    assert (decision.action, decision.rule_ids) == (Action.APPROVE, ("broken!error", "allow"))


def test_a_challenge_expires_in_event_time_and_nothing_else_does() -> None:
    rules = replace(policy(), step_up=StepUp(expires_s=90))
    by_action = {
        action: decide(rules, assessed(score)) for score, action in zip((0, 70, 80, 90), Action, strict=True)
    }
    assert all(decision.action is action for action, decision in by_action.items())
    assert {action: decision.step_up.expires_at for action, decision in by_action.items()} == {
        Action.APPROVE: None,
        Action.STEP_UP: NOON + timedelta(seconds=90),
        Action.REVIEW: None,
        Action.DECLINE: None,
    }
    assert by_action[Action.STEP_UP].step_up.challenge is ChallengeIndicator.CHALLENGE_MANDATED


def test_a_fallback_answers_without_score_and_reasons() -> None:
    decision = Decider(policy(DENY), NAMES, "model-1", "features-1").fallback(PAYMENT, FallbackCause.OVERLOAD)
    assert (decision.action, decision.source) == (Action.STEP_UP, Source.FALLBACK)
    assert (decision.score, decision.raw_score, decision.reasons, decision.rule_ids) == (0.0, 0.0, (), ())
    assert (decision.log_position, decision.fallback_cause) == (0, FallbackCause.OVERLOAD)
    assert decision.decision_id == decision_id("default", "t-1")
    assert decision.step_up.expires_at == NOON + timedelta(seconds=600)


def test_a_logged_fallback_keeps_the_answer_that_went_out() -> None:
    decider = Decider(policy(), NAMES, "model-1", "features-1")
    decision = decider.fallback(
        PAYMENT, FallbackCause.FAULT, 9, action=Action.DECLINE, policy_version="p-before"
    )
    assert (decision.action, decision.policy_version, decision.log_position) == (
        Action.DECLINE,
        "p-before",
        9,
    )


def test_an_amount_without_a_rate_uses_up_the_low_value_total() -> None:
    rated = replace(policy(), currencies=Currencies("EUR", {"USD": 0.5}))
    decider = Decider(rated, NAMES, "model-1", "features-1")
    amounts = [decider.eur_minor(replace(PAYMENT, currency=code)) for code in ("EUR", "USD", "JPY")]
    assert amounts == [5_000, 2_500, 10_000]


@pytest.mark.parametrize("score", [3.0, 75.0])
def test_a_reason_says_that_an_amount_without_a_rate_was_not_judged(score: float) -> None:
    unrated = replace(PAYMENT, currency="KWD")
    decision = decide(policy(), assessed(score, evidence=7), unrated)
    assert len(decision.reasons) <= 5
    reason = decision.reasons[-1]
    assert (reason.code, reason.value, reason.unit, reason.weight) == ("NO_RATE", 5.0, "KWD", 0.0)
    assert reason_line(reason) == "Amount not judged, no rate for its currency: 5.000 KWD"
    assert "NO_RATE" not in {reason.code for reason in decide(policy(), assessed(score)).reasons}


def test_money_that_does_not_leave_needs_no_rate() -> None:
    refund = replace(PAYMENT, currency="KWD", payment_type=PaymentType.REFUND)
    assert {reason.code for reason in decide(policy(), assessed(75.0), refund).reasons} == {"AMOUNT_HIGH"}
