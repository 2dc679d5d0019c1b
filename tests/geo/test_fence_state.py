"""Enter, dwell, exit and passing, one at a time, with the fixes that real devices send."""

from dataclasses import replace

import pytest

from geo import Cause, Dwell, Enter, Exit, Fence, Fix, Passed, Position, PresenceParams, Stopped, WentOn
from geo.fences import Near
from geo.inside import FenceParams, chance_inside
from tests.geo.fixes_made import START_S, Walker, fence, fix

PARAMS = PresenceParams()
NOISE = (Stopped, WentOn)


def stay(
    start_s: int, end_s: int, east_m: float = 0.0, step_s: int = 10, accuracy_m: float = 10.0
) -> list[Fix]:
    return [fix(at_s, east_m, accuracy_m=accuracy_m) for at_s in range(start_s, end_s, step_s)]


def walk(start_s: int, from_m: float, to_m: float, pace: float = 1.3, step_s: int = 5) -> list[Fix]:
    count = int(abs(to_m - from_m) / (pace * step_s))
    way = pace if to_m > from_m else -pace
    return [fix(start_s + step_s * number, from_m + way * step_s * number) for number in range(count)]


def test_somebody_who_comes_stays_and_goes_is_told_in_that_order() -> None:
    walker = Walker().see(*walk(0, -400.0, 0.0), *stay(310, 1_000), *walk(1_000, 0.0, 400.0))
    walker.wait_until(1_400)
    names = walker.names(*NOISE)
    assert [name for name in names if name != "Approach"] == ["Enter", "Dwell", "Exit"]
    assert names[0] == "Approach"
    (enter,), (dwell,), (left,) = walker.of(Enter), walker.of(Dwell), walker.of(Exit)
    assert isinstance(enter, Enter)
    assert isinstance(dwell, Dwell)
    assert isinstance(left, Exit)
    assert dwell.time_s == enter.since_s + PARAMS.around.fence.dwell_s
    assert (left.since_s, left.cause) == (enter.since_s, Cause.OUTSIDE)
    assert enter.since_s < left.until_s < left.time_s


def test_one_fix_inside_is_not_enough_and_a_second_one_is() -> None:
    walker = Walker().see(fix(0, 0.0), fix(1, 0.0)).wait_until(8)
    assert walker.names() == []
    assert walker.see(fix(9, 0.0)).wait_until(15).times(Enter) == [9]


def test_one_fix_inside_is_enough_when_none_says_otherwise_in_time() -> None:
    walker = Walker().see(fix(0, 0.0))
    assert walker.presence.due_s == START_S + 5
    assert walker.wait_until(34).names() == []
    assert walker.presence.due_s == START_S + 35
    assert walker.wait_until(35).times(Enter) == [30]


def test_a_fix_from_before_a_timer_that_fired_is_late() -> None:
    walker = Walker().see(fix(0, 0.0)).wait_until(35).see(fix(29, 900.0), fix(30, 900.0), fix(31, 0.0))
    assert walker.distrusted() == ["LATE", "LATE"]
    assert walker.times(Enter) == [30]


def test_a_timer_fires_before_a_later_fix_is_looked_at() -> None:
    walker = Walker().see(fix(0, 0.0), fix(40, 900.0, accuracy_m=900.0)).wait_until(60)
    assert walker.times(Enter) == [30]


@pytest.mark.parametrize(("accuracy_m", "enters"), [(30.0, 1), (125.0, 1), (126.0, 0), (600.0, 0)])
def test_a_coarse_fix_does_not_say_that_somebody_is_in_a_small_fence(accuracy_m: float, enters: int) -> None:
    walker = Walker().see(*stay(0, 60, accuracy_m=accuracy_m)).wait_until(200)
    assert len(walker.of(Enter)) == enters


@pytest.mark.parametrize(("accuracy_m", "exits"), [(10.0, 1), (60.0, 1), (120.0, 0), (800.0, 0)])
def test_somebody_has_left_only_when_the_whole_circle_is_outside(accuracy_m: float, exits: int) -> None:
    walker = Walker().see(*stay(0, 60), *stay(70, 300, 260.0, accuracy_m=accuracy_m)).wait_until(310)
    assert len(walker.of(Exit)) == exits


def test_between_the_two_circles_nothing_changes() -> None:
    walker = Walker().see(*stay(0, 60), *stay(60, 600, 140.0)).wait_until(600)
    assert "Exit" not in walker.names()
    walker = Walker().see(*stay(0, 600, 140.0)).wait_until(600)
    assert "Enter" not in walker.names()


