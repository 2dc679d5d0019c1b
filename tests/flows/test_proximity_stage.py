"""Users on their way, inside the shard task: which merchant is told of, when, and what is kept of it."""

from datetime import timedelta
from typing import Any

import pytest

from alerting.alerts import Basis
from alerting.delivery.person import Person
from alerting.proximity.guide import Guide
from alerting.proximity.meeting import Guided
from detectors.events import Channel, Outcome, OutcomeKind, ThreeDSStatus, Verdict
from detectors.habits.places import merchant_token
from flows import keys
from flows.codec import Event
from flows.outputs import AlertRaised, Decided, TaskFault
from tests.flows.outings_made import (
    ARRIVAL,
    DAY,
    FRIENDS,
    HOUR,
    MINUTE,
    TODAY,
    USER,
    Town,
    consent,
    fate,
    fix,
    minutes,
    of_habit,
    proximity,
    rest,
    shop,
    tick,
    visit,
    walk,
    wishes,
)
from tests.flows.shards_made import payment, policy

# On the way.


def test_who_comes_to_a_place_at_its_hour_is_told_once() -> None:
    (told,) = Town(of_habit()).told(*ARRIVAL, *rest(TODAY, -20))
    alert, details = told.alert, told.alert.proximity
    assert details is not None
    assert (fate(told), alert.user_id, details.merchant_id, details.basis) == (
        "SENT",
        USER,
        "bakery",
        Basis.HABIT,
    )
    assert details.probability > 0.8
    assert 150.0 < details.distance_m < 300.0
    assert details.eta_s == pytest.approx(details.distance_m / 1.4, rel=0.05)
    assert (details.usual_weekday, details.usual_minute) == (None, 12 * 60)
    assert alert.event_time < TODAY < alert.not_after
    assert alert.collapse_key == "proximity"


def test_at_another_hour_it_is_unlikely() -> None:
    town = Town(of_habit(visit(TODAY)))
    assert set(town.fates(*walk(TODAY + 6 * HOUR, 350, -20))) == {"UNLIKELY"}


@pytest.mark.parametrize("mps", [9.0, 14.0, 30.0])
@pytest.mark.parametrize("start_m", [250, 1_500])
def test_driving_past_is_no_candidate(mps: float, start_m: int) -> None:
    town = Town(of_habit())
    assert town.told(*walk(TODAY - 4 * MINUTE, start_m, -1_500, 20, mps=mps), *minutes(0, 20)) == []


def test_who_passes_by_in_a_car_is_not_shown_around_either() -> None:
    town = Town(of_habit(shop("other", 400.0)))
    assert town.told(*walk(TODAY - 4 * MINUTE, 3_000, -1_500, 250, mps=14)) == []


def test_without_habits_there_is_nothing_to_tell() -> None:
    assert Town([consent(), wishes(), shop()]).told(*walk(TODAY - 25 * DAY, 350, -20)) == []


def test_what_happened_long_ago_is_no_occasion() -> None:
    town = Town(of_habit(tick(TODAY + HOUR)))
    assert town.told(*ARRIVAL, *rest(TODAY, -20)) == []


def test_clock_that_went_astray_and_returned_leaves_nobody_behind() -> None:
    town, ahead = Town(of_habit()), TODAY + 3 * DAY
    assert town.told(*(tick(ahead + number * MINUTE) for number in range(7))) == []
    assert town.fates(*walk(ahead + 10 * MINUTE, 350, -20)) == ["SENT"]
    town.add(*(tick(TODAY - HOUR + number * MINUTE) for number in range(7)))
    assert town.fates(*ARRIVAL) == ["SENT"]


def test_who_was_there_just_now_is_not_told_of_it() -> None:
    town = Town(of_habit(visit(TODAY)))
    assert town.told(*walk(TODAY + 30 * MINUTE, 350, -20)) == []


def test_zone_that_is_unknown_may_be_night() -> None:
    assert set(Town(of_habit(zone="Mars/Olympus")).fates(*ARRIVAL)) == {"ZONE_UNKNOWN"}


def test_position_that_is_made_up_casts_doubt_for_a_while() -> None:
    liar = fix(TODAY - 10 * MINUTE, 500, mocked=True)
    assert set(Town(of_habit(liar)).fates(*ARRIVAL)) == {"POSITION_DOUBTED"}
    liar = fix(TODAY - 30 * MINUTE, 500, mocked=True)
    assert Town(of_habit(liar)).fates(*ARRIVAL) == ["SENT"]


def test_one_moment_is_one_candidate_however_much_happens_in_it() -> None:
    # Another user's event has set the clock; then all positions of the way come at once.
    town = Town(of_habit(visit(TODAY), tick(TODAY + 6 * HOUR + 4 * MINUTE)))
    (told,) = town.told(*walk(TODAY + 6 * HOUR, 350, 60))
    assert fate(told) == "UNLIKELY"


def test_clock_of_the_user_counts_from_when_it_is_known_on() -> None:
    before: list[Event] = [*ARRIVAL[:4], wishes(zone="Asia/Tokyo", at=ARRIVAL[3].event_time)]
    whole, parts = Town(of_habit(*before)), Town(of_habit(*before))
    parts.restart()
    told = whole.told(*ARRIVAL[4:])
    assert told == parts.told(*ARRIVAL[4:]) != []


