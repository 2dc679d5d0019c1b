"""What a comparison of two runs says."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.decision import Action, Decision
from replay.diff import diff_runs
from replay.diff_report import DiffReport
from replay.diff_text import format_diff
from replay.errors import RunError
from tests.replay.runs_made import REASON, a_decision, a_fallback, a_run


def diff_of(folder: Path, a: list[Decision], b: list[Decision]) -> DiffReport:
    return diff_runs(a_run(folder / "a", a), a_run(folder / "b", b))


def test_equal_runs_are_identical(tmp_path: Path) -> None:
    made = [a_decision(number) for number in range(40)]
    report = diff_of(tmp_path, made, made)
    assert report.identical
    assert format_diff(report).startswith("The runs are identical: 40 decisions")
    assert json.loads(report.as_json())["identical"] is True


def test_runs_without_decisions_are_identical(tmp_path: Path) -> None:
    assert diff_of(tmp_path, [], []).identical


@pytest.mark.parametrize(
    "change",
    [
        {"score": 0.1},
        {"raw_score": -0.0},
        {"reasons": (REASON, replace(REASON, weight=0.7500000000000001))},
        {"reasons": (REASON, replace(REASON, usual_low=None))},
        {"reasons": (REASON,)},
        {"rule_ids": ("r2",)},
        {"rule_ids": ()},
        {"action": Action.DECLINE},
        {"policy_version": "p2"},
        {"log_position": 99},
    ],
)
def test_each_changed_field_is_found_in_its_row(change: dict[str, Any], tmp_path: Path) -> None:
    base = replace(a_decision(8), raw_score=0.0, rule_ids=("r1",))
    rows = [a_decision(7), base, a_decision(9)]
    report = diff_of(tmp_path, rows, [rows[0], replace(base, **change), rows[2]])
    assert report.changed == 1
    assert report.fields == dict.fromkeys(change, 1)
    assert report.first is not None
    assert report.first.transaction_id == "t-8"
    assert list(report.first.fields) == list(change)


def test_flips_and_shifts_are_added_up_by_kind(tmp_path: Path) -> None:
    a = [a_decision(n, score=10.0) for n in range(6)]
    b = [
        replace(a[0], action=Action.DECLINE, score=90.0),
        replace(a[1], action=Action.DECLINE, score=80.0),
        replace(a[2], action=Action.STEP_UP, score=0.0),
        *a[3:],
    ]
    report = diff_of(tmp_path, a, b)
    assert report.action_flips == {"APPROVE -> DECLINE": 2, "APPROVE -> STEP_UP": 1}
    assert (report.score.count, report.score.largest) == (3, 80.0)
    assert report.score.mean == pytest.approx((80 + 70 - 10) / 3)
    assert report.score.mean_absolute == pytest.approx(160 / 3)
    assert report.raw_score.count == 0
    text = format_diff(report)
    assert "APPROVE -> DECLINE          2" in text
    assert text.index("APPROVE -> DECLINE") < text.index("shift (B - A)") < text.index("First action flip")
    assert "score: 10.0 -> 90.0" in text


def under_another_policy(decisions: list[Decision]) -> list[Decision]:
    return [replace(decision, policy_version="p2") for decision in decisions]


def test_versions_that_differ_everywhere_are_one_line_and_hide_nothing(tmp_path: Path) -> None:
    a = [a_decision(n, score=10.0) for n in range(60)]
    b = under_another_policy(a)
    b[40] = replace(b[40], score=30.0)
    b[50] = replace(b[50], action=Action.STEP_UP, reasons=())
    report = diff_of(tmp_path, a, b)
    assert (report.changed, report.version_only) == (60, 58)
    assert report.first is not None
    assert report.first_flip is not None
    assert (report.first.transaction_id, report.first_flip.transaction_id) == ("t-40", "t-50")
    assert [example.transaction_id for example in report.examples] == ["t-40", "t-50"]
    text = format_diff(report)
    assert "Versions: policy_version in 60; nothing else in 58." in text
    assert text.count("policy_version") == 1
    assert json.loads(report.as_json())["fields"]["policy_version"] == 60


def test_the_first_flip_has_both_sides_also_of_what_stayed(tmp_path: Path) -> None:
    a = [a_decision(n, score=10.0) for n in range(9)]
    text = format_diff(diff_of(tmp_path, a, [*a[:8], replace(a[8], action=Action.REVIEW, reasons=())]))
    assert "action: APPROVE -> REVIEW" in text
    assert "score: 10.0 in both" in text
    assert "reasons: AMOUNT_HIGH 75%, AMOUNT_HIGH 75% -> none" in text


def test_runs_that_differ_in_nothing_but_versions_say_so_and_still_differ(tmp_path: Path) -> None:
    a = [a_decision(n) for n in range(20)]
    report = diff_of(tmp_path, a, under_another_policy(a))
    assert not report.identical
    assert (report.changed, report.version_only, len(report.examples)) == (20, 20, 10)
    text = format_diff(report)
    assert "Versions: policy_version in 20; nothing else in 20." in text
    assert "policy_version: p1 -> p2" in text


def test_no_line_of_a_comparison_is_wider_than_a_terminal(tmp_path: Path) -> None:
    a = a_decision(1, reasons=(REASON,) * 5)
    b = replace(a, action=Action.REVIEW, reasons=(replace(REASON, code="IMPOSSIBLE_TRAVEL"),) * 5)
    finer = replace(a_decision(2), reasons=(replace(REASON, weight=0.7501),) * 2)
    lines = format_diff(diff_of(tmp_path, [a, a_decision(2)], [b, finer])).splitlines()
    assert max(map(len, lines)) <= 80
    assert "    A: AMOUNT_HIGH 75%, AMOUNT_HIGH 75%, AMOUNT_HIGH 75%, AMOUNT_HIGH 75%," in lines


def test_values_that_read_alike_are_not_shown_as_equal(tmp_path: Path) -> None:
    a, b = a_decision(2, raw_score=0.5), replace(a_decision(2, raw_score=0.5), reasons=())
    b = replace(b, reasons=(replace(REASON, weight=0.7501), REASON))
    assert "not in every detail; --json has them" in format_diff(diff_of(tmp_path, [a], [b]))


def test_rows_that_only_one_run_has_are_counted_and_the_earliest_comes_first(tmp_path: Path) -> None:
    rows = [a_decision(number) for number in range(30)]
    report = diff_of(tmp_path, rows[:20], [*rows[:4], *rows[5:20], *rows[25:]])
    assert (report.only_a, report.only_b, report.changed, report.moved) == (1, 5, 0, 0)
    assert (report.rows_a, report.rows_b) == (20, 24)
    assert report.first is not None
    assert (report.first.log_position_a, report.first.log_position_b) == (4, None)
    assert "log position 4 in A, none in B" in format_diff(report)


def test_a_run_against_nothing_has_all_rows_alone(tmp_path: Path) -> None:
    rows = [a_decision(number) for number in range(12)]
    report = diff_of(tmp_path, rows, [])
    assert (report.only_a, report.rows_a, report.rows_b) == (12, 12, 0)
    assert len(report.examples) == 10


def test_a_changed_order_is_told_from_changed_decisions(tmp_path: Path) -> None:
    rows = [a_decision(number) for number in range(10)]
    report = diff_of(tmp_path, rows, [*rows[:3], rows[4], rows[3], *rows[5:]])
    assert (report.moved, report.changed, report.only_a, report.only_b) == (1, 0, 0, 0)
    assert not report.identical


def test_a_fallback_row_is_matched_with_the_second_row_of_its_transaction(tmp_path: Path) -> None:
    rows = [a_decision(1), a_decision(2), a_fallback(1, 3)]
    assert diff_of(tmp_path / "x", rows, rows).identical
    assert diff_of(tmp_path / "y", rows, rows[:2]).only_a == 1
    late = [rows[0], rows[2], rows[1]]
    assert (diff_of(tmp_path / "z", rows, late).moved, diff_of(tmp_path / "w", rows, late).changed) == (1, 0)


def test_a_missing_run_is_an_error_that_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"b/decisions\.parquet: is missing"):
        diff_runs(a_run(tmp_path / "a", [a_decision(1)]), tmp_path / "b")


rows = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1.0, 2.0])), max_size=20)


@settings(max_examples=40, deadline=None)
@given(a=rows, b=rows)
def test_counts_are_those_of_a_plain_matching(a: list[tuple[int, float]], b: list[tuple[int, float]]) -> None:
    def keyed(side: list[tuple[int, float]]) -> dict[tuple[int, int], float]:
        seen: dict[tuple[int, int], float] = {}
        for number, score in side:
            seen[number, sum(key[0] == number for key in seen)] = score
        return seen

    keys_a, keys_b = keyed(a), keyed(b)
    common = keys_a.keys() & keys_b.keys()
    with tempfile.TemporaryDirectory() as folder:
        report = diff_of(
            Path(folder),
            [a_decision(number, score=score) for number, score in a],
            [a_decision(number, score=score) for number, score in b],
        )
    assert report.only_a == len(keys_a) - len(common)
    assert report.only_b == len(keys_b) - len(common)
    assert report.changed == sum(keys_a[key] != keys_b[key] for key in common)
    in_order = [key for key in keys_a if key in common] == [key for key in keys_b if key in common]
    assert (report.moved == 0) is in_order
