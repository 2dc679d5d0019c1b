"""Distances and bearings against geopy's geodesic."""

import pytest
from geopy.distance import geodesic
from hypothesis import example, given
from hypothesis import strategies as st

from geo import Position, bearing_deg, distance_km

latitudes = st.floats(-90.0, 90.0)
longitudes = st.floats(-180.0, 180.0)
positions = st.builds(Position, latitudes, longitudes)
nudges = st.floats(-0.4, 0.4)

NORTH_POLE = Position(90.0, 0.0)
SOUTH_POLE = Position(-90.0, 0.0)


def geodesic_km(a: Position, b: Position) -> float:
    return float(geodesic((a.lat, a.lon), (b.lat, b.lon)).km)


def nudged(a: Position, d_lat: float, d_lon: float) -> Position:
    lon = a.lon + d_lon
    return Position(max(-90.0, min(90.0, a.lat + d_lat)), (lon + 540.0) % 360.0 - 180.0)


@given(positions, positions)
@example(NORTH_POLE, SOUTH_POLE)
@example(Position(0.0, 0.0), Position(0.0, 180.0))
@example(Position(0.1, 0.0), Position(-0.1, 180.0))
@example(Position(20.0, 30.0), Position(-19.7, -150.3))
def test_distance_is_within_the_stated_bound_anywhere(a: Position, b: Position) -> None:
    truth = geodesic_km(a, b)
    bound = 3e-6 if truth <= 10_000.0 else 2e-3
    assert distance_km(a, b) == pytest.approx(truth, rel=bound, abs=1e-6)


@given(positions, nudges, nudges)
@example(Position(69.99, 0.0), 0.249, 0.249)
@example(Position(89.9999, 0.0), 0.0, 0.2)
@example(Position(10.0, 179.9), 0.0, 0.2)
def test_distance_of_neighbours_is_within_the_stated_bound(a: Position, d_lat: float, d_lon: float) -> None:
    b = nudged(a, d_lat, d_lon)
    assert distance_km(a, b) == pytest.approx(geodesic_km(a, b), rel=3e-6, abs=1e-6)


@given(positions, positions)
def test_distance_is_the_same_both_ways(a: Position, b: Position) -> None:
    assert distance_km(a, b) == distance_km(b, a)


@given(positions)
def test_distance_to_itself_is_zero(a: Position) -> None:
    assert distance_km(a, a) == 0.0


@given(latitudes, st.floats(-0.2, 0.2))
def test_crossing_the_antimeridian_makes_no_difference(lat: float, east: float) -> None:
    west, across = Position(lat, 179.9), nudged(Position(lat, 179.9), 0.0, east)
    moved_west, moved_across = Position(lat, 0.0), nudged(Position(lat, 0.0), 0.0, east)
    assert distance_km(west, across) == pytest.approx(
        distance_km(moved_west, moved_across), rel=3e-6, abs=1e-9
    )


@given(longitudes, longitudes)
def test_all_longitudes_meet_at_a_pole(one: float, other: float) -> None:
    assert distance_km(Position(90.0, one), Position(90.0, other)) < 1e-6


@pytest.mark.parametrize(
    ("target", "degrees"),
    [
        (Position(1.0, 10.0), 0.0),
        (Position(0.0, 11.0), 90.0),
        (Position(-1.0, 10.0), 180.0),
        (Position(0.0, 9.0), 270.0),
        (Position(0.0, 10.0), 0.0),
    ],
)
def test_bearing_follows_the_compass(target: Position, degrees: float) -> None:
    assert bearing_deg(Position(0.0, 10.0), target) == pytest.approx(degrees)


def test_bearing_crosses_the_antimeridian_the_short_way() -> None:
    assert bearing_deg(Position(0.0, 179.5), Position(0.0, -179.5)) == pytest.approx(90.0)
    assert bearing_deg(Position(0.0, -179.5), Position(0.0, 179.5)) == pytest.approx(270.0)


def test_everything_is_south_of_the_north_pole() -> None:
    assert bearing_deg(NORTH_POLE, Position(50.0, 0.0)) == pytest.approx(180.0)


@given(positions, positions)
def test_bearing_is_always_a_direction(a: Position, b: Position) -> None:
    assert 0.0 <= bearing_deg(a, b) < 360.0


@given(
    st.builds(Position, st.floats(-84.0, 84.0), longitudes),
    st.floats(0.0, 360.0),
    st.floats(1.0, 999.0),
)
def test_bearing_is_close_to_the_azimuth_of_the_geodesic(a: Position, azimuth: float, km: float) -> None:
    goal = geodesic(kilometers=km).destination((a.lat, a.lon), bearing=azimuth)
    turned = bearing_deg(a, Position(goal.latitude, (goal.longitude + 540.0) % 360.0 - 180.0)) - azimuth
    assert abs((turned + 180.0) % 360.0 - 180.0) < 0.3
