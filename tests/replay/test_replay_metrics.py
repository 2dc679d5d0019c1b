"""The metrics, against definitions written out in full and examples worked out by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.metrics import (
    Flags,
    Scores,
    average_precision,
    card_precision,
    daily_list,
    handbook_test_rows,
    recall_at_fpr,
    roc_auc,
)

# Few distinct scores, so that ties are common.
ranked = st.lists(st.tuples(st.integers(0, 6).map(float), st.booleans()), max_size=40)
near = pytest.approx


def arrays(pairs: list[tuple[float, bool]]) -> tuple[Scores, Flags]:
    return np.array([s for s, _ in pairs], np.float64), np.array([f for _, f in pairs], np.bool_)


@given(ranked)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[float, bool]]) -> None:
    frauds, genuine = ([s for s, f in pairs if f is wanted] for wanted in (True, False))
    wins = [(a > b) + (a == b) / 2 for a, b in product(frauds, genuine)]
    assert roc_auc(*arrays(pairs)) == (near(sum(wins) / len(wins)) if wins else None)


@given(ranked)
def test_average_precision_sums_precision_over_the_recall_added(pairs: list[tuple[float, bool]]) -> None:
    frauds = sum(f for _, f in pairs)
    total = recall_before = 0.0
    for threshold in sorted({s for s, _ in pairs}, reverse=True):
        flagged = [f for s, f in pairs if s >= threshold]
        recall = sum(flagged) / max(frauds, 1)
        total += (recall - recall_before) * sum(flagged) / len(flagged)
        recall_before = recall
    assert average_precision(*arrays(pairs)) == (near(total) if frauds else None)


@given(ranked, st.sampled_from([0.0, 0.001, 0.1, 0.25, 0.5, 1.0]))
def test_recall_is_that_of_the_best_threshold_within_the_limit(
    pairs: list[tuple[float, bool]], limit: float
) -> None:
    frauds = sum(f for _, f in pairs)
    genuine = len(pairs) - frauds
    best = 0.0
    for threshold in {s for s, _ in pairs}:
        flagged = [f for s, f in pairs if s >= threshold]
        if frauds and len(flagged) - sum(flagged) <= limit * genuine:
            best = max(best, sum(flagged) / frauds)
    assert recall_at_fpr(*arrays(pairs), limit) == (near(best) if frauds and genuine else None)


def test_the_four_payments_worked_out_by_hand() -> None:
    score, fraud = np.array([0.8, 0.4, 0.35, 0.1]), np.array([True, False, True, False])
    assert roc_auc(score, fraud) == 0.75
    assert average_precision(score, fraud) == near(0.5 * 1 + 0.5 * 2 / 3)
    assert recall_at_fpr(score, fraud, 0.01) == 0.5
    assert recall_at_fpr(score, fraud, 0.5) == 1.0


def test_equal_scores_throughout_say_nothing() -> None:
    score, fraud = np.zeros(10), np.arange(10) < 3
    assert roc_auc(score, fraud) == 0.5
    assert average_precision(score, fraud) == near(0.3)
    assert recall_at_fpr(score, fraud, 0.01) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4).map(float)), max_size=40),
    st.integers(1, 5),
)
def test_a_days_list_holds_its_highest_scores_and_earlier_payments_first(
    rows: list[tuple[int, float]], budget: int
) -> None:
    wanted = set()
    for today in {day for day, _ in rows}:
        places = [place for place, (day, _) in enumerate(rows) if day == today]
        wanted |= set(sorted(places, key=lambda place: -rows[place][1])[:budget])
    days, scores = np.array([d for d, _ in rows], np.int64), np.array([s for _, s in rows], np.float64)
    assert set(np.flatnonzero(daily_list(days, scores, budget)).tolist()) == wanted


def test_card_precision_counts_users_once_and_drops_those_found_before() -> None:
    day = np.array([0, 0, 0, 0, 1, 1, 1])
    user = np.array([0, 0, 1, 2, 0, 1, 3])
    score = np.array([9.0, 1.0, 8.0, 7.0, 9.0, 5.0, 6.0])
    # User 0 is compromised by the payment with the low score: the highest score of the day counts.
    fraud = np.array([False, True, False, True, True, True, False])
    # Day 0 lists users 0 and 1: one of two. Day 1 has users 1 and 3 left: one of two.
    assert card_precision(day, user, score, fraud, top=2) == 0.5
    # Lists longer than the day: users 0 and 2 of three on day 0, user 1 on day 1.
    assert card_precision(day, user, score, fraud, top=3) == near((2 / 3 + 1 / 3) / 2)


card_rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3).map(float), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(card_rows, st.integers(1, 4))
def test_card_precision_is_that_of_a_plain_loop(rows: list[tuple[int, int, float, bool]], top: int) -> None:
    known: set[int] = set()
    found = []
    for today in sorted({row[0] for row in rows}):
        highest: dict[int, float] = {}
        compromised: set[int] = set()
        for day, user, score, fraud in rows:
            if day == today and user not in known:
                highest[user] = max(highest.get(user, -1.0), score)
                compromised |= {user} if fraud else set()
        listed = sorted(highest, key=lambda user: (-highest[user], user))[:top]
        known |= set(listed) & compromised
        found.append(len(set(listed) & compromised) / top)
    days, users, scores, frauds = (np.array(column) for column in zip(*rows, strict=True))
    assert card_precision(days, users, scores, frauds, top) == near(sum(found) / len(found))


@given(st.lists(st.tuples(st.integers(95, 125), st.integers(0, 6), st.booleans()), min_size=1, max_size=60))
def test_the_handbooks_test_week_leaves_out_users_whose_frauds_are_known(
    rows: list[tuple[int, int, bool]],
) -> None:
    start = 100
    kept = []
    for day, user, _ in rows:
        known_until = day - 8  # labels take 7 days, and a day is judged by what was known before it
        known = {u for d, u, fraud in rows if fraud and start <= d <= max(known_until, start + 6)}
        kept.append(start + 14 <= day < start + 21 and user not in known)
    days, users, frauds = (np.array(column) for column in zip(*rows, strict=True))
    assert handbook_test_rows(days, users, frauds, start).tolist() == kept


def test_nothing_to_rank_gives_no_figures() -> None:
    none: tuple[Scores, Flags] = np.empty(0), np.empty(0, np.bool_)
    assert roc_auc(*none) is None
    assert average_precision(*none) is None
    assert recall_at_fpr(*none, 0.01) is None
    codes = np.empty(0, np.int64)
    assert card_precision(codes, codes, *none) is None
    assert daily_list(codes, none[0], 5).tolist() == []
