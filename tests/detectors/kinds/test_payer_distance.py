"""The payer-distance detector."""

from typing import Any

from detectors.events import Channel, EntryMode
from geo import Position
from tests.detectors.builders import World, a_full_payment, a_settled_world

FAR = Position(41.0, 12.0)


def test_merchant_far_from_where_the_payer_is_fires() -> None:
    evidence = a_settled_world().found(a_full_payment(merchant_position=FAR))["FAR_FROM_PAYER"]
    assert evidence.value > 1_000.0
    assert evidence.usual_high is not None
    assert evidence.usual_high < 100.0


def test_usual_distance_is_silent() -> None:
    assert "FAR_FROM_PAYER" not in a_settled_world().found(a_full_payment())


def test_card_read_far_from_home_fires_without_a_reported_position() -> None:
    at_counter: dict[str, Any] = {
        "payer_position": None,
        "channel": Channel.POS,
        "entry_mode": EntryMode.CHIP,
    }
    world = a_settled_world(**at_counter)
    assert "FAR_FROM_HOME" not in world.found(a_full_payment(**at_counter))
    assert "FAR_FROM_HOME" in world.found(a_full_payment(merchant_position=FAR, **at_counter))


def test_unknown_places_are_silent() -> None:
    found = World().found(a_full_payment(payer_position=None, channel=Channel.ECOMMERCE, entry_mode=None))
    assert not found.keys() & {"FAR_FROM_PAYER", "FAR_FROM_HOME"}
