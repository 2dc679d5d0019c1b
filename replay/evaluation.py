"""The figures of an evaluation, as values and as JSON."""

import json
from dataclasses import asdict, dataclass
from datetime import date

from alerting.currencies import Currencies


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
    """All figures of a run; ``currencies`` are the reference rates of the policy that decided it."""

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
    currencies: Currencies

    def as_json(self) -> str:
        """The figures as one JSON object: days as ``2018-07-25``."""
        return json.dumps(asdict(self), default=str, indent=2)
