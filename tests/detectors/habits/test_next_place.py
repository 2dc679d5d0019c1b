"""Where a user will be next: probabilities, learned online, without a look ahead."""

from random import Random

import pytest

from detectors.habits.history import History, Place
from detectors.habits.measures import measure
from detectors.habits.next_place import Foreseen, NextPlaceModel, foreseen

MONDAY_MIN = 4 * 1_440
DAY = 1_440


def walk(days: int, seed: int = 1) -> list[tuple[int, int]]:
    """Home (1), work (2) on weekdays, lunch (3), now and then somewhere new: token and minute."""
    chance, visits = Random(seed), []
    for day in range(days):
        at = MONDAY_MIN + day * DAY
        visits.append((1, at + 60))
        if day % 7 < 5:
            visits += [(2, at + 540 + chance.randint(0, 20)), (3, at + 720), (2, at + 780)]
        if chance.random() < 0.2:
            visits.append((100 + day, at + 1_080))
        visits.append((1, at + 1_200))
    return visits


def run(visits: list[tuple[int, int]], model: NextPlaceModel, reload: int = 0) -> list[Foreseen]:
    history, said = History(), []
    for number, (token, minute) in enumerate(visits):
        place = history.find(token)
        measures = measure(history, minute, 0)
        predicted = model.predict(measures)
        said.append(foreseen(predicted, place))
        model.learn(measures, predicted, place)
        history.visit(Place(token), minute, 0)
        if reload and number % reload == 0:
            history, model = History.unpack(history.pack()), NextPlaceModel.unpack(model.pack())
    return said


def test_probabilities_sum_to_one_and_the_first_visit_is_somewhere_new() -> None:
    history, model = History(), NextPlaceModel()
    assert model.predict(measure(history, MONDAY_MIN, 0)) == [1.0]
    history.visit(Place(1), MONDAY_MIN, 0)
    history.visit(Place(2), MONDAY_MIN + 60, 0)
    assert sum(model.predict(measure(history, MONDAY_MIN + 120, 0))) == pytest.approx(1.0)


def test_routine_is_learned() -> None:
    said = run(walk(60), NextPlaceModel())
    late = said[len(said) // 2 :]
    assert sum(each.rank == 1 for each in late) / len(late) > 0.75
    likely = [each.rank == 1 for each in late if each.top_probability > 0.9]
    assert sum(likely) / len(likely) > 0.85


def test_model_that_learned_others_knows_a_new_user_sooner() -> None:
    taught = NextPlaceModel()
    for seed in range(2, 6):
        run(walk(30, seed), taught)
    new, old = run(walk(14), NextPlaceModel()), run(walk(14), taught)
    assert sum(each.probability for each in old) > sum(each.probability for each in new)


def test_prediction_changes_nothing() -> None:
    history, model = History(), NextPlaceModel()
    for token, minute in walk(10):
        history.visit(Place(token), minute, 0)
    before = model.pack(), history.pack()
    model.predict(measure(history, MONDAY_MIN + 11 * DAY, 0))
    assert (model.pack(), history.pack()) == before


def test_what_comes_later_changes_no_earlier_prediction() -> None:
    visits = walk(40)
    assert run(visits[:80], NextPlaceModel()) == run(visits, NextPlaceModel())[:80]


@pytest.mark.parametrize("reload", [1, 7])
def test_packed_and_unpacked_anywhere_it_says_the_same(reload: int) -> None:
    visits = walk(30)
    assert run(visits, NextPlaceModel(), reload) == run(visits, NextPlaceModel())


@pytest.mark.parametrize(
    ("place", "expected"),
    [(0, (1, 0.4)), (1, (2, 0.4)), (2, (3, 0.1)), (None, (0, 0.1))],
)
def test_rank_counts_the_likelier_and_the_older_of_equals(
    place: int | None, expected: tuple[int, float]
) -> None:
    said = foreseen([0.4, 0.4, 0.1, 0.1], place)
    assert (said.rank, said.probability) == expected
    assert said.top_probability == 0.4
