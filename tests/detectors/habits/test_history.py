"""A user's history: bounded, in order of time, and the same after it was packed."""

from random import Random

import pytest

from detectors.habits.history import MAX_PLACES, MAX_VISITS, History, Place, week_minute

MONDAY_MIN = 4 * 1_440  # 1970-01-05 00:00 UTC


def history_of(*visits: tuple[int, int]) -> History:
    history = History()
    for token, minute in visits:
        history.visit(Place(token), minute, 0)
    return history


def test_weeks_begin_on_monday_on_the_local_clock() -> None:
    assert week_minute(MONDAY_MIN, 0) == 0
    assert week_minute(MONDAY_MIN, 8) == 120
    assert week_minute(MONDAY_MIN, -1) == 7 * 1_440 - 15


def test_visits_stand_in_order_of_time_whatever_the_order_they_came_in() -> None:
    history = history_of((7, 300), (8, 100), (7, 200))
    assert list(history.minutes) == [100, 200, 300]
    assert [place for place, _ in history.spots()] == [1, 0, 0]


def test_first_visit_to_a_place_is_new_and_later_ones_are_not() -> None:
    history = history_of((7, 100), (7, 200), (8, 300))
    assert [is_new for _, is_new in history.spots()] == [True, False, True]


def test_beyond_its_bound_the_oldest_visit_is_forgotten_and_still_counted() -> None:
    history = history_of(*((7, minute) for minute in range(MAX_VISITS + 5)))
    assert len(history) == MAX_VISITS
    assert history.minutes[0] == 5
    assert history.count(0) == MAX_VISITS + 5


def test_place_unseen_for_longest_makes_room_for_a_new_one() -> None:
    history = history_of(*((token, 1_000 + token) for token in range(1, MAX_PLACES + 1)))
    history.visit(Place(1), 5_000, 0)
    history.visit(Place(999), 6_000, 0)
    assert history.places == MAX_PLACES
    assert history.find(2) is None
    assert history.find(1) is not None
    assert history.count(history.find(999) or 0) == 1
    assert 1_002 not in history.minutes


def test_places_are_found_by_category_and_chain_but_not_by_none() -> None:
    history = History()
    history.visit(Place(1, 5411, 77), 10, 0)
    history.visit(Place(2, 5411), 20, 0)
    history.visit(Place(3), 30, 0)
    assert history.of_category(5411) == [0, 1]
    assert history.of_chain(77) == [0]
    assert history.of_category(0) == history.of_chain(0) == []


def test_what_is_learned_later_of_a_place_is_kept() -> None:
    history = history_of((1, 10))
    history.visit(Place(1, 5411, 77), 20, 0)
    history.visit(Place(1), 30, 0)
    assert history.of_category(5411) == history.of_chain(77) == [0]


@pytest.mark.parametrize("seed", range(12))
def test_packed_and_unpacked_anywhere_it_goes_on_as_if_never_stopped(seed: int) -> None:
    chance = Random(seed)
    one, other = History(), History()
    for step in range(600):
        token = 1 + int(chance.expovariate(0.05))
        place = Place(token, chance.choice((0, 5411, 5812)), chance.choice((0, 9)))
        minute = max(0, 10_000 + 60 * step + chance.randint(-5_000, 5_000))
        offset = chance.randint(-48, 56)
        assert one.visit(place, minute, offset) == other.visit(place, minute, offset)
        if chance.random() < 0.2:
            other = History.unpack(other.pack())
    assert one.pack() == other.pack()
    assert list(one.minutes) == sorted(one.minutes)
    assert len(one) <= MAX_VISITS
    assert one.places <= MAX_PLACES


def test_history_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="visits: schema version 9 is unknown; allowed: 1"):
        History.unpack(b"\x09" + History().pack()[1:])
