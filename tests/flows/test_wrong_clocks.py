"""Users whose clocks are wrong, and words that overtake each other: what they said last still counts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from detectors.events import Channel, Consent, Payment, Preferences
from flows import keys
from tests.flows.outings_made import (
    DAY,
    HOUR,
    MINUTE,
    TODAY,
    USER,
    Town,
    consent,
    of_habit,
    tick,
    walk,
    wishes,
)
from tests.flows.shards_made import payment

YEAR = 365 * DAY
WAY = walk(TODAY - 12 * MINUTE, -600, -20)


def asked(at: datetime) -> Payment:
    """A payment for which the user is asked to authenticate."""
    return payment(1, user_id=USER, event_time=at, mcc="7995", channel=Channel.ECOMMERCE)


def test_withdrawal_ends_also_what_is_allowed_from_a_later_day_on() -> None:
    town = Town(of_habit(consent(at=TODAY + YEAR), consent(granted=False, at=TODAY - HOUR)))
    town.add(*(tick(TODAY + YEAR + n * HOUR) for n in range(8)))
    assert not town.task._alert_stages._people.allows_places("default", USER, 2**32 - 1)


@pytest.mark.parametrize(
    "said",
    [
        [consent(granted=False, at=TODAY + YEAR), consent(at=TODAY - HOUR)],
        [consent(granted=False, at=TODAY - 2 * HOUR), consent(at=TODAY + YEAR), consent(at=TODAY - HOUR)],
        [consent(at=TODAY + YEAR)],
    ],
)
def test_no_date_of_a_clock_gone_astray_keeps_a_user_from_consenting(said: list[Consent]) -> None:
    assert Town(of_habit(*said)).task._alert_stages._people.allows_places(
        "default", USER, int(TODAY.timestamp())
    )


def test_after_a_silence_a_withdrawal_counts_that_overtook_the_consent_before_it() -> None:
    withdrawn, given = TODAY + 9 * DAY, TODAY + 9 * DAY - MINUTE
    town = Town(of_habit(*(consent(False, at) for at in (TODAY - HOUR, withdrawn)), consent(at=given)))
    town.add(*(tick(withdrawn + n * MINUTE) for n in range(8)))
    assert not town.task._alert_stages._people.allows_places("default", USER, 2**32 - 1)


def test_withdrawal_of_a_clock_gone_astray_acts_at_once() -> None:
    assert Town(of_habit(consent(granted=False, at=TODAY + YEAR))).told(*WAY) == []


def test_withdrawal_that_was_overtaken_by_another_consent_erases_what_was_before() -> None:
    town = Town(of_habit(*WAY[:20], consent(at=TODAY - HOUR), consent(granted=False, at=TODAY - 2 * HOUR)))
    town.commit()
    assert not {keys.outing("default", USER), keys.habits("default", USER)} & town.store.states.keys()
    assert town.task._alert_stages._people.allows_places("default", USER, int(TODAY.timestamp()))


@pytest.mark.parametrize("ahead", [0 * DAY, YEAR])
def test_settings_of_a_clock_gone_astray_are_replaced_by_those_that_come_after(ahead: timedelta) -> None:
    always = wishes(at=TODAY - HOUR, quiet_from_min=0, quiet_to_min=1_439)
    before: Preferences = replace(always, event_time=TODAY - 2 * HOUR + ahead, quiet_from_min=None)
    assert set(Town(of_habit(before, always)).fates(*WAY)) == {"QUIET_HOURS"}


@pytest.mark.parametrize("off", [-HOUR, 0 * HOUR])
def test_step_up_is_open_for_its_time_also_where_the_clock_of_the_payment_is_behind(off: timedelta) -> None:
    town = Town(of_habit(tick(TODAY - 13 * MINUTE), asked(TODAY - 13 * MINUTE + off)))
    assert town.fates(*WAY)[0] == "STEP_UP_OPEN"
    again = [replace(each, event_time=each.event_time + DAY) for each in WAY]
    assert "STEP_UP_OPEN" not in town.fates(tick(TODAY + DAY - HOUR), *again)


def test_step_up_of_the_first_payment_after_a_silence_is_open_for_its_time() -> None:
    again = [replace(each, event_time=each.event_time + 7 * DAY) for each in WAY]
    others = [tick(again[0].event_time - timedelta(seconds=n)) for n in range(1, 8)]
    town = Town(of_habit(asked(again[0].event_time - MINUTE), *others))
    assert town.fates(*again)[0] == "STEP_UP_OPEN"


def test_what_waits_when_the_clock_returns_from_astray_is_accounted_for() -> None:
    town, ahead = Town(of_habit(quiet_from_min=0, quiet_to_min=12 * 60)), 2 * DAY
    town.add(*(tick(TODAY + ahead - HOUR + n * MINUTE) for n in range(7)))
    assert town.told(*(replace(each, event_time=each.event_time + ahead) for each in WAY)) == []
    assert town.told(*(tick(TODAY - HOUR + n * MINUTE) for n in range(7))) == []
    assert town.fates(WAY[0]) == ["LEFT"]
