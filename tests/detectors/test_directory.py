"""The merchant directory against a list of all that was said, with geopy's geodesic as the measure."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from geopy.distance import geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.directory import DirectoryParams, KnownMerchant, MerchantDirectory, PlacedMerchant
from detectors.events import Merchant
from detectors.merchant_row import pack_merchant, unpack_merchant
from geo import Enter, Fix, Position, Presence, distance_km

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BRUSSELS = Position(50.8466, 4.3528)
PLACES = ((50.85, 4.35), (0.0, 180.0), (71.2, -179.99), (-89.999, 30.0), (90.0, 0.0))
TENANTS = ("a", "b", "c")
DEFAULT_M = 150.0
HAIR_M = 0.05
"""Places are kept to a centimetre, and distances are a little less exact than geopy's."""
seeds = st.integers(0, 1 << 32)


def shop(number: int = 1, hour: int = 0, **changes: object) -> Merchant:
    made = Merchant(f"m-{number}", NOON + timedelta(hours=hour), position=BRUSSELS, radius_m=50.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def heard(*events: Merchant) -> MerchantDirectory:
    directory = MerchantDirectory(DirectoryParams(DEFAULT_M))
    for event in events:
        directory.put(event)
    return directory


def ids(directory: MerchantDirectory, tenant: str = "default", reach_m: float = 0.0) -> list[str]:
    return [near.fence.merchant_id for near in directory.near(tenant, BRUSSELS, reach_m)]


def test_a_merchant_is_known_as_it_was_told() -> None:
    event = shop(
        name="Boulangerie \u00c9toile",
        mcc="0742",
        country="BE",
        chain_id="chain-1",
        opening_hours="Mo-Fr 09:00-18:00; PH off",
        time_zone="Europe/Brussels",
    )
    known = heard(event).get("default", "m-1")
    assert isinstance(known, PlacedMerchant)
    assert (known.name, known.mcc, known.country, known.chain_id) == (event.name, "0742", "BE", "chain-1")
    assert (known.position, known.radius_m) == (event.position, 50.0)
    assert known.is_open(datetime(2026, 3, 2, 8, 30, tzinfo=UTC)) is True
    assert known.is_open(datetime(2026, 3, 2, 7, 30, tzinfo=UTC)) is False


def test_nobody_can_say_whether_it_is_open_without_hours_or_a_zone() -> None:
    directory = heard(shop(1), shop(2, opening_hours="24/7"), shop(3, time_zone="Europe/Brussels"))
    merchants = [directory.get("default", f"m-{number}") for number in (1, 2, 3)]
    assert [m and m.is_open(NOON) for m in merchants] == [None, None, None]
    assert [m and m.is_open(NOON, "UTC") for m in merchants] == [None, True, None]


def test_its_own_zone_counts_before_that_of_who_asks() -> None:
    known = heard(shop(opening_hours="12:00-13:00", time_zone="UTC")).get("default", "m-1")
    assert known is not None
    assert known.is_open(NOON, "Asia/Tokyo") is True


def test_what_nobody_understands_is_left_out_and_the_rest_is_known() -> None:
    known = heard(shop(opening_hours="9 to 5", time_zone="Mars/Olympus", name="")).get("default", "m-1")
    assert known is not None
    assert (known.opening_hours, known.time_zone, known.name) == (None, None, None)


def test_hours_that_only_another_release_understood_are_unknown() -> None:
    (known,) = heard(shop(opening_hours="24/7", time_zone="UTC")).merchants("default")
    assert replace(known, hours_text="9 to 5").is_open(NOON) is None


def test_a_later_entry_replaces_all_of_an_earlier_one() -> None:
    directory = heard(shop(name="Old", mcc="5411"), shop(hour=1, name="New"))
    (known,) = directory.merchants("default")
    assert (known.name, known.mcc) == ("New", None)


def test_an_older_entry_changes_nothing_and_gives_no_row() -> None:
    directory = heard(shop(hour=1, name="New"))
    assert directory.put(shop(name="Old")) is None
    assert [m.name for m in directory.merchants("default")] == ["New"]


def test_a_closed_merchant_is_gone_and_an_older_entry_does_not_bring_it_back() -> None:
    directory = heard(shop(), shop(hour=2, closed=True))
    for late in (None, shop(hour=1)):
        if late is not None:
            directory.put(late)
        assert directory.get("default", "m-1") is None
        assert (ids(directory), len(directory)) == ([], 0)
    directory.put(shop(hour=3))
    assert ids(directory) == ["m-1"]


def test_a_merchant_without_a_place_is_known_but_near_nobody() -> None:
    directory = heard(shop(position=None))
    known = directory.get("default", "m-1")
    assert isinstance(known, KnownMerchant)
    assert not isinstance(known, PlacedMerchant)
    assert ids(directory, reach_m=10_000_000.0) == []
    directory.put(shop(hour=1))
    assert (ids(directory), len(directory)) == (["m-1"], 1)
    directory.put(shop(hour=2, position=None))
    assert (ids(directory), len(directory)) == ([], 1)


def test_a_radius_that_is_not_said_is_the_default() -> None:
    directory = heard(shop(1, radius_m=None), shop(2), shop(3, radius_m=1e-30), shop(4, radius_m=50_000.0))
    radii = [near.fence.radius_m for near in directory.near("default", BRUSSELS)]
    assert sorted(radii) == pytest.approx([0.01, 50.0, DEFAULT_M, 50_000.0])


@pytest.mark.parametrize("radius_m", [0.0, -1.0, 50_001.0, float("nan")])
def test_a_default_radius_out_of_range_is_refused(radius_m: float) -> None:
    with pytest.raises(ValueError, match=r"radius_m: .* allowed: >0\.\.50000 metres"):
        DirectoryParams(radius_m)


def test_a_chain_has_its_branches_nearby() -> None:
    far = Position(51.2, 4.4)
    directory = heard(
        shop(1, chain_id="x"), shop(2, chain_id="y"), shop(3, chain_id="x", position=far), shop(4)
    )
    branches = directory.near_of_chain("default", "x", BRUSSELS, 1_000.0)
    assert [near.fence.merchant_id for near in branches] == ["m-1"]
    assert [near.fence.merchant_id for near in directory.nearest("default", far, 1)] == ["m-3"]


def test_a_user_is_followed_along_the_merchants_of_a_tenant_and_no_others() -> None:
    directory = heard(shop(1, tenant="a"), shop(2, tenant="a", position=None), shop(3, tenant="b"))
    for tenant, entered in (("a", ["m-1"]), ("b", ["m-3"]), ("c", [])):
        user, transitions = Presence(), []
        for time_s in range(1_000_000, 1_000_200, 20):
            transitions += user.see(Fix(Position(50.8467, 4.3529, 10.0), time_s), directory.fences(tenant))
        assert [each.fence_id for each in transitions if isinstance(each, Enter)] == entered


def test_tenants_know_nothing_of_each_other() -> None:
    directory = heard(
        shop(tenant="a", name="A"), shop(tenant="b", name="B"), shop(hour=1, tenant="b", closed=True)
    )
    assert (ids(directory, "a"), ids(directory, "b"), ids(directory)) == (["m-1"], [], [])
    assert directory.get("b", "m-1") is None


def test_a_row_of_another_version_is_refused() -> None:
    row = pack_merchant(shop())
    with pytest.raises(ValueError, match="a merchant: schema version 9 is unknown; allowed: 1"):
        unpack_merchant("m-1", b"\x09" + row[1:], DEFAULT_M)


def test_what_merchants_share_is_in_memory_once() -> None:
    said: dict[str, Any] = {
        "country": "BE",
        "mcc": "5411",
        "chain_id": "x" * 9,
        "opening_hours": "24/7",
        "time_zone": "UTC",
    }
    a, b = heard(shop(1, **said), shop(2, **said)).merchants("default")
    shared = ("country", "mcc", "chain_id", "hours_text", "time_zone")
    assert all(getattr(a, name) is getattr(b, name) for name in shared)


class Town:
    """Merchants of several tenants around a place, some of which moved, closed, or were heard of late."""

    def __init__(self, seed: int) -> None:
        # Not drawn value by value: those would mostly be round, and hit no edge of a cell.
        self.random = random = Random(seed)
        self.place, self.spread_deg = random.choice(PLACES), random.choice([0.002, 0.02])
        self.events = [self.event(number) for number in range(random.randrange(1, 60))]
        self.directory = MerchantDirectory(DirectoryParams(DEFAULT_M))
        self.rows: dict[tuple[str, str], bytes] = {}
        for event in self.events:
            row = self.directory.put(event)
            if row is not None:
                self.rows[event.tenant, event.merchant_id] = row

    def somewhere(self) -> Position:
        lat, lon = (at + self.random.gauss(0.0, self.spread_deg) for at in self.place)
        if abs(lat) > 89.0:
            lon = self.random.uniform(-180.0, 180.0)
        return Position(max(-90.0, min(90.0, lat)), (lon + 540.0) % 360.0 - 180.0)

    def event(self, number: int) -> Merchant:
        random = self.random
        return Merchant(
            f"m-{random.randrange(12)}",
            # No two at one time: of those a log holds one.
            NOON + timedelta(minutes=random.randrange(1_000), microseconds=number),
            tenant=random.choice(TENANTS),
            name=random.choice([None, "Caf\u00e9"]),
            position=None if random.random() < 0.1 else self.somewhere(),
            radius_m=random.choice([None, random.uniform(1.0, 1_000.0)]),
            chain_id=random.choice([None, "x", "y"]),
            closed=random.random() < 0.15,
        )

    def latest(self, tenant: str) -> list[Merchant]:
        """By brute force: of each merchant what was said at the latest time, unless it closed."""
        latest: dict[str, Merchant] = {}
        for event in sorted(self.events, key=lambda event: event.event_time):
            if event.tenant == tenant:
                latest[event.merchant_id] = event
        return [event for event in latest.values() if not event.closed]


@settings(max_examples=150)
@given(seeds)
def test_near_are_those_that_the_latest_entries_place_there(seed: int) -> None:
    town = Town(seed)
    position, tenant = town.somewhere(), town.random.choice(TENANTS)
    reach_m = town.random.choice([0.0, 0.0, 300.0, 3_000.0])
    wanted, unsure = set(), set()
    for event in town.latest(tenant):
        if event.position is not None:
            place = event.position
            away_m = geodesic((position.lat, position.lon), (place.lat, place.lon)).m
            outside_m = away_m - (event.radius_m or DEFAULT_M) - reach_m
            if abs(outside_m) < HAIR_M:
                unsure.add(event.merchant_id)
            elif outside_m < 0.0:
                wanted.add(event.merchant_id)
    found = town.directory.near(tenant, position, reach_m)
    names = [near.fence.merchant_id for near in found]
    assert set(names) - unsure == wanted
    assert len(set(names)) == len(names)
    for chain in ("x", "y"):
        branches = town.directory.near_of_chain(tenant, chain, position, reach_m)
        assert branches == [near for near in found if near.fence.chain_id == chain]


@given(seeds)
def test_known_are_the_latest_entries(seed: int) -> None:
    town = Town(seed)
    for tenant in TENANTS:
        latest = {event.merchant_id: event for event in town.latest(tenant)}
        assert {m.merchant_id for m in town.directory.merchants(tenant)} == latest.keys()
        for number in range(12):
            known, event = town.directory.get(tenant, f"m-{number}"), latest.get(f"m-{number}")
            assert (known is None) == (event is None)
            if known is not None and event is not None:
                assert (known.name, known.chain_id) == (event.name, event.chain_id)
                assert isinstance(known, PlacedMerchant) == (event.position is not None)
            if isinstance(known, PlacedMerchant) and event is not None and event.position is not None:
                assert 1e3 * distance_km(known.position, event.position) < 0.01
    assert len(town.directory) == sum(len(town.latest(tenant)) for tenant in TENANTS)


@given(seeds)
def test_the_order_in_which_entries_come_makes_no_difference(seed: int) -> None:
    town = Town(seed)
    other = heard(*town.random.sample(town.events, len(town.events)))
    assert everything(other) == everything(town.directory)


@given(seeds)
def test_what_is_loaded_equals_what_was_heard_to_the_bit(seed: int) -> None:
    town = Town(seed)
    loaded = MerchantDirectory(DirectoryParams(DEFAULT_M))
    for (tenant, merchant_id), row in town.rows.items():
        loaded.load(tenant, merchant_id, row)
    assert everything(loaded) == everything(town.directory)
    # What was closed is not forgotten either.
    for event in town.events:
        assert loaded.put(event) == town.directory.put(event)


def everything(directory: MerchantDirectory) -> list[tuple[object, ...]]:
    """All that is known, in the order of tenants and ids."""
    found = [
        (tenant, *(getattr(merchant, field.name) for field in fields(merchant)))
        for tenant in TENANTS
        for merchant in directory.merchants(tenant)
    ]
    return sorted(found, key=lambda row: (row[0], row[1]))
