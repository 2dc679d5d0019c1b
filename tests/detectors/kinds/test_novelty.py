"""The novelty detector."""

from datetime import timedelta

from tests.detectors.builders import START, World, a_full_payment, a_settled_world


def test_new_device_of_a_user_who_always_used_one_fires() -> None:
    evidence = a_settled_world().found(a_full_payment(device_id="d-9"))["NEW_DEVICE"]
    assert evidence.subject == "d-9"
    assert evidence.surprise > 1.0


def test_known_things_are_silent() -> None:
    assert not any(code.startswith("NEW_") for code in a_settled_world().found(a_full_payment()))


def test_new_merchant_of_a_user_who_always_tries_new_ones_surprises_less() -> None:
    steady, curious = a_settled_world(), World()
    for number in range(120):
        at = START - timedelta(hours=6 * (120 - number))
        curious.pay(a_full_payment(event_time=at, merchant_id=f"m-{number}"))
    new = a_full_payment(merchant_id="m-999")
    assert "NEW_MERCHANT" in steady.found(new)
    assert "NEW_MERCHANT" not in curious.found(new)


def test_everything_is_new_to_a_new_user_and_nothing_surprises() -> None:
    assert not any(code.startswith("NEW_") for code in World().found(a_full_payment()))


def test_several_new_things_surprise_more_than_one() -> None:
    world = a_settled_world()
    one = world.assess(a_full_payment(device_id="d-9"))
    many = world.assess(a_full_payment(device_id="d-9", merchant_country="BR", merchant_id="m-9"))
    assert many.raw_score > one.raw_score
