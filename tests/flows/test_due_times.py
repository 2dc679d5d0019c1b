"""What falls due when: in order, each name once, and the same when told anew after a restart."""

from random import Random

import pytest

from flows.due_times import DueTimes


def test_only_the_last_time_of_a_name_counts() -> None:
    times = DueTimes()
    for due_s in (30, 10, 20):
        times.put("a", due_s)
    assert times.take(19, 9) == []
    assert times.take(20, 9) == ["a"]
    assert times.take(99, 9) == []


def test_never_takes_a_name_away() -> None:
    times = DueTimes()
    times.put("a", 10)
    times.put("a", 0)
    times.put("b", 0)
    assert (times.take(99, 9), len(times)) == ([], 0)


def test_no_more_than_asked_for_the_earliest_first_then_by_name() -> None:
    times = DueTimes()
    for name, due_s in zip("dcba", (10, 20, 20, 30), strict=True):
        times.put(name, due_s)
    assert [times.take(99, 2), times.take(99, 2), times.take(99, 2)] == [["d", "b"], ["c", "a"], []]


def test_one_may_stay_due_while_others_are_taken() -> None:
    times = DueTimes()
    for name, due_s in (("a", 10), ("b", 20), ("a", 30), ("a", 10)):
        times.put(name, due_s)
    assert times.take(99, 9, but="a") == ["b"]
    assert (times.take(9, 9), times.take(10, 9), times.take(99, 9)) == ([], ["a"], [])


@pytest.mark.parametrize("seed", range(10))
def test_told_anew_it_gives_the_same(seed: int) -> None:
    dice, times = Random(seed), DueTimes()
    known: dict[str, int] = {}
    for now_s in range(1, 300):
        name = dice.choice("abcdefgh")
        known[name] = dice.choice((0, now_s + dice.randrange(40)))
        times.put(name, known[name])
        if dice.random() < 0.3:
            fresh = DueTimes()
            for each in sorted(known):
                fresh.put(each, known[each])
            due = fresh.take(now_s, 2)
            assert times.take(now_s, 2) == due
            known.update(dict.fromkeys(due, 0))
