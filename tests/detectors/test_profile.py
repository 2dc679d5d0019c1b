"""Profiles: what they hold, how they are packed, how small they are."""

import sys
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.stats import Var

from detectors.moments import learn, learn_amount
from detectors.profile import AMOUNT, MAX_CATEGORIES, MAX_SEEN, EntityProfile, UserProfile
from geo import Position
from tests.detectors.builders import World, a_stream


def test_amount_level_is_that_of_river() -> None:
    user, var = UserProfile(), Var()
    for number in range(50):
        learn_amount(user.norms, AMOUNT, number % 7 / 2.0, 1e9)
        var.update(number % 7 / 2.0)
    assert user.norms[AMOUNT] == 50.0
    assert user.norms[AMOUNT + 1] == pytest.approx(var.mean.get(), rel=1e-5)
    assert user.norms[AMOUNT + 2] == pytest.approx(var.get(), rel=1e-5)


def test_category_statistics_are_those_of_river() -> None:
    user, var = UserProfile(), Var()
    for number in range(20):
        user.learn_category(77, number % 5 * 1.5, 1e9)
        var.update(number % 5 * 1.5)
    at = user.category(77)
    assert tuple(user.norms[at : at + 3]) == pytest.approx((20.0, var.mean.get(), var.get()), rel=1e-5)


def test_values_that_are_not_finite_never_reach_a_statistic() -> None:
    user = UserProfile()
    before = user.pack()
    for poison in (float("nan"), float("inf"), float("-inf")):
        learn_amount(user.norms, AMOUNT, poison, 100.0)
        learn(user.norms, AMOUNT, poison, 100.0)
    assert user.pack() == before


def test_old_amounts_fade_when_the_memory_is_full() -> None:
    user = UserProfile()
    for amount in [1.0] * 500 + [5.0] * 200:
        learn_amount(user.norms, AMOUNT, amount, 50.0)
    assert user.norms[AMOUNT + 1] > 4.9


def test_least_used_category_makes_room() -> None:
    user = UserProfile()
    for key in range(1, MAX_CATEGORIES + 1):
        for _ in range(key + 1):
            user.learn_category(key, 1.0, 100.0)
    user.learn_category(999, 1.0, 100.0)
    assert user.category(999)
    assert not user.category(1)
    assert user.category(2)


def test_what_was_seen_is_bounded_and_the_oldest_leaves() -> None:
    user = UserProfile()
    assert user.saw(1)
    for name in range(2, MAX_SEEN + 2):
        assert user.saw(name)
        assert not user.saw(2)  # stays known because it is seen again and again
    assert len(user.seen) == MAX_SEEN
    assert 1 not in user.seen
    assert 2 in user.seen


def test_home_settles_across_the_antimeridian() -> None:
    user = UserProfile()
    for number in range(40):
        user.learn_home(Position(10.0, 179.9 if number % 2 else -179.9), -1.0, 50.0)
    assert user.home is not None
    assert abs(user.home.lon) > 179.0


def test_older_position_never_replaces_a_newer_one() -> None:
    user = UserProfile()
    user.move(Position(1.0, 2.0), 1_000, 5.0)
    user.move(Position(3.0, 4.0), 999, 5.0)
    assert user.position == Position(1.0, 2.0, 5.0)


def test_low_value_counters_start_again_after_strong_authentication() -> None:
    user = UserProfile()
    user.spent_without_sca(2_000)
    user.spent_without_sca(500)
    assert (user.since_sca_count, user.since_sca_eur_minor) == (2, 2_500)
    user.authenticated()
    assert (user.since_sca_count, user.since_sca_eur_minor) == (0, 0)


def test_first_byte_is_the_schema_version_and_an_unknown_one_is_refused() -> None:
    for profile in (UserProfile(), EntityProfile()):
        packed = profile.pack()
        assert packed[0] == 1
        with pytest.raises(ValueError, match="schema version 9"):
            type(profile).unpack(b"\x09" + packed[1:])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1_000))
def test_packed_and_unpacked_profiles_are_the_same(payments: int, seed: int) -> None:
    world = World()
    for payment in a_stream(payments, seed, users=2):
        world.pay(payment)
    for user in world.users.values():
        user.time_zone, user.since_sca_count, user.early_outcomes = "Europe/Brussels", 3, 1
    again = world.restored()
    assert again.packed() == world.packed()
    assert again.users["u-0" if "u-0" in again.users else "u-1"].time_zone == "Europe/Brussels"


def deep_size(thing: object) -> int:
    """Bytes of the object and what it holds; small integers and empty strings are shared by all."""
    if thing == "" or (isinstance(thing, int) and thing < 257):
        return 0
    slots = getattr(type(thing), "__slots__", ())
    return sys.getsizeof(thing) + sum(deep_size(getattr(thing, slot)) for slot in slots)


def test_median_user_is_small() -> None:
    world = World()
    for payment in a_stream(300, users=6):
        world.pay(payment)
    assert 30 <= median(len(user.velocity) for user in world.users.values()) <= 60
    assert median(len(user.pack()) for user in world.users.values()) <= 1_024
    assert median(deep_size(user) for user in world.users.values()) <= 1_536