def test_the_circle_to_leave_by_is_wider_by_a_half_and_by_30_m_at_least() -> None:
    params = FenceParams()
    assert [params.exit_radius_m(radius) for radius in (20.0, 60.0, 100.0)] == [50.0, 90.0, 150.0]


def test_a_wobble_at_the_edge_gives_one_enter() -> None:
    fixes = [fix(5 * number, 100.0 + 45.0 * (-1) ** number) for number in range(200)]
    walker = Walker().see(*fixes).wait_until(1_000)
    assert (len(walker.of(Enter)), len(walker.of(Exit))) == (0, 0)
    walker = Walker().see(*stay(0, 30, 50.0), *(each._replace(time_s=each.time_s + 30) for each in fixes))
    assert (len(walker.of(Enter)), len(walker.of(Exit))) == (1, 0)


@pytest.mark.parametrize("far_m", [198.0, 202.0, 300.0, 720.0])
def test_over_confident_fixes_of_a_phone_at_rest_make_no_exit(far_m: float) -> None:
    # The shape of two reports on phones that lay still in a fence of 50 m: every minute or so one fix
    # hundreds of metres off that claims 2 to 11 m, and the next one back where the phone is.
    fixes, at_s = [], 0
    for number in range(40):
        fixes += stay(at_s, at_s + 40 + number % 7, 8.0 + number % 3)
        at_s = fixes[-1].time_s - START_S + 12
        fixes.append(fix(at_s, far_m, accuracy_m=1.7 + number % 10))
        at_s += (5, 12, 21, 46)[number % 4]
    walker = Walker(fence(radius_m=50.0)).see(*fixes).wait_until(at_s)
    assert len(walker.of(Enter)) == 1
    assert walker.of(Exit) == []


def test_single_fixes_outside_do_not_add_up() -> None:
    fixes = [fix(30 * number, 160.0 if number % 4 == 3 else 5.0) for number in range(80)]
    walker = Walker(fence(radius_m=50.0)).see(*fixes).wait_until(2_380)
    assert walker.distrusted() == []
    assert walker.names(*NOISE) == ["Enter", "Dwell"]


def test_a_single_step_out_that_nothing_follows_ends_the_stay_in_time() -> None:
    walker = Walker().see(*stay(0, 60), fix(300, 600.0)).wait_until(904)
    assert walker.of(Exit) == []
    (left,) = walker.wait_until(905).of(Exit)
    assert left == Exit("shop", START_S + 900, START_S, START_S + 50, Cause.TIME)


def test_who_is_seen_outside_after_a_gap_left_when_they_were_last_seen() -> None:
    walker = Walker().see(*stay(0, 60), *stay(7_200, 7_240, 900.0, step_s=5)).wait_until(7_300)
    (left,) = walker.of(Exit)
    assert left == Exit("shop", START_S + 7_205, START_S, START_S + 50, Cause.OUTSIDE)


def test_who_is_seen_inside_after_a_gap_has_stayed() -> None:
    walker = Walker().see(*stay(0, 60), *stay(30_000, 30_100)).wait_until(30_200)
    assert walker.names(*NOISE) == ["Enter", "Dwell"]


def test_a_silent_user_is_not_inside_for_ever() -> None:
    walker = Walker().see(*stay(0, 60)).wait_until(100_000)
    (left,) = walker.of(Exit)
    assert left == Exit("shop", START_S + 50 + 43_200, START_S, START_S + 50, Cause.SILENCE)
    assert walker.presence.due_s is None


def test_a_dwell_needs_no_fix_of_its_own() -> None:
    walker = Walker().see(*stay(0, 100)).wait_until(304)
    assert walker.times(Dwell) == []
    assert walker.wait_until(305).times(Dwell) == [300]


def test_an_enter_tells_when_the_user_left_last() -> None:
    walker = Walker().see(*stay(0, 60), *stay(70, 200, 400.0), *stay(600, 700)).wait_until(700)
    first, second = walker.of(Enter)
    assert isinstance(first, Enter)
    assert isinstance(second, Enter)
    assert (first.left_s, second.left_s) == (0, START_S + 50)


def test_a_way_through_a_fence_between_two_fixes_is_passing() -> None:
    walker = Walker().see(fix(0, -300.0), fix(60, 300.0, north_m=30.0)).wait_until(100)
    (passed,) = walker.of(Passed)
    assert isinstance(passed, Passed)
    assert (passed.time_s - START_S, passed.at_s - START_S) == (60, 30)
    assert passed.distance_m == pytest.approx(15.0, abs=1.0)


