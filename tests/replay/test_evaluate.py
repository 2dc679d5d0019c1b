"""What an evaluation says of a run."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from alerting.decision import Action, Decision
from detectors.events import OutcomeKind, PaymentType, Verdict
from replay.decisions import DecisionWriter
from replay.errors import RunError
from replay.evaluate import evaluate
from replay.evaluation_text import format_evaluation
from replay.scored_run import load_run
from tests.replay.runs_made import (
    MONDAY,
    a_decision,
    a_fallback,
    a_run,
    an_outcome,
    payment_of,
)

DAY = timedelta(days=1)
REPORT = OutcomeKind.FRAUD_REPORT


def daily_run(folder: Path, days: int) -> Path:
    """Ten payments a day by as many users; the first user is defrauded each Sunday and scores highest."""
    decisions = [
        a_decision(
            day * 10 + user,
            user_id=f"u-{user}",
            event_time=MONDAY + day * DAY + timedelta(minutes=user),
            raw_score=9.0 if user == 0 and day % 7 == 6 else user / 10,
            action=Action.DECLINE if user == 0 and day % 7 == 6 else Action.APPROVE,
        )
        for day in range(days)
        for user in range(10)
    ]
    sundays = [decision for decision in decisions if decision.raw_score == 9.0]
    reports = [
        replace(
            an_outcome(int(decision.transaction_id[2:]), name="f"), event_time=decision.event_time + 7 * DAY
        )
        for decision in sundays
    ]
    return a_run(folder, decisions, reports)


@pytest.mark.parametrize(
    ("said", "fraud"),
    [
        ([], False),
        ([(REPORT, Verdict.FRAUD)], True),
        ([(OutcomeKind.CHARGEBACK, Verdict.FRAUD)], True),
        ([(OutcomeKind.STEP_UP, Verdict.FRAUD)], True),
        ([(REPORT, Verdict.UNDECIDED)], False),
        ([(REPORT, Verdict.FRAUD), (OutcomeKind.ANALYST, Verdict.GENUINE)], False),
        ([(REPORT, Verdict.FRAUD), (OutcomeKind.STEP_UP, Verdict.GENUINE)], True),
        ([(REPORT, Verdict.FRAUD), (OutcomeKind.ANALYST, Verdict.UNDECIDED)], True),
        ([(OutcomeKind.ANALYST, Verdict.GENUINE), (REPORT, Verdict.FRAUD)], True),
        (
            [
                (REPORT, Verdict.FRAUD),
                (OutcomeKind.ANALYST, Verdict.GENUINE),
                (OutcomeKind.CHARGEBACK, Verdict.FRAUD),
            ],
            True,
        ),
    ],
)
def test_a_label_is_the_last_word_of_those_who_can_tell(
    said: list[tuple[OutcomeKind, Verdict]], fraud: bool, tmp_path: Path
) -> None:
    outcomes = [an_outcome(1, verdict, kind, name=str(n)) for n, (kind, verdict) in enumerate(said)]
    run = load_run(a_run(tmp_path, [a_decision(0), a_decision(1)], outcomes))
    assert run.fraud.tolist() == [False, fraud]


def test_the_last_row_of_a_transaction_is_the_one_in_force(tmp_path: Path) -> None:
    made = [a_decision(1), a_decision(2), a_fallback(1, 3)]
    found = evaluate(a_run(tmp_path, made, [an_outcome(1)]))
    assert (found.payments, found.superseded_decisions, found.fallback_decisions) == (2, 1, 1)
    assert found.policy.fraud_by_action == {"APPROVE": 0, "STEP_UP": 0, "REVIEW": 1, "DECLINE": 0}


def test_equal_ids_of_two_tenants_are_two_payments(tmp_path: Path) -> None:
    other = replace(a_decision(1), tenant="other")
    run = load_run(a_run(tmp_path, [a_decision(1), other], [replace(an_outcome(1), tenant="other")]))
    assert run.fraud.tolist() == [False, True]
    assert run.user[0] != run.user[1]


def test_labels_are_counted_with_their_delay_and_maturity(tmp_path: Path) -> None:
    decisions = [a_decision(n, event_time=MONDAY + n * DAY) for n in range(10)]
    outcomes = [
        replace(an_outcome(0), event_time=MONDAY + 2 * DAY),
        replace(an_outcome(3), event_time=MONDAY + 5 * DAY),
        replace(an_outcome(3, Verdict.GENUINE, OutcomeKind.ANALYST, name="x"), event_time=MONDAY + 6 * DAY),
        an_outcome(77),
    ]
    labels = evaluate(a_run(tmp_path, decisions, outcomes)).labels
    assert (labels.outcomes, labels.unmatched_outcomes) == (4, 1)
    assert (labels.reported_payments, labels.taken_back) == (2, 1)
    assert (labels.delay_days_median, labels.delay_days_p90) == (2.0, 2.0)
    # The run ends on day 9: payments of day 7 and before are at least two days old.
    assert labels.mature_payments == 8


def test_value_counts_what_was_challenged_but_no_refunds(tmp_path: Path) -> None:
    stopped, missed, bothered, refund = (a_decision(n) for n in range(4))
    money: list[tuple[Decision, int, str, PaymentType]] = [
        (replace(stopped, action=Action.STEP_UP), 700, "EUR", PaymentType.PURCHASE),
        (missed, 50, "JPY", PaymentType.PURCHASE),
        (replace(bothered, action=Action.STEP_UP), 30, "EUR", PaymentType.PURCHASE),
        (replace(refund, action=Action.STEP_UP), 999, "EUR", PaymentType.REFUND),
    ]
    a_run(tmp_path, [], [an_outcome(0), an_outcome(1)])
    with DecisionWriter(tmp_path) as writer:
        for decision, amount, currency, kind in money:
            writer.write(decision, replace(payment_of(decision, amount, currency), payment_type=kind))
    policy = evaluate(tmp_path).policy
    assert policy.fraud_value == {"EUR": 700, "JPY": 50}
    assert policy.fraud_value_challenged == {"EUR": 700}
    assert policy.genuine_value_challenged == {"EUR": 30}
    assert (policy.good_customers, policy.good_customers_challenged) == (2, 2)


def test_a_perfect_run_has_perfect_figures_week_by_week(tmp_path: Path) -> None:
    found = evaluate(daily_run(tmp_path, 28), review_budget=1)
    assert [week.start for week in found.weeks] == [date(2026, 3, 2) + n * 7 * DAY for n in range(4)]
    for ranking in (found.ranking, *(week.ranking for week in found.weeks)):
        assert (ranking.roc_auc, ranking.average_precision, ranking.review_recall) == (1.0, 1.0, 1.0)
        assert ranking.recall_at_fpr_0_1_percent == ranking.recall_at_fpr_1_percent == 1.0
        assert ranking.review_precision == pytest.approx(1 / 7)
    assert (found.ranking.payments, found.ranking.frauds) == (280, 4)


def test_folds_end_with_the_run_and_leave_out_known_victims(tmp_path: Path) -> None:
    found = evaluate(daily_run(tmp_path, 35), last_folds=4)
    assert [(fold.train_start, fold.test_start) for fold in found.folds] == [
        (date(2026, 3, 2) + n * 7 * DAY, date(2026, 3, 16) + n * 7 * DAY) for n in range(3)
    ]
    # The user of the Sunday fraud is known from the training week on: nine users remain, none defrauded.
    assert all((fold.payments, fold.frauds, fold.roc_auc) == (63, 0, None) for fold in found.folds)


def test_fold_starts_can_be_named(tmp_path: Path) -> None:
    (fold,) = evaluate(daily_run(tmp_path, 35), fold_starts=[date(2026, 2, 23)]).folds
    # The training week lies before the run, and the first fraud is too young to be known in the test week.
    assert (fold.test_start, fold.payments, fold.frauds) == (date(2026, 3, 9), 70, 1)
    assert (fold.roc_auc, fold.average_precision) == (1.0, 1.0)
    assert fold.card_precision_100 == pytest.approx(0.01 / 7)


def test_payments_can_be_ranked_by_the_calibrated_score(tmp_path: Path) -> None:
    made = [a_decision(0, raw_score=1.0, score=99.0), a_decision(1, raw_score=2.0, score=1.0)]
    a_run(tmp_path, made, [an_outcome(0)])
    assert evaluate(tmp_path).ranking.roc_auc == 0.0
    assert evaluate(tmp_path, rank_by="score").ranking.roc_auc == 1.0


def test_a_run_without_labels_still_counts(tmp_path: Path) -> None:
    found = evaluate(a_run(tmp_path, [a_decision(n) for n in range(3)]))
    assert (found.payments, found.ranking.frauds, found.ranking.roc_auc) == (3, 0, None)
    assert (found.labels.delay_days_median, found.labels.mature_payments, found.folds) == (None, 0, ())
    assert "payments decided" in format_evaluation(found)


def test_the_figures_come_as_text_and_as_json(tmp_path: Path) -> None:
    found = evaluate(daily_run(tmp_path, 28))
    text = format_evaluation(found)
    assert "2026-03-09" in text
    assert "EUR       40.00" in text
    assert "CP@100" in text
    figures = json.loads(found.as_json())
    assert figures["ranking"]["roc_auc"] == 1.0
    assert figures["weeks"][0]["start"] == "2026-03-02"


def test_what_cannot_be_evaluated_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"decisions\.parquet: is missing"):
        evaluate(tmp_path)
    with pytest.raises(RunError, match="holds no decision"):
        evaluate(a_run(tmp_path, []))
    with pytest.raises(RunError, match="rank_by: 'luck' is unknown; allowed: raw_score, score"):
        evaluate(tmp_path, rank_by="luck")
    with pytest.raises(RunError, match="review_budget: 0 is out of range"):
        evaluate(tmp_path, review_budget=0)
