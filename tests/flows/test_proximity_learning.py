"""What is learned from how chances end, and what an alert says of the one before."""

from array import array
from dataclasses import replace

from alerting.delivery.params import DeliveryParams
from detectors.habits import intent
from detectors.habits.habits import Habits
from detectors.habits.intent import Chance, IntentModel
from detectors.habits.places import merchant_token
from flows import keys
from flows.alert_params import AlertParams
from tests.flows.outings_made import (
    ARRIVAL,
    DAY,
    HOUR,
    MINUTE,
    TODAY,
    USER,
    Town,
    minutes,
    of_habit,
    shop,
    tick,
    visit,
    walk,
)


def habits(town: Town) -> Habits:
    town.commit()
    return Habits.unpack(town.store.states[keys.habits("default", USER)])


def test_visit_takes_the_chance_and_a_chance_that_ends_was_passed() -> None:
    taken, passed = Town(of_habit(*ARRIVAL, visit(TODAY))), Town(of_habit(*ARRIVAL, *minutes(1, 45)))
    came, went_on = (habits(town).conversion(merchant_token("bakery")) for town in (taken, passed))
    assert (came.came, came.passed, came.ignored) == (1.0, 0.0, 0.0)
    assert (went_on.came, went_on.passed, went_on.ignored) == (0.0, 1.0, 1.0)


def test_model_of_all_users_learns_from_each_end_of_a_chance() -> None:
    ends: dict[bool, IntentModel] = {}
    for came in (True, False):
        town = Town(of_habit(*ARRIVAL, *([visit(TODAY)] if came else minutes(1, 45))))
        town.commit()
        ends[came] = IntentModel.unpack(town.store.states[keys.INTENT])
    chance = Chance(intent.Basis.HABIT, array("f", [1.0] + [0.0] * (intent.SIZE - 1)))
    fresh = IntentModel().probability(chance)
    assert ends[False].probability(chance) < fresh < ends[True].probability(chance)


def test_visit_of_long_before_the_chance_does_not_take_it() -> None:
    town = Town(of_habit(*ARRIVAL, visit(TODAY - 20 * HOUR), *minutes(1, 45)))
    assert habits(town).conversion(merchant_token("bakery")).passed == 1.0


def test_one_way_is_one_chance_also_where_it_is_begun_twice() -> None:
    away = walk(TODAY, 200, 900, mps=7)
    again = walk(TODAY + 12 * MINUTE, 350, 200)
    town = Town(of_habit(*ARRIVAL[:20], *away, *again, visit(TODAY + 20 * MINUTE)))
    conversion = habits(town).conversion(merchant_token("bakery"))
    assert conversion.came + conversion.passed == 1.0


def test_alerts_that_are_ignored_make_the_next_less_probable() -> None:
    town, said = Town(of_habit()), []
    for day in range(3):
        for each in town.told(*(replace(at, event_time=at.event_time + day * DAY) for at in ARRIVAL)):
            assert each.alert.proximity is not None
            said.append(each.alert.proximity.probability)
        town.add(*(tick(TODAY + day * DAY + n * HOUR) for n in range(1, 24)))
    assert said == sorted(said, reverse=True)
    assert said[-1] < said[0]


def test_alert_names_the_one_that_it_takes_the_place_of_only_if_it_is_sent() -> None:
    wider = walk(TODAY + 2 * MINUTE, 400, 560)
    eager = AlertParams(delivery=DeliveryParams(min_probability=0.0, spacing_s=0))
    first, second = Town(of_habit(shop("gym", 600.0)), alerts=eager).told(*ARRIVAL, *wider)
    assert (first.alert.supersedes, first.suppressed, second.suppressed) == (None, None, None)
    assert first.alert.not_after > second.alert.event_time
    assert second.alert.supersedes == first.alert.alert_id
    modest = Town(of_habit(shop("gym", 600.0))).told(*ARRIVAL, *wider)
    assert len(modest) > 1
    assert {each.alert.supersedes for each in modest} == {None}
