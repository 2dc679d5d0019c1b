"""The amount detector."""

from tests.detectors.builders import World, a_full_payment, a_settled_world


def test_amount_far_above_the_users_level_fires_with_the_usual_range() -> None:
    evidence = a_settled_world().found(a_full_payment(amount_minor=300_000))["AMOUNT_HIGH"]
    assert evidence.value == 3_000.0
    assert evidence.unit == "EUR"
    assert evidence.usual_low is not None
    assert evidence.usual_high is not None
    assert 5.0 < evidence.usual_low < 25.0 < evidence.usual_high < 150.0


def test_usual_amount_is_silent() -> None:
    assert "AMOUNT_HIGH" not in a_settled_world().found(a_full_payment())


def test_same_amount_surprises_more_when_the_user_spends_little() -> None:
    big = a_full_payment(amount_minor=20_000)
    modest, lavish = a_settled_world(), a_settled_world(amount_minor=15_000)
    assert modest.assess(big).score > lavish.assess(big).score


def test_unseen_user_is_held_against_the_population() -> None:
    world = World()
    assert "AMOUNT_HIGH" not in world.found(a_full_payment(amount_minor=4_000))
    assert "AMOUNT_HIGH" in world.found(a_full_payment(amount_minor=50_000_000))
