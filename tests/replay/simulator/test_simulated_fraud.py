"""Simulated fraud: how much, of which kinds, and when it comes to light."""

from collections import defaultdict
from datetime import timedelta
from functools import cache
from statistics import median

import pytest

from detectors.events import (
    Channel,
    EntryMode,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    Preferences,
    Verdict,
)
from geo import local_time, min_speed_kmh
from replay.simulator import SimulatedEvent, SimulatorParams, simulate
from replay.simulator.merchants import Directory
from replay.simulator.people import People

PARAMS = SimulatorParams(
    seed=4, users=500, days=30, fraud_rate=0.03, report_rate=1.0, tick_interval_s=0, compromises=6.0
)
PATTERNS = {
    "stolen_card_burst",
    "account_takeover",
    "card_not_present",
    "skimming",
    "gift_card_drain",
    "merchant_compromise",
    "friendly_fraud",
}


@cache
def events() -> tuple[SimulatedEvent, ...]:
    return tuple(simulate(PARAMS))


@cache
def payments() -> dict[str, Payment]:
    return {event.transaction_id: event for event in events() if isinstance(event, Payment)}


@cache
def labels() -> tuple[Outcome, ...]:
    return tuple(event for event in events() if isinstance(event, Outcome))


def episodes(pattern: str) -> list[list[Payment]]:
    """The payments of each fraud of one pattern, in order of time."""
    found: dict[tuple[str, str], list[Payment]] = defaultdict(list)
    for label in labels():
        if label.code == pattern:
            payment = payments()[label.transaction_id]
            found[payment.user_id, payment.transaction_id.rsplit("-", 1)[0]].append(payment)
    return [sorted(one, key=lambda payment: payment.event_time) for one in found.values()]


@pytest.mark.parametrize("fraud_rate", [0.005, 0.03])
def test_the_share_of_fraud_is_near_the_wanted_one(fraud_rate: float) -> None:
    params = SimulatorParams(
        seed=8, users=300, days=30, fraud_rate=fraud_rate, report_rate=1.0, tick_interval_s=0
    )
    kinds = [event.kind for event in simulate(params)]
    assert fraud_rate * 0.6 < kinds.count("outcome") / kinds.count("payment") < fraud_rate * 1.6


def test_no_fraud_is_wanted_and_none_comes() -> None:
    params = SimulatorParams(seed=8, users=100, days=20, fraud_rate=0.0, compromises=50.0)
    assert not any(isinstance(event, Outcome) for event in simulate(params))


def test_every_pattern_occurs_and_every_label_names_a_payment_of_its_user() -> None:
    assert {label.code for label in labels()} == PATTERNS
    for label in labels():
        assert payments()[label.transaction_id].user_id == label.user_id
        assert label.verdict is Verdict.FRAUD
        assert label.outcome_kind in (OutcomeKind.FRAUD_REPORT, OutcomeKind.CHARGEBACK)


def test_some_frauds_are_never_reported() -> None:
    params = SimulatorParams(seed=4, users=300, days=20, fraud_rate=0.05, report_rate=0.5, tick_interval_s=0)
    reported = sum(isinstance(event, Outcome) for event in simulate(params))
    all_reported = SimulatorParams(
        seed=4, users=300, days=20, fraud_rate=0.05, report_rate=1.0, tick_interval_s=0
    )
    assert reported < 0.75 * sum(isinstance(event, Outcome) for event in simulate(all_reported))


def test_labels_come_days_later_and_chargebacks_weeks_later() -> None:
    delays: dict[OutcomeKind, list[float]] = defaultdict(list)
    for label in labels():
        delay = label.event_time - payments()[label.transaction_id].event_time
        delays[label.outcome_kind].append(delay / timedelta(days=1))
    assert min(min(found) for found in delays.values()) > 0.0
    assert max(max(found) for found in delays.values()) < 65.0
    assert 1.5 < median(delays[OutcomeKind.FRAUD_REPORT]) < 6.0
    assert 10.0 < median(delays[OutcomeKind.CHARGEBACK]) < 35.0


