"""The figures of an evaluation, as values, as JSON and as text."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from alerting.decision import Action
from detectors.money import MINOR_DIGITS, major_units
from replay.text_table import format_table

_RANKING: Final = ("payments", "frauds", "AUC", "AP", "R@0.1%", "R@1%", "list P", "list R")
_POLICY: Final = (
    "frauds",
    "challenged",
    "fraud value",
    "challenged",
    "genuine",
    "challenged",
    "users",
    "challenged",
)
_FOLD: Final = ("train from", "test from", "payments", "frauds", "AUC", "AP", "CP@100")


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well the scores of some payments rank; shares are ``None`` where they are not defined."""

    payments: int
    frauds: int
    roc_auc: float | None
    average_precision: float | None
    recall_at_fpr_0_1_percent: float | None
    recall_at_fpr_1_percent: float | None
    review_precision: float | None
    review_recall: float | None


@dataclass(frozen=True, slots=True)
class Fold:
    """One test week of the Handbook's protocol."""

    train_start: date
    test_start: date
    payments: int
    frauds: int
    roc_auc: float | None
    average_precision: float | None
    card_precision_100: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the actions stopped, and whom they bothered. Values are minor units by currency."""

    genuine_by_action: dict[str, int]
    fraud_by_action: dict[str, int]
    fraud_value: dict[str, int]
    fraud_value_challenged: dict[str, int]
    genuine_value_challenged: dict[str, int]
    good_customers: int
    good_customers_challenged: int


@dataclass(frozen=True, slots=True)
class Week:
    """One calendar week."""

    start: date
    ranking: Ranking
    policy: Policy


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of the truth, and how late it came.

    A payment is mature when, by the end of the run, it is older than nine in ten labels were when they came:
    only then does silence mean much.
    """

    outcomes: int
    unmatched_outcomes: int
    reported_payments: int
    taken_back: int
    delay_days_median: float | None
    delay_days_p90: float | None
    mature_payments: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of a run."""

    payments: int
    superseded_decisions: int
    fallback_decisions: int
    first_day: date
    last_day: date
    review_budget: int
    labels: Labels
    ranking: Ranking
    policy: Policy
    folds: tuple[Fold, ...]
    weeks: tuple[Week, ...]

    def as_dict(self) -> dict[str, object]:
        """The figures, ready for JSON: days as ``2018-07-25``."""
        return asdict(self, dict_factory=_json_ready)

    def as_text(self) -> str:
        """The figures as a few short tables."""
        return _format(self)


def _json_ready(items: list[tuple[str, object]]) -> dict[str, object]:
    return {name: str(value) if isinstance(value, date) else value for name, value in items}


def _format(found: Evaluation) -> str:
    weeks = [(str(week.start), week.ranking, week.policy) for week in found.weeks]
    weeks.append(("all", found.ranking, found.policy))
    ranking = format_table(("week of", *_RANKING), [(name, *_ranking_row(r)) for name, r, _ in weeks])
    policy = format_table(("week of", *_POLICY), [(name, *_policy_row(p)) for name, _, p in weeks])
    parts = [
        _counts(found),
        f"Ranking. R@x%: recall where x % of the genuine are flagged; list: the {found.review_budget} "
        f"highest scores a day\n{ranking}",
        f"Policy. Challenged: any action but APPROVE; users: those without any fraud\n{policy}",
        f"Actions\n{_actions(found.policy)}",
    ]
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
        _money(policy.fraud_value),
        _money(policy.fraud_value_challenged),
        sum(policy.genuine_by_action.values()),
        _challenged(policy.genuine_by_action),
        policy.good_customers,
        policy.good_customers_challenged,
    )


def _challenged(by_action: dict[str, int]) -> int:
    return sum(count for action, count in by_action.items() if action != Action.APPROVE)


def _money(by_currency: dict[str, int]) -> str | None:
    amounts = (
        f"{currency} {major_units(minor, currency):,.{MINOR_DIGITS[currency]}f}"
        for currency, minor in by_currency.items()
    )
    return " + ".join(amounts) or None


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
