"""Who comes, when, and who only drives past."""

from dataclasses import replace

import pytest

from geo import Approach, Enter, Fix, PresenceParams
from geo.motion import Motion, MotionParams
from tests.geo.fixes_made import START_S, Walker, fence, fix


def track(pace: float, from_m: float, to_m: float, north_m: float = 0.0, step_s: int = 5) -> list[Fix]:
    count = int((to_m - from_m) / (pace * step_s)) + 1
    return [fix(step_s * number, from_m + pace * step_s * number, north_m) for number in range(count)]


def approaches(walker: Walker) -> list[Approach]:
    return [each for each in walker.said if isinstance(each, Approach)]


def test_a_walk_to_a_fence_is_told_when_it_begins_and_when_it_is_almost_done() -> None:
    walker = Walker().see(*track(1.4, -600.0, -50.0)).wait_until(400)
    first, last = approaches(walker)
    assert (first.near, last.near) == (False, True)
    assert 250.0 < first.distance_m <= 300.0
    assert 30.0 < last.distance_m <= 65.0
    assert first.eta_s == pytest.approx(first.distance_m / 1.4, rel=0.1)
    assert first.confidence < last.confidence <= 1.0
    (enter,) = walker.of(Enter)
    assert first.time_s < last.time_s < enter.time_s
    assert first.time_s + first.eta_s == pytest.approx(last.time_s + last.eta_s, abs=15.0)


@pytest.mark.parametrize("north_m", [0.0, 60.0, 150.0, 300.0])
def test_driving_past_at_50_km_h_is_no_approach(north_m: float) -> None:
    walker = Walker().see(*track(50.0 / 3.6, -2_000.0, 2_000.0, north_m)).wait_until(500)
    assert approaches(walker) == []


def test_driving_past_is_no_approach_either_when_fixes_are_sparse() -> None:
    walker = Walker().see(*track(50.0 / 3.6, -2_000.0, 2_000.0, 50.0, step_s=30)).wait_until(500)
    assert approaches(walker) == []


def test_a_driver_who_slows_down_to_stop_approaches() -> None:
    fixes, at_m = [fix(0, -1_000.0)], -1_000.0
    for number in range(1, 60):
        at_m += 5.0 * min(13.0, max(1.0, -at_m / 30.0))
        fixes.append(fix(5 * number, min(at_m, 0.0)))
    assert approaches(Walker().see(*fixes).wait_until(400))


def test_walking_away_is_no_approach_however_little_is_asked_for() -> None:
    around = PresenceParams().around
    easy = PresenceParams(around=replace(around, approach=replace(around.approach, min_confidence=0.0)))
    assert approaches(Walker(params=easy).see(*track(1.4, 130.0, 600.0)).wait_until(500)) == []


def test_walking_along_at_a_distance_is_none_once_the_fence_lies_aside() -> None:
    told = approaches(Walker().see(*track(1.4, -10.0, 700.0, north_m=350.0)).wait_until(600))
    assert told == []


def test_a_phone_at_rest_beside_a_fence_approaches_nothing() -> None:
    noise = [
        fix(5 * number, -150.0 + 12.0 * (-1) ** number, 9.0 * (-1) ** (number // 2)) for number in range(500)
    ]
    assert approaches(Walker().see(*noise).wait_until(3_000)) == []


def test_an_approach_is_not_told_again_for_half_an_hour() -> None:
    there = track(1.4, -390.0, -180.0)
    back = [fix(5 * number, -180.0 - 7.0 * number) for number in range(len(there))]
    fixes, at_s = [], 0
    for _ in range(4):
        for each in (
            there,
            [fix(each.time_s - START_S, -(180.0 + 1.4 * 5 * n)) for n, each in enumerate(back)],
        ):
            fixes += [step._replace(time_s=step.time_s + at_s) for step in each]
            at_s = fixes[-1].time_s - START_S + 5
    walker = Walker().see(*fixes).wait_until(at_s + 10)
    assert len(approaches(walker)) == 1


def test_reported_speed_and_heading_count_beside_the_way_made() -> None:
    silent, told = Motion(), Motion()
    for _ in range(10):
        silent.add(5, 5.0, 0.0, None, MotionParams())
        told.add(5, 5.0, 0.0, (3.0, 90.0), MotionParams())
    assert silent.speed_mps == pytest.approx(1.0)
    assert told.speed_mps == pytest.approx(2.0)
    assert told.north_mps == pytest.approx(0.0, abs=1e-6)


def test_noise_cancels_out_of_the_speed_but_not_of_the_pace() -> None:
    motion = Motion()
    for number in range(100):
        motion.add(5, 20.0 * (-1) ** number, 0.0, None, MotionParams())
    assert motion.speed_mps < 1.0
    assert motion.pace_mps == pytest.approx(4.0)
    assert motion.straightness < 0.25
    assert Motion.unpack(motion.pack(), 0)[0].pack() == motion.pack()


def test_after_a_gap_the_average_over_it_is_all_that_is_known() -> None:
    motion = Motion()
    motion.add(5, 50.0, 0.0, None, MotionParams())
    motion.add(600, 0.0, 600.0, None, MotionParams())
    assert (motion.east_mps, motion.north_mps) == (0.0, 1.0)


def test_only_who_is_sure_enough_is_told() -> None:
    params = PresenceParams()
    strict = replace(
        params, around=replace(params.around, approach=replace(params.around.approach, min_confidence=0.9))
    )
    walk = track(1.4, -600.0, -50.0)
    assert approaches(Walker(params=strict).see(*walk).wait_until(400)) == []


def test_fences_ahead_are_told_and_those_behind_are_not() -> None:
    walker = Walker(fence("ahead", 700.0), fence("behind", -700.0)).see(*track(1.4, -300.0, 500.0))
    assert {each.fence_id for each in approaches(walker.wait_until(700))} == {"ahead"}