# Time alone.


def test_hour_of_a_habit_comes_while_the_user_is_near() -> None:
    town = Town(of_habit())
    start = TODAY - 4 * HOUR
    assert town.told(*rest(start, 250, 20)) == []
    told = [(each.alert.event_time - start, fate(each)) for each in town.told(*minutes(-219, -60))]
    assert told == [(timedelta(minutes=41), "SENT")]  # the first record that makes 40 minutes pass


def test_with_an_old_position_no_hour_counts() -> None:
    town = Town(of_habit())
    assert town.told(*rest(TODAY - 4 * HOUR, 250), *minutes(-200, 60)) == []


def test_after_a_leap_of_time_nothing_is_told_of_before_it() -> None:
    town = Town(of_habit(fix(TODAY - 4 * HOUR, 20)))
    assert town.told(tick(TODAY)) == []


# Waiting.


def test_alert_waits_for_the_end_of_quiet_hours() -> None:
    town = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60))
    assert town.told(*ARRIVAL[:30]) == []
    told = town.told(*rest(TODAY - MINUTE, 100, 2))
    assert [(fate(each), each.alert.event_time >= TODAY) for each in told] == [("SENT", True)]
    before = Town(of_habit()).told(*ARRIVAL)[0].alert
    assert told[0].alert.alert_id == before.alert_id


@pytest.mark.parametrize(
    ("meanwhile", "fates"),
    [
        ([], ["SENT"]),
        ([shop(closed=True, event_time=TODAY - MINUTE)], ["MERCHANT_GONE"]),
        ([shop(opening_hours="22:00-23:00", event_time=TODAY - MINUTE)], ["CLOSED"]),
        ([visit(TODAY - MINUTE)], ["VISITED"]),
        (walk(TODAY - 2 * MINUTE, 150, 600, mps=6), ["LEFT"]),
        ([wishes(zone=None, at=TODAY - MINUTE)], ["ZONE_UNKNOWN"]),
        ([fix(TODAY - MINUTE, 150, mocked=True)], ["POSITION_DOUBTED"]),
        ([fix(TODAY + MINUTE, 150, mocked=True)], ["POSITION_DOUBTED"]),  # the very one that lets it go
        ([consent(granted=False, at=TODAY - MINUTE)], ["NO_CONSENT"]),
        ([tick(TODAY + HOUR)], ["EXPIRED"]),
    ],
)
def test_what_waited_is_judged_again(meanwhile: list[Event], fates: list[str]) -> None:
    town = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60))
    assert town.told(*ARRIVAL[:25]) == []
    assert town.fates(*meanwhile, *minutes(0, 2)) == fates


AT_THE_TILL = payment(
    7, user_id=USER, merchant_id="bakery", channel=Channel.POS, event_time=TODAY + timedelta(seconds=15)
)


@pytest.mark.parametrize("record", [visit(TODAY + timedelta(seconds=15)), AT_THE_TILL])
def test_who_is_there_is_not_told_by_the_very_record_that_says_so(record: Event) -> None:
    town = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60))
    town.add(policy(), *ARRIVAL[:25])
    assert town.told(record) == []
    assert town.fates(*minutes(1, 2)) == ["VISITED"]


def test_alert_waits_for_a_shop_that_opens_soon_and_no_longer_than_it_holds() -> None:
    opens_soon = shop(opening_hours="12:02-14:00", event_time=TODAY - DAY)
    town = Town(of_habit(opens_soon))
    assert town.told(*ARRIVAL[:25]) == []
    (told,) = town.told(*minutes(0, 4))
    assert (fate(told), told.alert.event_time) == ("SENT", TODAY + 3 * MINUTE)
    opens_late = shop(opening_hours="15:00-16:00", event_time=TODAY - DAY)
    assert set(Town(of_habit(opens_late)).fates(*ARRIVAL)) == {"CLOSED"}


def test_nothing_holds_longer_than_the_shop_is_open() -> None:
    closes = shop(opening_hours="10:00-12:01", event_time=TODAY - DAY)
    (told,) = Town(of_habit(closes)).told(*ARRIVAL)
    assert told.alert.not_after < TODAY + MINUTE
    opens_for_a_while = shop(opening_hours="12:02-12:06", event_time=TODAY - DAY)
    (told,) = Town(of_habit(opens_for_a_while)).told(*ARRIVAL[:25], *minutes(0, 4))
    assert (fate(told), told.alert.not_after < TODAY + 6 * MINUTE) == ("SENT", True)


# Consent.


def test_withdrawal_erases_where_the_user_was_and_ends_what_waits() -> None:
    town = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60))
    town.add(*ARRIVAL[:25])
    town.commit()
    assert town.store.load(keys.outing("default", USER)) is not None
    # The very event that would let the alert go, had it not been for what it says.
    given_up = town.told(consent(granted=False, at=TODAY + MINUTE), *minutes(2, 30))
    assert [fate(each) for each in given_up] == ["NO_CONSENT"]
    said = given_up[0].alert.proximity
    assert said is not None
    assert said.probability > 0.2  # what it had when it began to wait
    assert town.told(*walk(TODAY + HOUR, 350, -20), visit(TODAY + HOUR)) == []
    town.commit()
    left = {key for key in town.store.states if key.endswith(f"default/{USER}")}
    assert left == {f"person/default/{USER}", f"user/default/{USER}"}


