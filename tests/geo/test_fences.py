"""The index against a look at every fence with geopy's geodesic."""

from collections.abc import Sequence
from random import Random

import pytest
from geopy.distance import geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import Fence, FenceIndex, Position
from geo.fences import Near

PLACES = (
    (50.85, 4.35),
    (0.0, 0.0),
    (0.0, 180.0),
    (71.2, -179.99),
    (-89.99, 30.0),
    (90.0, 0.0),
    (69.99, 179.9),
)
NOISE = 3e-6
"""How exact distances are, as a share of them."""
seeds = st.integers(0, 1 << 32)


def near_a_place(random: Random, place: tuple[float, float], spread_deg: float) -> Position:
    lat, lon = place[0] + random.gauss(0.0, spread_deg), place[1] + random.gauss(0.0, spread_deg)
    if abs(lat) > 89.0:
        lon = random.uniform(-180.0, 180.0)
    return Position(max(-90.0, min(90.0, lat)), (lon + 540.0) % 360.0 - 180.0)


class Scene:
    """A place with fences around it of sizes that fit, some of which moved or left, and somebody there."""

    def __init__(self, seed: int) -> None:
        # Not drawn value by value: those would mostly be round, and hit no edge of a cell.
        self.random = random = Random(seed)
        self.place, self.spread_deg = random.choice(PLACES), random.choice([0.002, 0.02, 0.3])
        largest_m = min(50_000.0, self.spread_deg * 111_000.0)
        self.fences = [
            Fence(f"f{random.randrange(30)}", self.somewhere(), random.uniform(0.01, 1.0) * largest_m)
            for _ in range(random.randrange(40))
        ]
        self.index = FenceIndex(self.fences)
        for number in random.sample(range(30), 5):
            self.index.remove(f"f{number}")

    def somewhere(self) -> Position:
        return near_a_place(self.random, self.place, self.spread_deg)


def true_m(position: Position, fence: Fence) -> float:
    centre = fence.position
    return float(geodesic((position.lat, position.lon), (centre.lat, centre.lon)).m)


def names(found: Sequence[Near]) -> set[str]:
    return {near.fence.fence_id for near in found}


def differ(index: FenceIndex, position: Position, reach_m: float, found: Sequence[Near]) -> set[str]:
    """The fences that the answer has or lacks wrongly, but for those where a hair decides."""
    wrong = set()
    for fence in index:
        away_m = true_m(position, fence)
        hair_m = NOISE * away_m + 1e-6
        outside_m = away_m - fence.radius_m - reach_m
        if abs(outside_m) > hair_m and (outside_m < 0.0) != (fence.fence_id in names(found)):
            wrong.add(fence.fence_id)
    return wrong


@settings(max_examples=400)
@given(seeds, st.sampled_from([0.0, 0.0, 0.3, 3.0, 300.0]))
def test_fences_near_a_point_are_found_and_no_others(seed: int, reach: float) -> None:
    scene = Scene(seed)
    position, reach_m = scene.somewhere(), reach * scene.spread_deg * 111_000.0

    found = scene.index.near(position, reach_m)

    assert differ(scene.index, position, reach_m, found) == set()
    assert len(names(found)) == len(found)
    assert found == sorted(found, key=lambda near: (near.distance_m, near.fence.fence_id))
    for near in found:
        assert near.distance_m == pytest.approx(true_m(position, near.fence), rel=NOISE, abs=1e-6)


@given(seeds, st.integers(1, 5))
def test_the_nearest_fences_are_found(seed: int, count: int) -> None:
    scene = Scene(seed)
    position = scene.somewhere()

    found = scene.index.nearest(position, count)

    truth = sorted(true_m(position, fence) for fence in scene.index)[:count]
    assert [near.distance_m for near in found] == pytest.approx(truth, rel=NOISE, abs=1e-6)
    assert len(names(found)) == min(count, len(scene.index))


def test_the_nearest_fence_may_be_on_the_other_side_of_the_earth() -> None:
    index = FenceIndex([Fence("far", Position(-50.0, -175.0), 10.0)])
    assert names(index.nearest(Position(50.85, 4.35), 3)) == {"far"}


@given(seeds)
def test_the_order_in_which_fences_came_makes_no_difference(seed: int) -> None:
    scene = Scene(seed)
    fences = list(scene.index)
    shuffled = scene.random.sample(fences, len(fences))
    for position in (scene.somewhere() for _ in range(5)):
        assert scene.index.near(position, 500.0) == FenceIndex(shuffled).near(position, 500.0)


@given(seeds)
def test_what_is_put_in_last_counts_and_what_is_taken_out_leaves_nothing(seed: int) -> None:
    scene = Scene(seed)
    last = {fence.fence_id: fence for fence in scene.fences}
    for fence in list(scene.index):
        assert scene.index.get(fence.fence_id) == last[fence.fence_id]
        scene.index.remove(fence.fence_id)
    assert len(scene.index) == 0
    assert scene.index._grids == {}


@pytest.mark.parametrize(("lat", "lon"), [*PLACES, (0.0, -180.0), (-90.0, 77.0)])
def test_the_centre_of_a_fence_is_in_it(lat: float, lon: float) -> None:
    for radius_m in (0.001, 100.0, 50_000.0):
        position = Position(lat, lon)
        assert names(FenceIndex([Fence("f", position, radius_m)]).near(position)) == {"f"}


def test_east_and_west_of_the_antimeridian_are_one_place() -> None:
    index = FenceIndex([Fence("f", Position(0.0, 180.0), 10.0)])
    for lon in (180.0, -180.0, 179.99995, -179.99995):
        assert names(index.near(Position(0.0, lon))) == {"f"}


@pytest.mark.parametrize("radius_m", [0.0, -1.0, 50_001.0, float("nan"), float("inf")])
def test_a_radius_out_of_range_is_refused(radius_m: float) -> None:
    with pytest.raises(ValueError, match=r"radius_m: .* allowed: >0\.\.50000 metres"):
        Fence("f", Position(0.0, 0.0), radius_m)


def test_a_query_looks_at_what_is_near_and_not_at_the_rest() -> None:
    random = Random(1)
    here = Position(50.85, 4.35)
    crowd = [
        Fence(f"far-{number}", Position(random.uniform(-60.0, 40.0), random.uniform(-180.0, 180.0)), 200.0)
        for number in range(20_000)
    ]
    index = FenceIndex([*crowd, Fence("near", here, 200.0)])
    assert [fence.fence_id for fence in index._around(here, 0.0)] == ["near"]
    assert [fence.fence_id for fence in index._around(here, 1_000.0)] == ["near"]
