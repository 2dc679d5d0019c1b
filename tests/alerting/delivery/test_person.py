"""What the delivery policy knows of a user."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from alerting.delivery.person import WEEK_S, Person, Quiet, Sent
from detectors.events import Consent, ConsentPurpose, Preferences

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
LOCATION = ConsentPurpose.LOCATION_ALERTS
GRANTED = Consent("u", LOCATION, True, "v1", NOON)
WITHDRAWN = replace(GRANTED, granted=False)
HOUR = timedelta(hours=1)
USUAL = Quiet(1_260, 480)


def consenting(*events: Consent) -> Person:
    person = Person()
    for event in events:
        person.consent(event)
    return person


def test_nobody_consents_without_saying_so() -> None:
    assert not Person().consents(LOCATION, NOON_S)


def test_consent_is_for_one_purpose() -> None:
    person = consenting(GRANTED)
    assert person.consents(LOCATION, NOON_S)
    assert not person.consents(ConsentPurpose.TRADING_ALERTS, NOON_S)


@pytest.mark.parametrize("late", [True, False])
def test_the_latest_word_counts_in_whatever_order_it_comes(late: bool) -> None:
    later = replace(WITHDRAWN, event_time=NOON + HOUR)
    person = consenting(*((later, GRANTED) if late else (GRANTED, later)))
    assert not person.consents(LOCATION, NOON_S + 7_200)


@pytest.mark.parametrize("events", [(GRANTED, WITHDRAWN), (WITHDRAWN, GRANTED)])
def test_of_two_words_at_one_time_the_withdrawal_counts(events: tuple[Consent, ...]) -> None:
    assert not consenting(*events).consents(LOCATION, NOON_S)


def test_consent_from_tomorrow_on_is_none_today() -> None:
    person = consenting(replace(GRANTED, event_time=NOON + 24 * HOUR))
    assert not person.consents(LOCATION, NOON_S)
    assert person.consents(LOCATION, NOON_S + 86_400)


def test_older_settings_that_come_late_change_nothing() -> None:
    person = Person()
    person.prefer(Preferences("u", NOON, time_zone="Europe/Brussels", quiet_from_min=0, quiet_to_min=60))
    person.prefer(Preferences("u", NOON - HOUR, time_zone="UTC"))
    assert person.time_zone == "Europe/Brussels"
    assert person.quiet(USUAL) == Quiet(0, 60)


def test_settings_replace_each_other_as_a_whole() -> None:
    person = Person()
    person.prefer(Preferences("u", NOON, time_zone="Europe/Brussels", quiet_from_min=0))
    assert person.quiet(USUAL) == Quiet(0, 480)
    person.prefer(Preferences("u", NOON + HOUR))
    assert (person.time_zone, person.quiet(USUAL)) == ("", USUAL)


@pytest.mark.parametrize(
    ("quiet", "minutes"),
    [
        (Quiet(60, 120), range(60, 120)),
        (Quiet(1_430, 10), [*range(1_430, 1_440), *range(10)]),
        (Quiet(5, 5), []),
    ],
)
def test_quiet_hours_hold_their_minutes_and_no_other(quiet: Quiet, minutes: list[int]) -> None:
    assert [minute for minute in range(1_440) if quiet.holds(minute)] == sorted(minutes)


def test_step_up_is_open_until_it_ends_or_expires() -> None:
    person = Person()
    person.step_up_asked(1, NOON_S + 600)
    person.step_up_asked(2, NOON_S + 60)
    person.step_up_ended(1)
    assert person.is_stepping_up(NOON_S)
    assert not person.is_stepping_up(NOON_S + 60)


def test_of_too_many_step_ups_the_last_to_expire_are_kept() -> None:
    person = Person()
    person.step_up_asked(0, NOON_S + 9_999)
    for token in range(1, 40):
        person.step_up_asked(token, NOON_S + token)
    assert person.is_stepping_up(NOON_S + 9_998)


def test_alerts_of_more_than_a_week_are_forgotten() -> None:
    person = Person()
    for days in range(10):
        person.sent(Sent(NOON_S + days * 86_400, days, False))
    assert [each.token for each in person.sent_lately()] == [3, 4, 5, 6, 7, 8, 9]
    assert person.sent_lately()[0].time_s > NOON_S + 9 * 86_400 - WEEK_S


@pytest.mark.parametrize("seed", range(8))
def test_packed_and_unpacked_anywhere_it_is_the_same(seed: int) -> None:
    dice = Random(seed)
    one, other = Person(), Person()
    for step in range(200):
        at = NOON + timedelta(seconds=dice.randint(-9_999, 9_999))
        event = Consent("u", dice.choice(list(ConsentPurpose)), dice.random() < 0.5, "v", at)
        token, until_s = dice.randint(0, 9), NOON_S + dice.randint(0, 999)
        settings = Preferences("u", at, time_zone=dice.choice((None, "Asia/Kolkata", "é")), quiet_to_min=step)
        for person in (one, other):
            person.consent(event)
            person.prefer(settings)
            person.step_up_asked(token, until_s)
            person.step_up_ended(token + 1)
            person.sent(Sent(NOON_S + 9_000 * step, token, step % 2 == 0))
            person.offered(NOON_S + step, step / 7.0)
        if dice.random() < 0.2:
            other = Person.unpack(other.pack())
    assert one.pack() == other.pack()
    assert one.sent_lately() == other.sent_lately()
    assert one.offered_lately() == Person.unpack(one.pack()).offered_lately()
