"""What is kept of a user's way survives packing to the bit, and says itself when something falls due."""

from array import array
from random import Random

import pytest

from alerting.proximity.outing import DUE_AT, MAX_WAITING, Outing, Waiting
from detectors.habits.chances import OpenChance, Phase
from detectors.habits.intent import SIZE, Basis, Chance
from geo import FenceIndex
from tests.geo.fixes_made import START_S, fix, town, wandering


def waiting(name: str, until_s: int) -> Waiting:
    return Waiting(name, START_S, until_s, until_s + 600, until_s % 10_001, until_s % 2 == 0)


def filled(seed: int) -> Outing:
    """An outing in which everything has a value of its own."""
    dice, outing, fences = Random(seed), Outing(), FenceIndex(town(seed))
    for each in wandering(seed, 60):
        outing.presence.see(each, fences)
    for token in range(dice.randrange(5)):
        chance = Chance(dice.choice(list(Basis)), array("f", [dice.random()] * SIZE))
        until_s = START_S + dice.randrange(10_000)
        outing.chances.begin(OpenChance(token, dice.choice(list(Phase)), until_s, chance, token % 2 == 0))
    for number in range(dice.randrange(MAX_WAITING + 1)):
        outing.wait(waiting(f"m/{number}", START_S + dice.randrange(10_000)))
    outing.look_s, outing.scout_s, outing.last_not_after_s = START_S + 3, START_S + 2, START_S + 1
    outing.last_alert = dice.choice(("", "a-1"))
    return outing


@pytest.mark.parametrize("seed", range(20))
def test_what_was_packed_comes_back_and_goes_on_the_same(seed: int) -> None:
    outing = filled(seed)
    again = Outing.unpack(outing.pack())
    assert again.pack() == outing.pack()
    assert (again.waiting, again.due_s, again.last_alert) == (outing.waiting, outing.due_s, outing.last_alert)
    assert (again.look_s, again.scout_s, again.last_not_after_s) == (START_S + 3, START_S + 2, START_S + 1)
    fences = FenceIndex(town(seed))
    for each in wandering(seed, 80):
        assert again.presence.see(each, fences) == outing.presence.see(each, fences)


@pytest.mark.parametrize("seed", range(20))
def test_packed_outing_says_when_something_falls_due(seed: int) -> None:
    outing = filled(seed)
    assert DUE_AT.unpack_from(outing.pack()) == (outing.due_s,)


def test_nothing_falls_due_for_somebody_who_did_nothing() -> None:
    assert Outing().due_s == 0


def test_first_of_all_that_falls_due_counts() -> None:
    outing = Outing()
    outing.wait(waiting("m", START_S + 90))
    assert outing.due_s == START_S + 90
    outing.look_s = START_S + 80
    assert outing.due_s == START_S + 80
    chance = Chance(Basis.HABIT, array("f", [0.0] * SIZE))
    outing.chances.begin(OpenChance(1, Phase.INSIDE, START_S + 70, chance))
    assert outing.due_s == START_S + 70
    outing.presence.see(fix(0, 0.0), FenceIndex([]))
    assert outing.due_s == START_S + 5


def test_of_too_many_that_wait_the_last_gives_way() -> None:
    outing = Outing()
    crowded_out = [
        outing.wait(waiting(name, until_s)) for name, until_s in zip("dcbae", (4, 3, 9, 1, 2), strict=True)
    ]
    assert crowded_out == [None, None, None, None, waiting("b", 9)]
    assert [each.merchant_id for each in outing.waiting] == ["a", "e", "c", "d"]


def test_what_is_ready_waits_no_more() -> None:
    outing = Outing()
    for name, until_s in zip("abc", (10, 20, 30), strict=True):
        outing.wait(waiting(name, until_s))
    assert [each.merchant_id for each in outing.ready(20)] == ["a", "b"]
    assert [each.merchant_id for each in outing.waiting] == ["c"]
    assert outing.ready(29) == []


def test_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="outing: schema version 9 is unknown"):
        Outing.unpack(b"\x09" + Outing().pack()[1:])