@pytest.mark.parametrize(("gap_s", "north_m"), [(60, 170.0), (400, 0.0)])
def test_a_way_that_grazes_a_fence_or_is_not_known_is_not_passing(gap_s: int, north_m: float) -> None:
    walker = Walker().see(fix(0, -300.0, north_m), fix(gap_s, 300.0, north_m)).wait_until(gap_s + 10)
    assert walker.of(Passed) == []


def test_a_car_that_drives_through_passes_and_does_not_enter() -> None:
    drive = [fix(5 * number, -600.0 + 5 * 25.0 * number) for number in range(10)]
    walker = Walker().see(*drive).wait_until(60)
    assert walker.of(Enter) == []
    assert len(walker.of(Passed)) == 1


def test_a_fence_that_goes_ends_the_stay_and_one_that_comes_is_entered_at_rest() -> None:
    walker = Walker().see(*stay(0, 60))
    walker.fences.remove("shop")
    walker.fences.put(Fence("other", fix(0, 20.0).position, 50.0))
    walker.see(*stay(60, 200)).wait_until(200)
    (left,) = walker.of(Exit)
    assert isinstance(left, Exit)
    assert (left.fence_id, left.cause) == ("shop", Cause.REMOVED)
    assert [each.fence_id for each in walker.presence.inside()] == ["other"]


def test_a_fence_that_is_put_up_around_somebody_at_rest_is_seen_within_a_minute() -> None:
    walker = Walker(fence(east_m=5_000.0)).see(*stay(0, 300))
    walker.fences.put(fence("new"))
    walker.see(*stay(300, 400)).wait_until(400)
    assert [each.fence_id for each in walker.presence.inside()] == ["new"]


def test_who_only_touched_a_fence_and_comes_back_soon_is_seen() -> None:
    walker = Walker().see(fix(0, 70.0), fix(10, 110.0)).wait_until(45)
    assert walker.times(Passed) == [40]
    assert walker.see(fix(46, 80.0), fix(52, 80.0)).wait_until(60).times(Enter) == [52]


def test_fences_on_top_of_each_other_are_told_in_order_of_their_names() -> None:
    fences = [fence(name, east_m) for name, east_m in (("c", 0.0), ("a", 30.0), ("b", 15.0))]
    walker = Walker(*fences).see(*stay(0, 60)).wait_until(60)
    assert [each.fence_id for each in walker.of(Enter) if isinstance(each, Enter)] == ["a", "b", "c"]


def test_a_stop_is_told_wherever_it_is_and_so_is_its_end() -> None:
    walker = Walker(fence(east_m=5_000.0)).see(*stay(0, 400, 30.0), *walk(400, 30.0, 300.0)).wait_until(700)
    assert walker.names()[:2] == ["Stopped", "WentOn"]
    (stopped,) = walker.of(Stopped)
    assert isinstance(stopped, Stopped)
    assert (stopped.time_s - stopped.since_s) == PARAMS.stay.stop_s
    assert stopped.position.lon == pytest.approx(fix(0, 30.0).position.lon, abs=1e-6)


def test_the_chance_of_being_inside_falls_with_distance_and_with_doubt() -> None:
    shop = fence()
    chances = [chance_inside(Near(away, shop), 20.0) for away in (0.0, 50.0, 100.0, 150.0, 10_000.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.99
    assert chances[2] == pytest.approx(0.5, abs=0.01)
    assert chances[-1] == 0.0
    assert chance_inside(Near(0.0, shop), 400.0) < 0.1


def test_every_setting_matters_to_the_machine_that_has_it() -> None:
    slow = replace(PARAMS, around=replace(PARAMS.around, fence=FenceParams(enter_s=60)))
    assert Walker(params=slow).see(*stay(0, 100)).wait_until(100).times(Enter) == [60]


def test_at_a_pole_and_across_the_antimeridian_people_come_and_go() -> None:
    for lat, lon, away in (
        (90.0, 0.0, (89.99, 120.0)),
        (0.0, 180.0, (0.0, -179.99)),
        (-89.9999, 5.0, (-89.99, 5.0)),
    ):
        walker = Walker(Fence("far", Position(lat, lon), 100.0))
        there, gone = Position(lat, lon, 10.0), Position(*away, 10.0)
        walker.see(*(Fix(there, START_S + at_s) for at_s in range(0, 60, 10)))
        walker.see(*(Fix(gone, START_S + 1_000 + at_s) for at_s in range(0, 90, 10))).wait_until(1_200)
        assert walker.names(*NOISE) == ["Enter", "Dwell", "Exit"]
