"""Visits inside the shard task: foreseen, learned with consent only, and the same after a restart."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from detectors.events import (
    Channel,
    Consent,
    ConsentPurpose,
    Outcome,
    OutcomeKind,
    Preferences,
    Verdict,
    Visit,
)
from detectors.habits.habits import Habits
from detectors.habits.places import place_of
from flows import keys
from flows.codec import Event
from tests.flows.shards_made import NOON, Shard, payment
from tests.flows.visits_made import CONSENT, DAY, ZONE, Watched, visit


def habits(shard: Shard, user: str = "u-1") -> Habits:
    shard.commit()
    raw = shard.store.load(keys.habits("default", user))
    return Habits() if raw is None else Habits.unpack(raw)


def test_visits_of_a_consenting_user_are_foreseen_then_learned() -> None:
    shard = Watched([CONSENT, ZONE])
    said = shard.visits(*(visit(n) for n in range(10)))
    assert [each.rank for each in said] == [0, *[1] * 9]
    assert said[-1].probability > said[1].probability
    assert (said[3].merchant_id, said[3].source, said[3].position) == ("m-7", "door", 7)
    assert len(habits(shard).history) == 10


@pytest.mark.parametrize("consent", [None, replace(CONSENT, purpose=ConsentPurpose.TRADING_ALERTS)])
def test_without_consent_nothing_is_learned(consent: Consent | None) -> None:
    shard = Watched([consent] if consent else [])
    assert shard.visits(visit(1)) == []
    assert shard.store.load(keys.habits("default", "u-1")) is None


def test_withdrawal_erases_what_was_learned_and_stops_learning_at_once() -> None:
    shard = Watched([CONSENT, visit(1)])
    shard.commit()
    shard.add(replace(CONSENT, granted=False, event_time=NOON + 2 * DAY), visit(3))
    shard.commit()
    assert shard.store.load(keys.habits("default", "u-1")) is None


def test_clock_of_the_user_counts() -> None:
    shard = Watched([CONSENT, ZONE, visit(1)])
    assert list(habits(shard).history.offsets) == [4]


def test_payment_at_the_counter_is_a_visit_and_one_from_afar_is_none() -> None:
    counter, remote = payment(1, channel=Channel.POS), payment(4, channel=Channel.ECOMMERCE)
    shard = Watched([replace(CONSENT, user_id="u-1")])
    said = shard.visits(counter, remote, payment(7, channel=Channel.ATM, merchant_id="atm"), visit(1))
    assert [(each.merchant_id, each.source) for each in said] == [
        ("m-1", "payment"),
        ("atm", "payment"),
        ("m-7", "door"),
    ]
    assert habits(shard).history.of_category(5411) == [0, 1]


def test_payment_on_a_visit_is_part_of_it() -> None:
    shard = Watched([CONSENT, visit(1, "m-1", timedelta(0))])
    shard.add(payment(1, channel=Channel.POS), payment(13, channel=Channel.POS, merchant_id="m-1"))
    assert len(habits(shard).history) == 2  # 7 minutes and 91 minutes later


def test_challenged_payment_becomes_a_habit_only_when_it_is_cleared() -> None:
    shard = Watched([CONSENT])
    shard.add(payment(1, channel=Channel.POS, mcc="7995"), visit(2))
    assert habits(shard).history.find(place_of("m-1").token) is None
    cleared = Outcome("o", "t-1", "u-1", OutcomeKind.ANALYST, Verdict.GENUINE, NOON + DAY)
    shard.add(cleared)
    assert habits(shard).history.find(place_of("m-1").token) is not None


def _stream(seed: int) -> list[Event]:
    dice = Random(seed)
    events: list[Event] = [CONSENT, replace(CONSENT, user_id="u-2")]
    for step in range(120):
        at = NOON + timedelta(hours=5 * step)
        user = dice.choice(("u-1", "u-2", "u-3"))
        match dice.randrange(6):
            case 0:
                events.append(Consent(user, ConsentPurpose.LOCATION_ALERTS, dice.random() < 0.7, "v", at))
            case 1:
                channel = dice.choice((Channel.POS, Channel.ECOMMERCE))
                events.append(payment(step, user_id=user, event_time=at, channel=channel))
            case 2:
                events.append(Preferences(user, at, time_zone=dice.choice(("Asia/Tokyo", "Mars"))))
            case _:
                events.append(Visit(f"v-{step}", user, f"m-{dice.randrange(6)}", at))
    return events


@pytest.mark.parametrize("seed", range(8))
def test_stopped_and_started_anywhere_it_says_the_same(seed: int) -> None:
    events, dice = _stream(seed), Random(seed)
    whole = Watched(events)
    parts = Watched()
    for event in events:
        parts.add(event)
        if dice.random() < 0.2:
            parts.restart()
    whole.commit()
    parts.commit()
    assert parts.noted == whole.noted
    assert parts.store.states == whole.store.states
