"""The merchant detector."""

from datetime import timedelta

from tests.detectors.builders import START, World, a_full_payment


def a_coffee_bar() -> World:
    world = World()
    for number in range(200):
        at = START - timedelta(hours=200 - number)
        world.pay(a_full_payment(user_id=f"u-{number % 20}", event_time=at, amount_minor=350 + number))
    return world


def test_amount_that_the_merchant_never_takes_fires() -> None:
    evidence = a_coffee_bar().found(a_full_payment(amount_minor=40_000))["MERCHANT_AMOUNT_HIGH"]
    assert evidence.usual_high is not None
    assert evidence.usual_high < 50.0


def test_usual_amount_of_the_merchant_is_silent() -> None:
    assert "MERCHANT_AMOUNT_HIGH" not in a_coffee_bar().found(a_full_payment(amount_minor=400))
