"""A payment in a currency without a rate: its amount is compared with nothing and taught to nobody."""

from datetime import timedelta

import pytest

from detectors.features import NAMES
from detectors.joint_model import WINDOW
from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.population import CATEGORY_WITHIN, WITHIN
from detectors.profile import AMOUNT, CATEGORIES, GAP
from tests.detectors.builders import START, World, a_full_payment, a_settled_world, a_stream

AMOUNT_CODES = {
    "AMOUNT_HIGH",
    "CATEGORY_AMOUNT_HIGH",
    "MERCHANT_AMOUNT_HIGH",
    "VELOCITY_SUM",
    "JOINT_UNUSUAL",
}
HUGE = 10**13


@pytest.fixture(scope="module")
def world() -> World:
    made = a_settled_world()
    for payment in a_stream(WINDOW):
        made.pay(payment)
    return made


def test_no_detector_speaks_of_its_amount(world: World) -> None:
    assert world.found(a_full_payment(amount_minor=HUGE)).keys() & AMOUNT_CODES
    unrated = a_full_payment(amount_minor=HUGE, currency="KWD", device_id="d-new")
    assert not world.found(unrated).keys() & AMOUNT_CODES
    features = dict(zip(NAMES, world.assess(unrated).features, strict=True))
    assert features["amount"] == HUGE / 1_000
    assert features["amount_ref"] == -1.0
    assert features["amount_z"] == features["category_amount_z"] == features["joint_score"] == 0.0


def test_it_counts_and_adds_nothing_to_sums() -> None:
    world = a_settled_world(payments=3)
    world.pay(a_full_payment(event_time=START - timedelta(minutes=1), currency="KWD"))
    features = dict(zip(NAMES, world.assess(a_full_payment(currency="KWD")).features, strict=True))
    assert features["user_count_1h"] == 2.0
    assert features["user_sum_1h"] == features["card_sum_1h"] == features["device_sum_1h"] == 0.0


def test_it_teaches_no_amount_but_all_else() -> None:
    world = a_settled_world()
    user, shared = world.users["u-1"], world.population.norms

    def levels() -> list[list[float]]:
        own = [list(entity.norms) for entity in world.entities.values()]
        return [
            *own,
            list(user.norms[AMOUNT:GAP]),
            user.norms[CATEGORIES:].tolist(),
            *(shared[at : at + 3] for at in (ALL_AMOUNT, WITHIN, CATEGORY_WITHIN)),
        ]

    before, seen, joint = levels(), len(user.seen), world.joint.dirty_parts()
    assert joint
    world.pay(a_full_payment(currency="KWD", merchant_country="KW"))
    assert levels() == before
    assert world.joint.dirty_parts() == []
    assert len(user.seen) == seen + 1
