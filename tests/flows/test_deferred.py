"""Visits whose time is ahead: learned when the shard's time has come near, kept across restarts, bounded."""

from dataclasses import replace
from datetime import timedelta

from alerting.decision import Action
from detectors.events import Channel, Consent, ConsentPurpose
from flows import keys
from flows.deferred import MAX_DEFERRED
from tests.flows.shards_made import NOON, decided, payment
from tests.flows.visits_made import CONSENT, DAY, Watched, visit


def test_after_a_silence_all_visits_are_learned_once_enough_agree() -> None:
    town = Watched([CONSENT, visit(0)])
    later = [replace(visit(n), event_time=NOON + 5 * DAY + timedelta(minutes=n)) for n in range(1, 9)]
    assert len(town.visits(*later[:5])) == 1
    assert [each.event_time for each in town.visits(*later[5:])] == [
        NOON,
        *(each.event_time for each in later),
    ]


def test_payments_at_the_counter_wait_as_well_and_name_their_own_positions() -> None:
    town = Watched([CONSENT, visit(0)])
    town.add(
        *(
            payment(
                1 + 3 * n,
                user_id="u-1",
                merchant_id=f"m-{n}",
                channel=Channel.POS,
                event_time=NOON + 5 * DAY + timedelta(minutes=n),
            )
            for n in range(8)
        )
    )
    noted = town.visits()
    approved = [each.position for each in decided(town.outputs) if each.decision.action is Action.APPROVE]
    assert len(approved) >= 6
    assert [each.position for each in noted[1:]] == approved


def test_what_waits_is_stored_and_a_withdrawal_ends_it() -> None:
    town = Watched([CONSENT, visit(0)])
    far = [replace(visit(n), event_time=NOON + 5 * DAY + timedelta(minutes=n)) for n in range(1, 9)]
    town.add(*far[:3])
    town.restart()
    assert town.store.states[keys.DEFERRED]
    assert len(town.visits(*far[3:])) == 9
    other = Watched([CONSENT, visit(0), *far[:3]])
    other.add(Consent("u-1", ConsentPurpose.LOCATION_ALERTS, False, "v", NOON + 6 * DAY))
    other.commit()
    assert other.store.states[keys.DEFERRED] == b""


def test_without_consent_nothing_waits() -> None:
    town = Watched([replace(CONSENT, user_id="u-2"), replace(visit(0), user_id="u-2")])
    town.add(replace(visit(1), event_time=NOON + 5 * DAY))
    town.commit()
    assert keys.DEFERRED not in town.store.states


def test_of_too_many_the_farthest_ahead_is_forgotten() -> None:
    town = Watched([CONSENT, visit(0)])
    for n in range(MAX_DEFERRED + 5):
        # Between them the ordinary day goes on, so none of them is believed.
        town.add(replace(visit(n + 1), event_time=NOON + timedelta(days=400 - n)))
        town.add(replace(visit(1_000 + n), event_time=NOON + timedelta(minutes=n + 1), user_id="u-3"))
    town.commit()
    lines = town.store.states[keys.DEFERRED].splitlines()
    assert len(lines) == MAX_DEFERRED
    assert b'"visit_id":"v-1"' not in lines[-1]
