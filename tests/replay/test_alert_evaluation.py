"""What alerts and foreseen visits were worth, against where users went."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerting.alerts import Alert
from alerting.delivery.reasons import Suppression
from flows.outputs import VisitNoted
from replay.alert_evaluation import AlertEvaluation, calibration_error, evaluate_alerts
from replay.alert_evaluation_text import format_alert_evaluation
from replay.alerts import AlertWriter, CandidateRow
from replay.errors import RunError
from replay.visits import VisitWriter, read_visits
from tests.alerting.alerts_made import NOON, a_payment_alert, a_proximity_alert

MINUTE = timedelta(minutes=1)


def visit(
    at: datetime, user: str = "u-1", rank: int = 1, source: str = "valid", top: float = 0.5
) -> VisitNoted:
    return VisitNoted(7, "default", user, "m-7", at, source, rank, 0.4, top)


def alert(at: datetime, user: str = "u-1", probability: float = 0.5, merchant: str = "m-7") -> Alert:
    made = a_proximity_alert(1, user)
    assert made.proximity is not None
    details = replace(made.proximity, probability=probability, merchant_id=merchant)
    return replace(made, event_time=at, not_after=at + 20 * MINUTE, proximity=details)


def sent(each: Alert) -> CandidateRow:
    return CandidateRow(0, each, None)


def found(folder: Path, rows: list[CandidateRow], visits: list[VisitNoted]) -> AlertEvaluation:
    with AlertWriter(folder) as alerts, VisitWriter(folder) as noted:
        for row in rows:
            alerts.write(row)
        for each in visits:
            noted.write(each)
    return evaluate_alerts(folder)


def test_visits_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    visits = [visit(NOON), visit(NOON + MINUTE, "u-2", 0)]
    found(tmp_path, [], visits)
    assert list(read_visits(tmp_path)) == visits


def test_alert_came_true_if_its_user_was_there_within_the_window(tmp_path: Path) -> None:
    times = (
        NOON + MINUTE,
        NOON + 30 * MINUTE,
        NOON,
        NOON + 31 * MINUTE,
    )  # who is there already is told too late
    rows = [sent(alert(NOON, f"u-{n}")) for n in range(6)]
    visits = [visit(time, f"u-{n}") for n, time in enumerate(times)]
    visits.append(replace(visit(NOON + MINUTE, "u-4"), merchant_id="m-8"))
    proximity = found(tmp_path, rows, visits).proximity
    assert (proximity.came_true, proximity.passed_by, proximity.precision) == (2, 4, 2 / 6)
    assert proximity.lead_min_median == 15.5


def test_recall_is_of_visits_that_had_a_candidate_and_of_habitual_visits(tmp_path: Path) -> None:
    rows = [sent(alert(NOON)), CandidateRow(0, alert(NOON, "u-2"), Suppression.UNLIKELY)]
    visits = [visit(NOON + MINUTE, f"u-{n}") for n in range(1, 5)] + [visit(NOON + MINUTE, "u-5", 0)]
    proximity = found(tmp_path, rows, visits).proximity
    assert (proximity.candidates, proximity.sent, proximity.suppressed) == (2, 1, {"UNLIKELY": 1})
    assert (proximity.precision, proximity.recall, proximity.recall_of_visits) == (1.0, 0.5, 0.25)
    assert proximity.f1 == pytest.approx(2 / 3)


def test_second_alert_of_one_visit_is_a_repeat(tmp_path: Path) -> None:
    rows = [sent(alert(NOON)), sent(alert(NOON + MINUTE))]
    proximity = found(tmp_path, rows, [visit(NOON + 5 * MINUTE)]).proximity
    assert (proximity.repeats, proximity.precision, proximity.recall_of_visits) == (1, 1.0, 1.0)


def test_threshold_alone_tells_once_in_four_hours(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    rows = [
        CandidateRow(0, alert(NOON + n * hour, probability=p), Suppression.UNLIKELY)
        for n, p in enumerate((0.12, 0.3, 0.3, 0.3, 0.3, 0.3))
    ]
    visits = [visit(NOON + hour + 5 * MINUTE), visit(NOON + 3 * hour + MINUTE)]
    gates = {gate.threshold: gate for gate in found(tmp_path, rows, visits).gates}
    assert (gates[0.1].alerts, gates[0.1].precision, gates[0.1].recall) == (2, 0.0, 0.0)
    assert (gates[0.2].alerts, gates[0.2].precision, gates[0.2].recall) == (2, 0.5, 0.5)
    assert (gates[0.2].f1, gates[0.2].per_user_day) == (0.5, 2.0)
    assert (gates[0.2].passed_by, gates[0.5].passed_by) == (1, 0)
    assert (gates[0.5].alerts, gates[0.5].precision, gates[0.5].f1) == (0, None, None)


def test_days_without_an_alert_count_where_the_user_did_something(tmp_path: Path) -> None:
    day = timedelta(days=1)
    rows = [sent(alert(NOON)), sent(alert(NOON + 60 * MINUTE))]
    visits = [visit(NOON + n * day) for n in range(4)]
    proximity = found(tmp_path, rows, visits).proximity
    assert (proximity.user_days, proximity.per_user_day_mean) == (4, 0.5)
    assert (proximity.per_user_day_p50, proximity.per_user_day_p95) == (0, 2)


def test_brier_score_is_of_all_candidates(tmp_path: Path) -> None:
    rows = [
        sent(alert(NOON, probability=0.8)),
        CandidateRow(0, alert(NOON, "u-2", 0.2), Suppression.UNLIKELY),
    ]
    proximity = found(tmp_path, rows, [visit(NOON + MINUTE)]).proximity
    assert proximity.brier == pytest.approx(0.04)
    assert proximity.base_brier == 0.25


def test_alerts_about_payments_are_not_scored(tmp_path: Path) -> None:
    assert found(tmp_path, [CandidateRow(0, a_payment_alert(1), None)], []).proximity.candidates == 0


def test_next_place_has_a_row_for_each_source(tmp_path: Path) -> None:
    visits = [visit(NOON, rank=rank) for rank in (1, 1, 2, 6, 11, 0)] + [visit(NOON, source="train", rank=0)]
    train, valid, both = sorted(found(tmp_path, [], visits).next_place, key=lambda row: row.visits)
    assert (train.source, valid.source, both.source) == ("train", "valid", "all")
    assert (valid.acc_1, valid.acc_5, valid.acc_10) == (2 / 6, 3 / 6, 4 / 6)
    assert (valid.known, both.visits) == (5 / 6, 7)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    assert calibration_error([(1.0, True)] * 5) == 0.0
    assert calibration_error([(0.95, False)] * 5) == pytest.approx(0.95)
    assert calibration_error([]) == 0.0


def test_text_names_the_reasons_and_is_no_wider_than_a_terminal(tmp_path: Path) -> None:
    rows = [sent(alert(NOON)), CandidateRow(0, alert(NOON, "u-2"), Suppression.QUIET_HOURS)]
    text = format_alert_evaluation(found(tmp_path, rows, [visit(NOON)]))
    assert "QUIET_HOURS" in text
    assert "Quiet hours last until after the alert's time" in text
    assert max(map(len, text.splitlines())) <= 90


def test_window_must_be_above_zero_and_files_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="window: 0:00:00 is out of range; allowed: above 0"):
        evaluate_alerts(tmp_path, timedelta(0))
    with pytest.raises(RunError):
        evaluate_alerts(tmp_path)