def test_of_alerts_that_were_sent_only_the_times_outlive_a_withdrawal() -> None:
    town = Town(of_habit())
    assert town.fates(*ARRIVAL) == ["SENT"]
    name, key = merchant_token("bakery").to_bytes(4, "little"), keys.person("default", USER)
    town.commit()
    assert name in town.store.states[key]
    town.add(consent(granted=False, at=TODAY + HOUR))
    town.commit()
    assert name not in town.store.states[key]
    person = Person.unpack(town.store.states[key])
    assert [(sent.token, sent.is_similar) for sent in person.sent_lately()] == [(0, False)]
    assert person.offered_lately() == []


def test_positions_of_before_the_consent_are_not_looked_at() -> None:
    town = Town(of_habit())
    town.add(consent(granted=False, at=TODAY - 3 * HOUR), consent(at=TODAY))
    town.add(fix(TODAY - HOUR, 0.0))
    town.commit()
    assert town.store.load(keys.outing("default", USER)) is None


# Step-ups.


def test_no_alert_while_the_user_is_asked_to_authenticate_a_payment() -> None:
    asked = payment(1, user_id=USER, event_time=TODAY - 5 * MINUTE, mcc="7995", channel=Channel.ECOMMERCE)
    assert set(Town(of_habit(asked)).fates(*ARRIVAL)) == {"STEP_UP_OPEN"}
    answered = Outcome(
        "o",
        "t-1",
        USER,
        OutcomeKind.STEP_UP,
        Verdict.UNDECIDED,
        TODAY - 4 * MINUTE,
        three_ds_status=ThreeDSStatus.Y,
    )
    assert Town(of_habit(asked, answered)).fates(*ARRIVAL) == ["SENT"]


def test_fault_on_the_way_takes_no_alert_about_a_payment_back(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(of_habit(*ARRIVAL[:5]))

    def fails(_guide: Guide, _who: Guided) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(Guide, "expire", fails)
    said = town.add(payment(1, user_id="somebody", event_time=TODAY, mcc="7995"))
    assert [type(each) for each in said] == [Decided, AlertRaised, TaskFault]
    monkeypatch.undo()
    assert town.fates(*walk(TODAY + DAY, 350, -20)) == ["SENT"]


def test_fault_with_one_user_takes_back_no_alert_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60))
    due_after_the_user = fix(TODAY - timedelta(seconds=1), 90_000.0, user_id=FRIENDS[0])
    assert town.told(*ARRIVAL[:25], due_after_the_user) == []
    expire = Guide.expire

    def fails(guide: Guide, who: Guided) -> None:
        if who.user_id == FRIENDS[0]:
            raise RuntimeError("planted")
        expire(guide, who)

    monkeypatch.setattr(Guide, "expire", fails)
    said = town.add(tick(TODAY + MINUTE))
    assert [fate(each) for each in proximity(said)] == ["SENT"]
    assert TaskFault in map(type, said)


# Merchants like those of the user.


def of_a_chain() -> Town:
    """The user's shop belongs to a chain, as they know since they went there yesterday evening."""
    known = shop(chain_id="rolls", event_time=TODAY - 20 * HOUR)
    return Town(of_habit(known, visit(TODAY - 16 * HOUR)))


@pytest.mark.parametrize(
    ("alike", "fates"),
    [({"mcc": "5462"}, ["SENT"]), ({"mcc": None, "chain_id": "rolls"}, ["SENT"]), ({"mcc": "0001"}, [])],
)
def test_merchant_like_the_users_own_is_found_while_walking(alike: dict[str, Any], fates: list[str]) -> None:
    town = of_a_chain()
    town.add(shop("twin", 5_000.0, **alike), shop("twin-2", 4_900.0, **alike))
    found = town.told(*walk(TODAY - 2 * MINUTE, 5_200, 5_100))
    assert [fate(each) for each in found] == fates
    for each in found:
        details = each.alert.proximity
        assert details is not None
        assert details.usual_minute is None
        assert (details.merchant_id, details.basis) == ("twin", Basis.SIMILAR)


def test_who_drives_is_not_shown_around_and_later_on_foot_at_once() -> None:
    town = of_a_chain()
    town.add(shop("twin", 5_000.0))
    # So far away they look around first, then again when they are near the shop.
    assert town.told(*walk(TODAY - 11 * MINUTE, 13_750, 5_080, mps=14)) == []
    assert town.fates(*walk(TODAY, 5_080, 5_200)) == ["SENT"]


def test_nobody_is_shown_around_where_they_were_long_ago() -> None:
    town = of_a_chain()
    town.add(shop("twin", 5_000.0), tick(TODAY + HOUR))
    assert town.told(*walk(TODAY - 2 * MINUTE, 5_200, 5_100)) == []
