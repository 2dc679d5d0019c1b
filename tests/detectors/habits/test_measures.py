"""What a history says of its places at a moment."""

from math import exp, log

import pytest

from detectors.habits.history import History, Place
from detectors.habits.measures import NAMES, NEW_NAMES, measure

MONDAY_MIN = 4 * 1_440
DAY, WEEK, NOON = 1_440, 10_080, 720


def of(history: History, place: int, name: str, minute: int, offset_quarters: int = 0) -> float:
    return measure(history, minute, offset_quarters).places[place][NAMES.index(name)]


def weekly(count: int, minute: int, token: int = 1) -> History:
    history = History()
    for week in range(count):
        history.visit(Place(token), MONDAY_MIN + week * WEEK + minute, 0)
    return history


def test_no_history_has_no_rows() -> None:
    measures = measure(History(), 1_000_000, 0)
    assert measures.places == []
    assert len(measures.new) == len(NEW_NAMES)


def test_each_place_has_a_row_of_all_names() -> None:
    history = weekly(3, NOON)
    history.visit(Place(2), MONDAY_MIN + 3 * WEEK, 0)
    assert [len(row) for row in measure(history, MONDAY_MIN + 4 * WEEK, 0).places] == [len(NAMES)] * 2


@pytest.mark.parametrize(
    "name",
    [
        "log_this_time",
        "log_about_this_time_alike_day",
        "log_this_time_same_weekday",
        "log_this_time_alike_day_30d",
    ],
)
def test_the_usual_time_of_the_usual_day_counts_most(name: str) -> None:
    history, now = weekly(6, NOON), MONDAY_MIN + 6 * WEEK
    usual = of(history, 0, name, now + NOON)
    assert usual > of(history, 0, name, now + NOON + 120) > of(history, 0, name, now + NOON + 360)


def test_weekday_visits_say_little_of_a_weekend() -> None:
    history, now = weekly(6, NOON), MONDAY_MIN + 6 * WEEK + NOON
    monday, tuesday, saturday = (
        of(history, 0, "log_about_this_time_alike_day", now + d * DAY) for d in (0, 1, 5)
    )
    assert monday == pytest.approx(tuesday, abs=0.01)
    assert saturday == log(0.05)
    assert of(history, 0, "log_this_time", now + 5 * DAY) > 0


def test_time_of_day_goes_around_midnight() -> None:
    history, now = weekly(6, DAY - 10), MONDAY_MIN + 6 * WEEK
    assert of(history, 0, "log_this_time", now + 10) > of(history, 0, "log_this_time", now + DAY - 90)


def test_clocks_put_forward_do_not_move_a_habit() -> None:
    history = History()
    for week in range(4):  # at noon, one hour ahead of UTC
        history.visit(Place(1), MONDAY_MIN + week * WEEK + NOON - 60, 4)
    summer_noon = MONDAY_MIN + 4 * WEEK + NOON - 120
    assert of(history, 0, "log_this_time", summer_noon, 8) > of(
        history, 0, "log_this_time", summer_noon + 60, 8
    )


def test_visits_fade_with_age() -> None:
    history = History()
    history.visit(Place(1), MONDAY_MIN, 0)
    now = MONDAY_MIN + 30 * DAY
    assert of(history, 0, "log_faded_30d", now) == pytest.approx(log(exp(-1.0) + 0.1))
    assert of(history, 0, "log_faded_120d", now) == pytest.approx(log(exp(-0.25) + 0.1))
    assert of(history, 0, "log_count", now) == log(1.1)


def test_what_follows_the_last_place_is_known() -> None:
    history = History()
    for day in range(5):
        history.visit(Place(1), MONDAY_MIN + day * DAY, 0)
        history.visit(Place(2), MONDAY_MIN + day * DAY + 30, 0)
    history.visit(Place(1), MONDAY_MIN + 5 * DAY, 0)
    now = MONDAY_MIN + 5 * DAY + 30
    assert of(history, 1, "log_after_last_place", now) > of(history, 0, "log_after_last_place", now)
    assert of(history, 1, "log_after_last_place_alike_gap", now) > log(1.0)
    assert of(history, 0, "is_last_place", now) == 1.0
    assert of(history, 1, "is_place_before_last", now) == 1.0


def test_only_first_visits_count_as_new() -> None:
    explorer, regular = History(), History()
    for day in range(10):
        explorer.visit(Place(1 + day), MONDAY_MIN + day * DAY, 0)
        regular.visit(Place(1), MONDAY_MIN + day * DAY, 0)
    now = MONDAY_MIN + 10 * DAY
    share = NEW_NAMES.index("log_share_new")
    assert measure(explorer, now, 0).new[share] > measure(regular, now, 0).new[share] + 1.0


def test_moment_before_the_last_visit_measures_as_if_at_once() -> None:
    history = weekly(2, NOON)
    late = measure(history, MONDAY_MIN, 0)
    assert all(all(value == value for value in row) for row in late.places)
    assert of(history, 0, "log_hours_since", MONDAY_MIN) == 0.0