def test_a_stolen_card_is_tested_small_before_it_is_used_big() -> None:
    for one in episodes("stolen_card_burst"):
        assert len(one) >= 3
        assert one[0].channel is Channel.ECOMMERCE
        assert all(payment.mcc in {"5732", "5944", "5651"} for payment in one[1:])
        assert max(payment.amount_minor for payment in one[1:]) > 10 * one[0].amount_minor
        assert one[-1].event_time - one[0].event_time < timedelta(hours=4)


def test_a_taken_over_account_pays_a_new_payee_from_a_new_device_at_night() -> None:
    zones = {event.user_id: event.time_zone for event in events() if isinstance(event, Preferences)}
    for one in episodes("account_takeover"):
        first, *transfers = one
        assert first.payment_type is PaymentType.ACCOUNT_VERIFICATION
        assert {payment.payment_type for payment in transfers} == {PaymentType.TRANSFER}
        assert len({payment.merchant_id for payment in one}) == 1
        assert local_time(first.event_time, zones[first.user_id] or "").hour < 5.0
        earlier = [
            payment
            for payment in payments().values()
            if payment.user_id == first.user_id and payment.event_time < first.event_time
        ]
        assert first.device_id not in {payment.device_id for payment in earlier}
        assert first.merchant_id not in {payment.merchant_id for payment in earlier}


def test_card_not_present_fraud_goes_to_many_merchants_in_little_time() -> None:
    found = episodes("card_not_present")
    assert all(payment.entry_mode is EntryMode.MANUAL for one in found for payment in one)
    assert all(one[-1].event_time - one[0].event_time < timedelta(hours=4) for one in found)
    assert median(len({payment.merchant_id for payment in one}) for one in found) >= 2


def test_a_skimmed_card_is_where_its_owner_cannot_be() -> None:
    impossible = 0
    found = episodes("skimming")
    for one in found:
        assert {payment.entry_mode for payment in one} == {EntryMode.MAGSTRIPE}
        own = [
            payment
            for payment in payments().values()
            if payment.user_id == one[0].user_id and payment.entry_mode is not EntryMode.MAGSTRIPE
        ]
        impossible += any(
            payment.merchant_position
            and one[0].merchant_position
            and min_speed_kmh(
                payment.merchant_position,
                one[0].merchant_position,
                (payment.event_time - one[0].event_time).total_seconds(),
            )
            > 900.0
            for payment in own
            if abs(payment.event_time - one[0].event_time) < timedelta(hours=12)
        )
    assert impossible > 0.2 * len(found)


def test_a_gift_card_drain_is_fast_and_round() -> None:
    for one in episodes("gift_card_drain"):
        assert len(one) >= 4
        assert {payment.mcc for payment in one} == {"5947"}
        assert one[-1].event_time - one[0].event_time < timedelta(hours=1)
        assert all(payment.amount_minor % 100 == 0 for payment in one if payment.currency == "EUR")


def test_victims_of_a_leak_all_shopped_at_one_merchant_before() -> None:
    victims = {one[0].user_id: one[0].event_time for one in episodes("merchant_compromise")}
    assert len(victims) >= 3
    visits: dict[str, set[str]] = defaultdict(set)
    for payment in payments().values():
        if payment.user_id in victims and payment.event_time < victims[payment.user_id]:
            visits[payment.merchant_id].add(payment.user_id)
    physical = [users for merchant, users in visits.items() if not merchant.startswith("payee-")]
    assert max(map(len, physical)) >= len(victims) / 4


def test_a_card_is_replaced_after_a_fraud() -> None:
    people = People(PARAMS, Directory(PARAMS))
    victim = next(person for person in map(people.person, range(500)) if person.episodes)
    day = victim.episodes[0].day
    assert victim.card(day) != victim.card(day + 5)
