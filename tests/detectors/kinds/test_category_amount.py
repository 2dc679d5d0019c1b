"""The category-amount detector."""

from datetime import timedelta

from tests.detectors.builders import START, World, a_full_payment


def a_world_with_two_categories() -> World:
    """Every user buys bread for about 5 and travels for about 500."""
    world = World()
    for number in range(240):
        travels = number % 4 == 0
        world.pay(
            a_full_payment(
                user_id=f"u-{number % 3}",
                event_time=START - timedelta(hours=3 * (240 - number)),
                mcc="4511" if travels else "5462",
                merchant_id="m-air" if travels else "m-bread",
                amount_minor=(50_000 if travels else 500) + 7 * number,
            )
        )
    return world


def test_amount_that_is_usual_for_a_flight_fires_at_the_baker() -> None:
    world = a_world_with_two_categories()
    bread = a_full_payment(mcc="5462", merchant_id="m-bread", amount_minor=50_000)
    flight = a_full_payment(mcc="4511", merchant_id="m-air", amount_minor=50_000)
    evidence = world.found(bread)["CATEGORY_AMOUNT_HIGH"]
    assert evidence.subject == "5462"
    assert "CATEGORY_AMOUNT_HIGH" not in world.found(flight)


def test_payment_without_a_category_is_silent() -> None:
    world = a_world_with_two_categories()
    assert "CATEGORY_AMOUNT_HIGH" not in world.found(a_full_payment(mcc=None, amount_minor=9_000_000))
