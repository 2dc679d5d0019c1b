"""The travel detector."""

from datetime import timedelta

from detectors.events import Location
from geo import Position
from tests.detectors.builders import HOME, START, World, a_full_payment, a_settled_world

LISBON = Position(38.72, -9.14, 30.0)
SOON = START + timedelta(minutes=20)


def test_second_purchase_1_700_km_away_after_20_minutes_fires() -> None:
    world = a_settled_world()
    world.pay(a_full_payment())
    evidence = world.found(a_full_payment(event_time=SOON, payer_position=LISBON))["IMPOSSIBLE_TRAVEL"]
    assert evidence.value > 4_000.0
    assert evidence.usual_high == 225.0
    assert evidence.subject == "1714 km"


def test_flight_between_two_payments_a_day_apart_is_silent() -> None:
    world = a_settled_world()
    world.pay(a_full_payment())
    tomorrow = a_full_payment(event_time=START + timedelta(days=1), payer_position=LISBON)
    assert "IMPOSSIBLE_TRAVEL" not in world.found(tomorrow)


def test_rough_position_proves_nothing() -> None:
    world = a_settled_world()
    world.pay(a_full_payment())
    rough = Position(LISBON.lat, LISBON.lon, 2_000_000.0)
    assert "IMPOSSIBLE_TRAVEL" not in world.found(a_full_payment(event_time=SOON, payer_position=rough))


def test_payment_older_than_the_last_position_proves_nothing() -> None:
    world = a_settled_world()
    world.pay(a_full_payment())
    late = a_full_payment(event_time=START - timedelta(minutes=20), payer_position=LISBON)
    assert "IMPOSSIBLE_TRAVEL" not in world.found(late)


def test_nearby_shop_in_the_same_second_is_silent() -> None:
    world = a_settled_world()
    world.pay(a_full_payment())
    assert "IMPOSSIBLE_TRAVEL" not in world.found(a_full_payment(payer_position=Position(50.87, 4.37)))


def a_world_located(location: Location) -> World:
    world = World()
    world.pay(a_full_payment(event_time=START - timedelta(days=2)))
    world.scorer.locate(location, world.users["u-1"], world.population)
    return world


def test_location_event_moves_the_user() -> None:
    world = a_world_located(Location("u-1", LISBON, START))
    found = world.found(a_full_payment(event_time=SOON, payer_position=HOME))
    assert "IMPOSSIBLE_TRAVEL" in found


def test_mocked_rough_or_old_locations_are_not_kept() -> None:
    for location in (
        Location("u-1", LISBON, START, mocked=True),
        Location("u-1", Position(LISBON.lat, LISBON.lon, 900_000.0), START),
        Location("u-1", LISBON, START - timedelta(days=3)),
    ):
        world = a_world_located(location)
        assert "IMPOSSIBLE_TRAVEL" not in world.found(a_full_payment(event_time=SOON))
