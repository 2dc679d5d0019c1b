"""The merchants that a user knows, as fences: the same as the directory's, less all others."""

from datetime import UTC, datetime
from random import Random

import pytest

from alerting.proximity.own_merchants import OwnMerchants
from detectors.directory import MerchantDirectory
from detectors.events import Merchant
from detectors.habits.places import merchant_token
from geo import Position
from tests.geo.fixes_made import place

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CORNERS = (Position(50.85, 4.35), Position(-17.0, 179.999), Position(89.99, 10.0), Position(0.0, 0.0))


def directory(corner: Position, dice: Random) -> MerchantDirectory:
    made = MerchantDirectory()
    for number in range(60):
        at = place(dice.uniform(-900, 900), dice.uniform(-900, 900), corner)
        radius_m = dice.choice((20.0, 100.0, 400.0))
        made.put(Merchant(f"m/{number}", NOW, position=at, radius_m=radius_m))
    made.put(Merchant("online", NOW))
    return made


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("seed", range(4))
def test_near_are_those_of_the_directory_that_are_the_users(corner: Position, seed: int) -> None:
    dice = Random(seed)
    merchants = directory(corner, dice)
    names = [*dice.sample([f"m/{number}" for number in range(60)], 20), "online", "gone"]
    own = OwnMerchants(merchants, "default", [merchant_token(name) for name in names])
    for _ in range(50):
        here = place(dice.uniform(-900, 900), dice.uniform(-900, 900), corner)
        reach_m = dice.choice((0.0, 50.0, 300.0))
        expected = {n.fence.merchant_id for n in merchants.near("default", here, reach_m)} & set(names)
        found = own.near(here, reach_m)
        assert {near.fence.merchant_id for near in found} == expected
        assert [n.distance_m for n in found] == sorted(n.distance_m for n in found)


def test_only_the_users_own_are_in_it_and_of_those_only_what_has_a_place() -> None:
    merchants = directory(CORNERS[0], Random(1))
    own = OwnMerchants(merchants, "default", [merchant_token("m/1"), merchant_token("online")])
    assert ("m/1" in own, "m/2" in own, "online" in own) == (True, False, True)
    assert [own.get(name) is not None for name in ("m/1", "m/2", "online", "gone")] == [True, *[False] * 3]


def test_of_another_tenant_nothing_is_seen() -> None:
    own = OwnMerchants(directory(CORNERS[0], Random(1)), "other", [merchant_token("m/1")])
    assert own.get("m/1") is None
    assert own.near(CORNERS[0], 5_000.0) == []
