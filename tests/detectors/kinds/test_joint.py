"""The joint detector."""

from detectors.joint_model import WINDOW
from tests.detectors.builders import World, a_full_payment, a_stream


def test_unusual_combination_is_reported_once_the_model_knows_enough() -> None:
    world = World()
    for payment in a_stream(2 * WINDOW):
        world.pay(payment)
    odd = a_full_payment(
        user_id="u-1",
        amount_minor=5_000_000,
        event_time=a_stream(2 * WINDOW)[-1].event_time,
        merchant_id="m-new",
        device_id="d-new",
        merchant_country="BR",
    )
    assert "JOINT_UNUSUAL" in world.found(odd)
