"""Scores the decisions of a run against its outcomes.

What counts as a fraud, and which decision on a payment counts, is said in :mod:`replay.scored_run`; the
metrics are those of :mod:`replay.metrics`. Days and weeks are UTC, weeks start on Monday. A payment is
*challenged* when its action is not ``APPROVE``. Payments are ranked by ``raw_score``, which keeps apart what
``score`` caps at 100.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from alerting.decision import Action
from replay.errors import RunError
from replay.evaluation import Evaluation, Fold, Labels, Policy, Ranking, Week
from replay.metrics import (
    Flags,
    average_precision,
    card_precision,
    daily_list,
    handbook_test_rows,
    recall_at_fpr,
    roc_auc,
)
from replay.scored_run import DAY_US, NEVER, ScoredRun, load_run
from replay.summary import reference_rates

EPOCH: Final = date(1970, 1, 1)
_MONDAY: Final = 4  # day 4 after the epoch, a Thursday, is a Monday
_FOLD_DAYS: Final = 21
_CARDS: Final = 100


def evaluate(
    folder: Path,
    review_budget: int = 100,
    fold_starts: Sequence[date] = (),
    last_folds: int = 4,
    rank_by: str = "raw_score",
) -> Evaluation:
    """The figures of the run in ``folder``.

    Parameters
    ----------
    review_budget
        How many payments can be reviewed by hand each day.
    fold_starts
        First days of training weeks. Without any, the ``last_folds`` test weeks that end with the run's last
        day are taken, as far as the run holds their training weeks.
    rank_by
        ``raw_score`` or ``score``.

    Raises
    ------
    RunError
        When the run's files are missing or damaged, or an option is out of range.
    """
    if review_budget < 1:
        raise RunError(f"review_budget: {review_budget} is out of range; allowed: 1 or more")
    run = load_run(folder, rank_by)
    first, last = int(run.day.min()), int(run.day.max())
    starts = [(day - EPOCH).days for day in fold_starts] or _last_folds(first, last, last_folds)
    everything = np.ones(len(run.day), np.bool_)
    week = (run.day - _MONDAY) // 7
    return Evaluation(
        payments=len(run.day),
        superseded_decisions=run.superseded,
        fallback_decisions=int(run.fallback.sum()),
        first_day=_date(first),
        last_day=_date(last),
        review_budget=review_budget,
        labels=_labels(run),
        ranking=_ranking(run, everything, review_budget),
        policy=_policy(run, everything),
        folds=tuple(_fold(run, start) for start in starts),
        weeks=tuple(
            Week(
                _date(int(number) * 7 + _MONDAY),
                _ranking(run, week == number, review_budget),
                _policy(run, week == number),
            )
            for number in np.unique(week)
        ),
        currencies=reference_rates(folder),
    )


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)


def _last_folds(first: int, last: int, count: int) -> list[int]:
    newest = last + 1 - _FOLD_DAYS
    return [start for start in (newest - 7 * back for back in reversed(range(count))) if start >= first]


def _ranking(run: ScoredRun, rows: Flags, budget: int) -> Ranking:
    score, fraud = run.score[rows], run.fraud[rows]
    listed = daily_list(run.day[rows], score, budget)
    caught, frauds = int(fraud[listed].sum()), int(fraud.sum())
    return Ranking(
        payments=len(score),
        frauds=frauds,
        roc_auc=roc_auc(score, fraud),
        average_precision=average_precision(score, fraud),
        recall_at_fpr_0_1_percent=recall_at_fpr(score, fraud, 0.001),
        recall_at_fpr_1_percent=recall_at_fpr(score, fraud, 0.01),
        review_precision=caught / int(listed.sum()) if listed.any() else None,
        review_recall=caught / frauds if frauds else None,
    )


def _fold(run: ScoredRun, start: int) -> Fold:
    rows = handbook_test_rows(run.day, run.user, run.fraud, start)
    score, fraud = run.score[rows], run.fraud[rows]
    return Fold(
        train_start=_date(start),
        test_start=_date(start + 14),
        payments=len(score),
        frauds=int(fraud.sum()),
        roc_auc=roc_auc(score, fraud),
        average_precision=average_precision(score, fraud),
        card_precision_100=card_precision(run.day[rows], run.user[rows], score, fraud, _CARDS),
    )


def _policy(run: ScoredRun, rows: Flags) -> Policy:
    fraud, genuine = rows & run.fraud, rows & ~run.fraud
    # A good customer has no fraud in the whole run, so that victims don't count as bothered for nothing.
    victim = np.bincount(run.user, run.fraud) > 0
    good = genuine & ~victim[run.user]
    return Policy(
        genuine_by_action={action: int(np.sum(run.action[genuine] == action)) for action in Action},
        fraud_by_action={action: int(np.sum(run.action[fraud] == action)) for action in Action},
        fraud_value=_value(run, fraud),
        fraud_value_challenged=_value(run, fraud & run.challenged),
        genuine_value_challenged=_value(run, genuine & run.challenged),
        good_customers=len(np.unique(run.user[good])),
        good_customers_challenged=len(np.unique(run.user[good & run.challenged])),
    )


def _value(run: ScoredRun, rows: Flags) -> dict[str, int]:
    amounts, currencies = run.amount_minor[rows], run.currency[rows]
    return {
        str(currency): int(amounts[currencies == currency].sum())
        for currency in np.unique(currencies)
        if currency
    }


def _labels(run: ScoredRun) -> Labels:
    reported = run.reported_us < NEVER
    delays = (run.reported_us - run.time_us)[reported] / DAY_US
    late = float(np.quantile(delays, 0.9)) if len(delays) else None
    age_days = (run.last_us - run.time_us) / DAY_US
    return Labels(
        outcomes=run.outcomes,
        unmatched_outcomes=run.unmatched_outcomes,
        reported_payments=int(reported.sum()),
        taken_back=int(np.sum(reported & ~run.fraud)),
        delay_days_median=float(np.median(delays)) if len(delays) else None,
        delay_days_p90=late,
        mature_payments=int(np.sum(age_days >= late)) if late is not None else 0,
    )
