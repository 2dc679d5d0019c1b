"""Chances that have not ended."""

from array import array
from random import Random

import pytest

from detectors.habits.chances import MAX_OPEN, OpenChance, OpenChances
from detectors.habits.intent import SIZE, Basis, Chance


def chance(token: int, until_s: int, alerted: bool = False) -> OpenChance:
    features = array("f", [token / 7.0] * SIZE)
    return OpenChance(token, until_s, Chance(Basis(token % 2), features), alerted)


def opened(*chances: OpenChance) -> OpenChances:
    found = OpenChances()
    for each in chances:
        assert found.open(each) is None
    return found


def test_what_ends_first_is_due_first() -> None:
    assert opened(chance(1, 300), chance(2, 100), chance(3, 200)).due_s == 100
    assert OpenChances().due_s is None


def test_ended_chances_are_given_once_in_order() -> None:
    found = opened(chance(1, 300), chance(2, 100), chance(3, 200))
    assert [each.token for each in found.ended(200)] == [2, 3]
    assert found.ended(200) == []
    assert len(found) == 1


def test_new_chance_at_a_place_takes_the_old_ones_place() -> None:
    found = opened(chance(1, 300), chance(1, 400, alerted=True))
    assert len(found) == 1
    assert found.take(1) == chance(1, 400, alerted=True)
    assert found.take(1) is None


def test_of_too_many_the_first_to_end_makes_room() -> None:
    found = opened(*(chance(token, 100 + token) for token in range(MAX_OPEN)))
    assert found.open(chance(99, 500)) == chance(0, 100)
    assert len(found) == MAX_OPEN


@pytest.mark.parametrize("seed", range(6))
def test_packed_and_unpacked_they_are_the_same(seed: int) -> None:
    dice = Random(seed)
    found = OpenChances()
    for _ in range(30):
        found.open(chance(dice.randrange(20), dice.randrange(1_000), dice.random() < 0.5))
    again = OpenChances.unpack(found.pack())
    assert again.pack() == found.pack()
    assert again.ended(2_000) == found.ended(2_000)
