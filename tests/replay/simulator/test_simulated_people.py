"""What simulated people do is believable in the mass."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import cache
from statistics import median

import pytest

from detectors.events import Channel, Location, Merchant, Outcome, Payment, PaymentType, Preferences
from detectors.money import major_units
from geo import Position, distance_km, local_time, min_speed_kmh
from replay.simulator import SimulatedEvent, SimulatorParams, simulate
from replay.simulator.categories import CATEGORIES, INDEX
from replay.simulator.merchants import Directory
from replay.simulator.people import People
from replay.simulator.places import METROS, midnight_ms

PARAMS = SimulatorParams(seed=11, users=400, days=28, fraud_rate=0.01, report_rate=1.0, tick_interval_s=0)
ZONES = {metro.country: metro.zone for metro in METROS}
SUBSCRIPTION_MCCS = {"4899", "4814", "4900", "6300", "7997"}


@cache
def events() -> tuple[SimulatedEvent, ...]:
    return tuple(simulate(PARAMS))


@cache
def frauds() -> frozenset[str]:
    # What its own buyer disputes was an ordinary purchase.
    return frozenset(
        event.transaction_id
        for event in events()
        if isinstance(event, Outcome) and event.code != "friendly_fraud"
    )


@cache
def genuine() -> tuple[Payment, ...]:
    return tuple(
        event
        for event in events()
        if isinstance(event, Payment)
        and event.transaction_id not in frauds()
        and event.payment_type is not PaymentType.REFUND
    )


def hour_and_weekday(payment: Payment) -> tuple[float, int]:
    return local_time(payment.event_time, ZONES[payment.merchant_country or ""])


def test_people_pay_about_twice_a_day() -> None:
    assert 1.5 < len(genuine()) / PARAMS.users / PARAMS.days < 2.6


def test_people_sleep_at_night() -> None:
    hours = Counter(int(hour_and_weekday(payment)[0]) for payment in genuine())
    night = sum(hours[hour] for hour in range(5)) / len(genuine())
    assert 0.003 < night < 0.04
    assert hours[18] > 5 * hours[6]


def test_weekends_differ_from_working_days() -> None:
    days = Counter(hour_and_weekday(payment)[1] for payment in genuine())
    assert days[5] > 1.15 * days[1]
    assert days[6] < days[5]
    commutes = Counter(hour_and_weekday(payment)[1] for payment in genuine() if payment.mcc == "4111")
    assert commutes[5] + commutes[6] < 0.25 * sum(commutes.values())


def test_people_pay_more_often_after_payday() -> None:
    people = People(PARAMS, Directory(PARAMS))
    paydays = {person.user_id: person.salary_day for person in map(people.person, range(PARAMS.users))}
    since = Counter((p.event_time.day - paydays[p.user_id]) % 30 for p in genuine())
    assert sum(since[day] for day in range(6)) > 1.15 * sum(since[day] for day in range(20, 26))


def test_most_purchases_go_to_a_few_known_merchants() -> None:
    by_user: dict[str, Counter[str]] = defaultdict(Counter)
    for payment in genuine():
        by_user[payment.user_id][payment.merchant_id] += 1
    busy = [visits for visits in by_user.values() if visits.total() >= 40]
    shares = [sum(count for _, count in visits.most_common(10)) / visits.total() for visits in busy]
    assert 0.35 < median(shares) < 0.9


def test_merchants_are_popular_by_a_heavy_tail() -> None:
    visits = Counter(payment.merchant_id for payment in genuine() if payment.mcc == "5411")
    counts = sorted(visits.values(), reverse=True)
    assert counts[0] > 3 * median(counts)


def test_people_shop_nearer_than_chance_would_have_it() -> None:
    params = SimulatorParams(seed=1, users=20_000)
    directory = Directory(params)
    people, grocery = People(params, directory), CATEGORIES[INDEX["grocery"]]
    usual, all_of_them = [], []
    for person in map(people.person, range(100)):
        favourite = people.favourite(person, person.metro, grocery, 0).position
        assert favourite is not None
        usual.append(distance_km(person.home, favourite))
        shops = directory.shops(person.metro, grocery)
        all_of_them += [distance_km(person.home, shop.position) for shop in shops if shop.position]
    assert median(usual) < 0.6 * median(all_of_them)


def test_nobody_travels_faster_than_an_airliner() -> None:
    last: dict[str, tuple[Position, datetime]] = {}
    for event in events():
        if isinstance(event, Location):
            position: Position | None = event.position
        elif isinstance(event, Payment) and event.transaction_id not in frauds():
            position = event.payer_position or event.merchant_position
        else:
            continue
        if position is None:
            continue
        if before := last.get(event.user_id):
            gap_s = (event.event_time - before[1]).total_seconds()
            assert min_speed_kmh(before[0], position, gap_s) < 900.0
        last[event.user_id] = (position, event.event_time)


def test_some_people_are_abroad_and_pay_there_in_local_money() -> None:
    homes = {event.user_id: event.time_zone for event in events() if isinstance(event, Preferences)}
    abroad = [p for p in genuine() if homes[p.user_id] != ZONES[p.merchant_country or ""]]
    assert 0.01 < len(abroad) / len(genuine()) < 0.15
    assert all(payment.currency for payment in abroad)
    assert {payment.currency for payment in abroad} >= {"EUR", "GBP", "USD"}


def test_shops_are_open_when_somebody_pays() -> None:
    closes = {m.merchant_id: m.opening_hours for m in events() if isinstance(m, Merchant) and m.opening_hours}
    checked = 0
    for payment in genuine():
        hours = closes.get(payment.merchant_id, "24/7")
        if hours == "24/7":
            continue
        hour, weekday = hour_and_weekday(payment)
        opens, shuts = (int(t[:2]) + int(t[3:]) / 60 for t in hours.removeprefix("Mo-Sa ").split("-"))
        since = hour if hour >= opens else hour + 24.0
        assert opens <= since <= shuts
        assert not (hours.startswith("Mo-Sa") and weekday == 6)
        checked += 1
    assert checked > 5_000


def test_bills_repeat_to_the_cent_in_the_next_month() -> None:
    bills: dict[tuple[str, str], set[int]] = defaultdict(set)
    for payment in genuine():
        if payment.mcc in SUBSCRIPTION_MCCS:
            bills[payment.user_id, payment.merchant_id].add(payment.amount_minor)
    assert len(bills) > 200
    assert all(len(amounts) == 1 for amounts in bills.values())


def test_returns_give_back_no_more_than_was_paid() -> None:
    paid = {payment.transaction_id: payment for payment in genuine()}
    returns = [e for e in events() if isinstance(e, Payment) and e.payment_type is PaymentType.REFUND]
    assert len(returns) > 50
    for refund in returns:
        purchase = paid[refund.transaction_id.removesuffix("-r")]
        assert refund.amount_minor <= purchase.amount_minor
        assert refund.event_time > purchase.event_time
        assert (refund.merchant_id, refund.currency) == (purchase.merchant_id, purchase.currency)


def test_cash_comes_in_round_sums() -> None:
    cash = [p for p in genuine() if p.channel is Channel.ATM and p.currency == "EUR"]
    assert len(cash) > 50
    assert all(payment.amount_minor % 1000 == 0 for payment in cash)


def test_a_device_stays_with_its_user() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for payment in genuine():
        if payment.device_id is not None:
            owners[payment.device_id].add(payment.user_id)
    assert all(len(users) == 1 for users in owners.values())


def test_amounts_lie_around_the_usual_of_their_category() -> None:
    groceries = [
        major_units(p.amount_minor, "EUR") for p in genuine() if p.mcc == "5411" and p.currency == "EUR"
    ]
    assert 15.0 < median(groceries) < 45.0
    assert max(groceries) < 1_500.0


@pytest.mark.parametrize("day", [20_455, 20_540, 20_700])
def test_local_midnights_are_a_day_apart_but_for_the_clock_changes(day: int) -> None:
    for metro in METROS:
        hours = timedelta(milliseconds=midnight_ms(metro.zone, day + 1) - midnight_ms(metro.zone, day))
        assert hours in (timedelta(hours=23), timedelta(hours=24), timedelta(hours=25))
