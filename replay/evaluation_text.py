"""An evaluation as plain text for people."""

from typing import Final

from alerting.decision import Action
from replay.evaluation import Evaluation, Policy, Ranking
from replay.text_table import format_table
from replay.value_text import format_value

MAX_WEEKS: Final = 27
"""Half a year fits a screen; a run of twelve years does not."""
_RANKING: Final = ("payments", "frauds", "AUC", "AP", "R@0.1%", "R@1%", "list P", "list R")
_POLICY: Final = ("frauds", "stopped", "genuine", "challenged", "customers", "disturbed")
_FOLD: Final = ("train from", "test from", "payments", "frauds", "AUC", "AP", "CP@100")


def format_evaluation(found: Evaluation) -> str:
    """The figures as a few short tables, none wider than 80 columns."""
    shown = found.weeks[-MAX_WEEKS:]
    weeks = [(str(week.start), week.ranking, week.policy) for week in shown]
    weeks.append(("all", found.ranking, found.policy))
    ranking = format_table(("week of", *_RANKING), [(name, *_ranking_row(r)) for name, r, _ in weeks])
    actions = format_table(("week of", *_POLICY), [(name, *_policy_row(p)) for name, _, p in weeks])
    parts = [
        _counts(found),
        "Ranking. R@x%: share of the frauds found where x % of the genuine are flagged;\n"
        f"list: the {found.review_budget:,} highest scores of each day, P precision, R recall\n{ranking}",
        "Policy. Stopped, challenged: frauds and genuine payments that were not approved;\n"
        f"disturbed: those customers without any fraud who were challenged\n{actions}",
        format_value(found, [(name, policy) for name, _, policy in weeks]),
        f"Actions\n{_actions(found.policy)}",
    ]
    if len(shown) < len(found.weeks):
        parts.append(f"{len(found.weeks) - len(shown)} earlier weeks are left out; --json has all")
    if found.folds:
        parts.append(f"Fraud Detection Handbook protocol (users with known frauds left out)\n{_folds(found)}")
    return "\n\n".join(parts)


def _counts(found: Evaluation) -> str:
    labels = found.labels
    rows = [
        ("payments decided", found.payments),
        ("from, to", f"{found.first_day}, {found.last_day}"),
        ("fallback decisions in force", found.fallback_decisions),
        ("superseded decisions", found.superseded_decisions),
        ("outcomes", labels.outcomes),
        ("outcomes of unknown payments", labels.unmatched_outcomes),
        ("payments reported as fraud", labels.reported_payments),
        ("reports taken back", labels.taken_back),
        ("label delay in days, median", labels.delay_days_median),
        ("label delay in days, 90th percentile", labels.delay_days_p90),
        ("payments older than that (mature)", labels.mature_payments),
    ]
    return format_table(("", "value"), rows)


def _ranking_row(ranking: Ranking) -> tuple[object, ...]:
    return (
        ranking.payments,
        ranking.frauds,
        ranking.roc_auc,
        ranking.average_precision,
        ranking.recall_at_fpr_0_1_percent,
        ranking.recall_at_fpr_1_percent,
        ranking.review_precision,
        ranking.review_recall,
    )


def _policy_row(policy: Policy) -> tuple[object, ...]:
    return (
        sum(policy.fraud_by_action.values()),
        _challenged(policy.fraud_by_action),
        sum(policy.genuine_by_action.values()),
        _challenged(policy.genuine_by_action),
        policy.good_customers,
        policy.good_customers_challenged,
    )


def _challenged(by_action: dict[str, int]) -> int:
    return sum(count for action, count in by_action.items() if action != Action.APPROVE)


def _actions(policy: Policy) -> str:
    rows = [
        (action.value, policy.genuine_by_action[action], policy.fraud_by_action[action]) for action in Action
    ]
    return format_table(("action", "genuine", "fraud"), rows)


def _folds(found: Evaluation) -> str:
    rows = [
        (
            str(fold.train_start),
            str(fold.test_start),
            fold.payments,
            fold.frauds,
            fold.roc_auc,
            fold.average_precision,
            fold.card_precision_100,
        )
        for fold in found.folds
    ]
    means = [_mean([row[column] for row in rows]) for column in (4, 5, 6)]
    return format_table(_FOLD, [*rows, ("mean", "", "", "", *means)])


def _mean(values: list[object]) -> float | None:
    known = [value for value in values if isinstance(value, float)]
    return sum(known) / len(known) if known else None
