"""The pace detector: the user's own counts and sums."""

from datetime import timedelta

from detectors.events import PaymentType
from tests.detectors.builders import START, World, a_full_payment, a_settled_world


def after_rapid_payments(count: int, amount_minor: int = 2_500) -> World:
    world = a_settled_world(payments=60, every=timedelta(hours=24))
    for number in range(count):
        at = START - timedelta(minutes=count - number)
        payment = a_full_payment(event_time=at, amount_minor=amount_minor)
        subjects = world.subjects(payment)
        world.scorer.observe(payment, subjects, world.scorer.assess(payment, subjects))
    return world


def test_eight_payments_in_ten_minutes_of_a_once_a_day_user_fire() -> None:
    evidence = after_rapid_payments(8).found(a_full_payment())["VELOCITY_COUNT"]
    assert evidence.value >= 9.0
    assert evidence.unit.startswith("payments/")
    assert evidence.surprise > 3.0


def test_daily_payment_is_silent() -> None:
    found = after_rapid_payments(0).found(a_full_payment())
    assert "VELOCITY_COUNT" not in found
    assert "VELOCITY_SUM" not in found


def test_spending_ten_times_the_usual_in_a_day_fires_on_the_sum() -> None:
    world = after_rapid_payments(1, amount_minor=60_000)
    assert world.found(a_full_payment(amount_minor=60_000))["VELOCITY_SUM"].value >= 1_200.0


def test_refund_is_never_a_matter_of_pace() -> None:
    world = after_rapid_payments(8)
    assert not world.found(a_full_payment(payment_type=PaymentType.REFUND)).keys() & {
        "VELOCITY_COUNT",
        "VELOCITY_SUM",
    }
