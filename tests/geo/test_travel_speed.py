"""The smallest speed that explains two sightings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo import MIN_GAP_S, Position, distance_km, min_speed_kmh

BRUSSELS = Position(50.8466, 4.3528)
PARIS = Position(48.8566, 2.3522)

positions = st.builds(
    Position, st.floats(-90.0, 90.0), st.floats(-180.0, 180.0), st.none() | st.floats(0.0, 1e6)
)
gaps = st.floats(-1e7, 1e7)


def circle(centre: Position, radius_m: float) -> Position:
    return Position(centre.lat, centre.lon, radius_m)


def test_exact_positions_give_distance_over_time() -> None:
    assert min_speed_kmh(BRUSSELS, PARIS, 3600.0) == pytest.approx(distance_km(BRUSSELS, PARIS))


def test_both_circles_shorten_the_way() -> None:
    speed = min_speed_kmh(circle(BRUSSELS, 4_000.0), circle(PARIS, 10_000.0), 3600.0)
    assert speed == pytest.approx(distance_km(BRUSSELS, PARIS) - 14.0)


def test_circles_that_touch_need_no_speed() -> None:
    assert min_speed_kmh(circle(BRUSSELS, 300_000.0), PARIS, 0.0) == 0.0


def test_a_gap_below_a_minute_counts_as_a_minute() -> None:
    a_minute = min_speed_kmh(BRUSSELS, PARIS, MIN_GAP_S)
    assert min_speed_kmh(BRUSSELS, PARIS, 0.0) == a_minute
    assert min_speed_kmh(BRUSSELS, PARIS, 59.0) == a_minute
    assert min_speed_kmh(BRUSSELS, PARIS, 61.0) < a_minute


def test_two_fixes_of_one_second_nearby_are_no_rocket() -> None:
    nearby = Position(BRUSSELS.lat + 0.01, BRUSSELS.lon)
    assert min_speed_kmh(BRUSSELS, nearby, 1.0) < 100.0


@given(positions, positions, gaps)
def test_speed_is_finite_never_negative_and_the_same_both_ways(
    a: Position, b: Position, gap_s: float
) -> None:
    speed = min_speed_kmh(a, b, gap_s)
    assert 0.0 <= speed < 2e6
    assert speed == min_speed_kmh(b, a, -gap_s)


@given(positions, positions, gaps, st.floats(0.0, 1e6))
def test_a_less_accurate_position_never_needs_more_speed(
    a: Position, b: Position, gap_s: float, extra_m: float
) -> None:
    blurred = circle(a, (a.accuracy_m or 0.0) + extra_m)
    assert min_speed_kmh(blurred, b, gap_s) <= min_speed_kmh(a, b, gap_s)
