"""The burst detector: cards, devices and merchants."""

from datetime import timedelta

from detectors.events import PaymentType
from tests.detectors.builders import START, World, a_full_payment, a_settled_world


def test_card_tested_under_many_users_fires_on_the_card() -> None:
    world = a_settled_world(payments=30, every=timedelta(hours=24))
    for number in range(12):
        at = START - timedelta(seconds=20 * (12 - number))
        world.pay(
            a_full_payment(user_id=f"x-{number}", device_id=None, event_time=at, merchant_id=f"s-{number}")
        )
    assert world.found(a_full_payment(device_id=None, merchant_id="s-99"))["CARD_BURST"].value >= 12.0


def test_device_that_pays_for_many_users_is_shared() -> None:
    world = World()
    for number in range(25):
        at = START - timedelta(days=25 - number)
        world.pay(a_full_payment(user_id=f"x-{number}", card_token=f"c-{number}", event_time=at))
    evidence = world.found(a_full_payment(user_id="x-99", card_token="c-99"))["DEVICE_SHARED"]
    assert evidence.value > 15.0


def test_new_merchant_with_sudden_volume_fires() -> None:
    world = World()
    for number in range(60):
        at = START - timedelta(seconds=10 * (60 - number))
        world.pay(a_full_payment(user_id=f"x-{number}", card_token=None, device_id=None, event_time=at))
    assert "MERCHANT_BURST" in world.found(a_full_payment(user_id="x-99", card_token=None, device_id=None))


def test_busy_merchant_at_its_usual_volume_is_silent() -> None:
    world = World()
    for number in range(600):
        at = START - timedelta(minutes=10 * (600 - number))
        world.pay(a_full_payment(user_id=f"x-{number % 50}", card_token=None, device_id=None, event_time=at))
    assert "MERCHANT_BURST" not in world.found(a_full_payment(user_id="x-3", card_token=None, device_id=None))


def test_users_own_rapid_payments_are_left_to_the_pace_detector() -> None:
    world = a_settled_world(payments=30, every=timedelta(hours=24))
    for number in range(8):
        at = START - timedelta(minutes=8 - number)
        world.pay(a_full_payment(event_time=at, payment_type=PaymentType.PURCHASE, merchant_id=f"s-{number}"))
    assert "CARD_BURST" not in world.found(a_full_payment(merchant_id="s-99"))
