"""How well scores rank frauds above genuine payments: plain functions over arrays of equal length.

``score`` is any number that grows with suspicion, ``fraud`` is boolean. Payments with equal scores can't be
told apart by any threshold, so the threshold metrics treat them as one. A daily review list has to choose
among them all the same: it takes them in the order given. A metric that needs frauds, or genuine payments,
is ``None`` where there are none.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

_SLACK: Final = 1e-9


def roc_auc(score: Scores, fraud: Flags) -> float | None:
    """The probability that a fraud scores higher than a genuine payment; a tie counts half.

    >>> roc_auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    hits, alarms = _curve(score, fraud)
    if not _has_both(hits, alarms):
        return None
    twice = np.sum(np.diff(alarms, prepend=0) * (hits + np.insert(hits[:-1], 0, 0)))
    return float(twice / (2.0 * hits[-1] * alarms[-1]))


def average_precision(score: Scores, fraud: Flags) -> float | None:
    """The precision at each threshold, weighted by the recall it adds.

    >>> average_precision(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]))
    0.8333333333333333
    """
    hits, alarms = _curve(score, fraud)
    if not len(hits) or not hits[-1]:
        return None
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


def recall_at_fpr(score: Scores, fraud: Flags, limit: float) -> float | None:
    """The share of frauds caught where at most the share ``limit`` of the genuine payments is flagged.

    >>> recall_at_fpr(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]), 0.01)
    0.5
    """
    hits, alarms = _curve(score, fraud)
    if not _has_both(hits, alarms):
        return None
    allowed = hits[alarms <= limit * alarms[-1] + _SLACK]
    return float(allowed[-1] / hits[-1]) if len(allowed) else 0.0


def _curve(score: Scores, fraud: Flags) -> tuple[Codes, Codes]:
    """Frauds and genuine payments at or above each distinct score, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(order) else order
    hits = np.cumsum(fraud[order], dtype=np.int64)[ends]
    return hits, ends + 1 - hits


def _has_both(hits: Codes, alarms: Codes) -> bool:
    return len(hits) > 0 and hits[-1] > 0 and alarms[-1] > 0


def daily_list(day: Codes, score: Scores, budget: int) -> Flags:
    """Which payments are among the ``budget`` highest scores of their day."""
    order = np.lexsort((np.arange(len(score)), -score, day))
    sorted_day = day[order]
    starts = np.searchsorted(sorted_day, sorted_day)
    listed = np.zeros(len(score), np.bool_)
    listed[order[np.arange(len(score)) - starts < budget]] = True
    return listed


def card_precision(day: Codes, user: Codes, score: Scores, fraud: Flags, top: int = 100) -> float | None:
    """The Fraud Detection Handbook's card precision: the mean over days of the compromised share of the list.

    A day's list holds the ``top`` users by their highest score of that day. A user whose fraud was listed is
    known from then on and is left out on later days. Ties go to the lower user code.
    """
    known = np.zeros(int(user.max()) + 1 if len(user) else 0, np.bool_)
    found = []
    for today in np.unique(day):
        rows = np.flatnonzero((day == today) & ~known[user])
        users, place = np.unique(user[rows], return_inverse=True)
        highest = np.full(len(users), -np.inf)
        np.maximum.at(highest, place, score[rows])
        compromised = np.zeros(len(users), np.bool_)
        compromised[place[fraud[rows]]] = True
        listed = np.argsort(-highest, kind="stable")[:top]
        detected = users[listed[compromised[listed]]]
        known[detected] = True
        found.append(len(detected) / top)
    return float(np.mean(found)) if found else None


def handbook_test_rows(day: Codes, user: Codes, fraud: Flags, train_start: int) -> Flags:
    """The payments of the Handbook's test week for the training week that starts on day ``train_start``.

    Training takes 7 days, labels another 7, the test week follows. A user whose fraud is known is dropped:
    on test day ``k`` those are the frauds of the training week and of the ``k`` days up to day ``6 + k``
    after its start.
    """
    known = np.zeros(int(user.max()) + 1 if len(user) else 0, np.bool_)
    known[user[fraud & (day >= train_start) & (day < train_start + 7)]] = True
    kept = np.zeros(len(day), np.bool_)
    for k in range(7):
        known[user[fraud & (day == train_start + 6 + k)]] = True
        kept |= (day == train_start + 14 + k) & ~known[user]
    return kept
