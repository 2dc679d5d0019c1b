"""Will a user come in? Judged before it is known, learned after."""

from random import Random

import pytest

from detectors.habits.conversions import Conversion, Conversions
from detectors.habits.habits import Habits
from detectors.habits.history import MAX_PLACES, Place
from detectors.habits.intent import NAMES, Basis, Chance, Encounter, IntentModel, IntentParams
from detectors.habits.measures import measure
from detectors.habits.next_place import NextPlaceModel

MONDAY_MIN = 4 * 1_440
DAY, NOON = 1_440, 720
BAKERY, KIOSK = Place(1, 5462, 50), Place(2, 5994)
CLOSE_BY = Encounter(3.0, 1.2, 1.0)


def regular(days: int = 20) -> Habits:
    """Bread at eight every day, the kiosk at noon now and then."""
    habits = Habits()
    for day in range(days):
        habits.visit(BAKERY, MONDAY_MIN + day * DAY + 480, 0)
        if day % 3 == 0:
            habits.visit(KIOSK, MONDAY_MIN + day * DAY + NOON, 0)
    return habits


def chance(
    habits: Habits, place: Place, minute: int, met: Encounter = CLOSE_BY, model: IntentModel | None = None
) -> Chance | None:
    measures = measure(habits.history, minute, 0)
    predicted = NextPlaceModel().predict(measures)
    return (model or IntentModel()).chance(habits, place, measures, predicted, met)


def probability(habits: Habits, place: Place, minute: int, met: Encounter = CLOSE_BY) -> float:
    found = chance(habits, place, minute, met)
    assert found is not None
    return IntentModel().probability(found)


MORNING = MONDAY_MIN + 20 * DAY + 475


def test_usual_place_at_its_usual_time_is_likelier_than_at_another() -> None:
    habits = regular()
    assert probability(habits, BAKERY, MORNING) > 1.5 * probability(habits, BAKERY, MORNING + 600)


def test_place_like_none_of_the_users_is_no_chance() -> None:
    assert chance(regular(), Place(9, 4111), MORNING) is None
    assert chance(Habits(), BAKERY, MORNING) is None


@pytest.mark.parametrize("place", [Place(9, 5462), Place(9, 5999, 50)])
def test_place_of_the_same_category_or_chain_is_a_smaller_chance(place: Place) -> None:
    found = chance(regular(), place, MORNING)
    assert found is not None
    assert found.basis is Basis.SIMILAR
    assert IntentModel().probability(found) < probability(regular(), BAKERY, MORNING)


def test_chances_that_were_passed_lower_the_next_and_taken_ones_raise_it() -> None:
    passed, taken = regular(), regular()
    for _ in range(5):
        passed.chance_ended(BAKERY.token, came=False, alerted=False)
        taken.chance_ended(BAKERY.token, came=True, alerted=False)
    plain = probability(regular(), BAKERY, MORNING)
    assert probability(passed, BAKERY, MORNING) < plain < probability(taken, BAKERY, MORNING)


def test_ignored_alerts_lower_it_more_than_passing_alone() -> None:
    told, untold = regular(), regular()
    for _ in range(3):
        told.chance_ended(BAKERY.token, came=False, alerted=True)
        untold.chance_ended(BAKERY.token, came=False, alerted=False)
    assert probability(told, BAKERY, MORNING) < probability(untold, BAKERY, MORNING)


def test_alert_that_was_followed_clears_the_ignored_ones() -> None:
    conversions = Conversions()
    conversions.learn(3, came=False, alerted=True)
    assert conversions.of(3).ignored == 1.0
    conversions.learn(3, came=True, alerted=True)
    assert conversions.of(3).ignored == 0.0
    assert conversions.of(4) == Conversion()


def test_number_of_a_forgotten_place_takes_none_of_its_conversions_along() -> None:
    habits = Habits()
    for token in range(1, MAX_PLACES + 1):
        habits.visit(Place(token), MONDAY_MIN + token, 0)
    habits.chance_ended(1, came=False, alerted=True)
    habits.visit(Place(999), MONDAY_MIN + DAY, 0)
    assert habits.conversion(999) == Conversion()
    assert habits.conversion(1) == Conversion()
    assert habits.conversion_anywhere.ignored == 1.0


def test_model_learns_who_comes() -> None:
    """Those whose motion leads to the place come, the others do not."""
    model, habits, dice = IntentModel(IntentParams(0.2)), regular(), Random(3)
    for _ in range(1_000):
        sure = dice.choice((0.0, 1.0))
        met = Encounter(3.0, 1.2, sure)
        found = chance(habits, KIOSK, MORNING, met, model)
        assert found is not None
        model.learn(found, came=dice.random() < (0.9 if sure else 0.1))
    after = [chance(habits, KIOSK, MORNING, Encounter(3.0, 1.2, way), model) for way in (1.0, 0.0)]
    high, low = (model.probability(each) for each in after if each is not None)
    assert high == pytest.approx(0.9, abs=0.15)
    assert low == pytest.approx(0.1, abs=0.15)


def test_the_two_bases_learn_apart() -> None:
    model = IntentModel()
    own, similar = (chance(regular(), place, MORNING) for place in (BAKERY, Place(9, 5462)))
    assert own is not None
    assert similar is not None
    before = model.probability(own)
    for _ in range(20):
        model.learn(similar, came=True)
    assert model.probability(own) == before


def test_model_and_habits_are_the_same_after_they_were_packed() -> None:
    dice = Random(5)
    kept, reloaded = (IntentModel(), regular()), (IntentModel(), regular())
    for step in range(60):
        came, alerted = dice.random() < 0.4, dice.random() < 0.5
        judged = []
        for model, habits in (kept, reloaded):
            found = chance(habits, BAKERY, MORNING + step, model=model)
            assert found is not None
            assert len(found.features) == len(NAMES)
            judged.append((found, model.probability(found)))
            model.learn(found, came)
            habits.chance_ended(BAKERY.token, came, alerted)
        assert judged[0] == judged[1]
        if step % 7 == 0:
            reloaded = (IntentModel.unpack(reloaded[0].pack()), Habits.unpack(reloaded[1].pack()))
    assert [each.pack() for each in kept] == [each.pack() for each in reloaded]
