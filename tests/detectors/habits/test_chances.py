"""Chances that have not ended."""

from array import array
from random import Random

import pytest

from detectors.habits.chances import MAX_OPEN, OpenChance, OpenChances, Phase
from detectors.habits.intent import SIZE, Basis, Chance


def chance(token: int, until_s: int, alerted: bool = False, phase: Phase = Phase.INSIDE) -> OpenChance:
    features = array("f", [token / 7.0] * SIZE)
    return OpenChance(token, phase, until_s, Chance(Basis(token % 2), features), alerted, token % 3 == 0)


def opened(*chances: OpenChance) -> OpenChances:
    found = OpenChances()
    for each in chances:
        assert found.begin(each) is None
    return found


def test_what_ends_first_is_due_first() -> None:
    assert opened(chance(1, 300), chance(2, 100), chance(3, 200)).due_s == 100
    assert OpenChances().due_s is None


def test_ended_chances_are_given_once_in_order() -> None:
    found = opened(chance(1, 300), chance(2, 100), chance(3, 200))
    assert [each.token for each in found.ended(200)] == [2, 3]
    assert found.ended(200) == []
    assert len(found) == 1


def test_new_chance_of_the_same_place_and_phase_takes_the_old_ones_place() -> None:
    found = opened(chance(1, 300), chance(1, 400), chance(1, 350, phase=Phase.NEAR_BY))
    assert found.at(1) == [chance(1, 350, phase=Phase.NEAR_BY), chance(1, 400)]
    assert found.take(1) == [chance(1, 350, phase=Phase.NEAR_BY), chance(1, 400)]
    assert found.take(1) == []


def test_all_chances_at_a_place_are_told_at_once() -> None:
    found = opened(chance(1, 300), chance(1, 200, phase=Phase.NEAR_BY), chance(2, 100))
    found.told(1)
    assert [each.alerted for each in found.ended(400)] == [False, True, True]


def test_of_too_many_the_first_to_end_makes_room() -> None:
    found = opened(*(chance(token, 100 + token) for token in range(MAX_OPEN)))
    assert found.begin(chance(99, 500)) == chance(0, 100)
    assert len(found) == MAX_OPEN


@pytest.mark.parametrize("seed", range(6))
def test_packed_and_unpacked_they_are_the_same(seed: int) -> None:
    dice = Random(seed)
    found = OpenChances()
    for _ in range(30):
        phase = dice.choice(list(Phase))
        found.begin(chance(dice.randrange(9), dice.randrange(1_000), dice.random() < 0.5, phase))
    again = OpenChances.unpack(found.pack())
    assert again.pack() == found.pack()
    assert again.ended(2_000) == found.ended(2_000)
