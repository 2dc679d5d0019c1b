"""What somebody does in one part of a day: errands, position fixes, bills, trades.

A plan is a pure function of the seed, the person and the part, so any day can be planned again at any time.
"""

from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final, NamedTuple

from detectors.events import (
    Channel,
    EntryMode,
    Location,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    TradeSide,
    Verdict,
)
from geo import Position, distance_km
from replay.simulator.categories import CATEGORIES, Category
from replay.simulator.chance import around, between, code, pick, pick_by, poisson, seeded
from replay.simulator.merchants import Shop
from replay.simulator.params import SimulatorParams
from replay.simulator.payments import Visit, genuine_payment
from replay.simulator.people import People, Person
from replay.simulator.places import DAY_MS, HOUR_MS, at, days_after, midnight_ms, minor, near
from replay.simulator.trips import Stay, stays
from replay.simulator.ways import way_to

_WALK_KMH: Final = 25.0
_PAUSE_MS: Final = 180_000
_RETURNS: Final = {"clothing": 0.07, "electronics": 0.04, "marketplace": 0.06, "hardware": 0.03}
_DISPUTED: Final = 0.25
"""Of the wanted fraud rate, what is a genuine online purchase that its buyer disputes."""


class TradeWish(NamedTuple):
    """Somebody looks at the market; a trade follows if it moves enough for one this ``calm`` (0 up to 1)."""

    person: int
    user_id: str
    asset: str
    side: TradeSide
    euros: float
    calm: float
    number: int


Followup = Payment | Outcome


class Planned(NamedTuple):
    """Something at a time, and what it causes later."""

    time_ms: int
    item: Payment | Location | TradeWish
    later: tuple[Followup, ...] = ()


@dataclass(slots=True)
class _Stop:
    time_ms: int
    position: Position | None
    shop: Shop | None


def plan_part(params: SimulatorParams, people: People, person: Person, part: int) -> list[Planned]:
    """The ordinary life of a person in a part of a day, in order of time."""
    chance = seeded(params.seed, "part", person.number, part)
    planned: list[Planned] = []
    for stay in stays(person.metro, person.trips, part):
        stops = _errands(chance, people, person, stay)
        if person.shares_location:
            stops += _fixes(chance, people, person, stay, params.fixes_per_day)
        place, left_ms = None if stay.abroad else person.home, stay.from_ms
        ways = seeded(params.seed, "ways", person.number, part)
        for stop in _walk(stops, stay):
            if params.ways and person.shares_location and stop.shop is not None and stop.position is not None:
                fixes = way_to(ways, person, stay.day, stop.position, place, stop.time_ms)
                planned += [Planned(then_ms, fix) for then_ms, fix in fixes if then_ms > left_ms]
            if stop.position is not None:
                place, left_ms = stop.position, stop.time_ms
            if stop.shop is not None:
                visit = Visit(stop.shop, stop.time_ms, stay.metro, part, len(planned))
                payment = genuine_payment(chance, person, visit)
                later = _aftermath(chance, payment, stop.shop, params.fraud_rate)
                planned.append(Planned(stop.time_ms, payment, later))
            elif stop.position is not None:
                planned.append(Planned(stop.time_ms, _fix(chance, person, stop.position, stop.time_ms, stay)))
    planned += _bills(person, part)
    planned += _wishes(chance, person, part)
    planned.sort(key=lambda one: one.time_ms)
    return planned


def _errands(chance: Random, people: People, person: Person, stay: Stay) -> list[_Stop]:
    weekday = (stay.day + 3) % 7
    midnight = midnight_ms(stay.metro.zone, stay.day)
    found = []
    for _ in range(poisson(chance, person.activity * _mood(person, stay.day, weekday))):
        category = pick_by(chance, CATEGORIES, person.tastes)
        hour = _hour(chance, category)
        time_ms = midnight + int(hour * HOUR_MS)
        if not stay.from_ms <= time_ms < stay.to_ms or not _fits_day(chance, category, weekday):
            continue
        shop = people.choose_shop(chance, person, stay.metro, category)
        if shop.opens <= hour < shop.closes and (shop.sunday or weekday != 6):
            found.append(_Stop(time_ms, shop.position, shop))
    return found


def _mood(person: Person, day: int, weekday: int) -> float:
    day_of_month = at(day * DAY_MS).day
    since_salary = (day_of_month - person.salary_day) % 30
    return (0.85 + 0.5 * exp(-since_salary / 6.0)) * (1.0, 0.97, 1.0, 1.05, 1.25, 1.35, 0.95)[weekday]


def _hour(chance: Random, category: Category) -> float:
    left = chance.random()
    for hour, spread, weight in category.peaks[:-1]:
        left -= weight
        if left <= 0.0:
            return hour + spread * chance.gauss(0.0, 1.0)
    hour, spread, _ = category.peaks[-1]
    return hour + spread * chance.gauss(0.0, 1.0)


def _fits_day(chance: Random, category: Category, weekday: int) -> bool:
    if weekday < 5:
        return category.weekend <= 1.0 or chance.random() < 1.0 / category.weekend
    return category.place != "work" or chance.random() < 0.3


def _fixes(chance: Random, people: People, person: Person, stay: Stay, fixes_per_day: float) -> list[_Stop]:
    found = []
    for _ in range(poisson(chance, fixes_per_day / 2.0)):
        time_ms = int(between(chance, stay.from_ms, stay.to_ms))
        hour = (time_ms - midnight_ms(stay.metro.zone, stay.day)) / HOUR_MS
        at_work = person.works and 9.0 <= hour < 17.0 and (stay.day + 3) % 7 < 5
        if stay.abroad:
            place = near(chance, people.hotel(person, stay.metro), 1.0)
        else:
            place = person.work if at_work else person.home
        found.append(_Stop(time_ms, place, None))
    return found


def _walk(stops: list[_Stop], stay: Stay) -> list[_Stop]:
    """Leaves time for the way between stops; what no longer fits into the stay is left out."""
    done = []
    place, free_ms = None, stay.from_ms
    for stop in sorted(stops, key=lambda one: one.time_ms):
        time_ms = stop.time_ms
        if stop.position is not None:
            way_ms = 0 if place is None else int(distance_km(place, stop.position) / _WALK_KMH * HOUR_MS)
            time_ms = max(time_ms, free_ms + way_ms)
        if time_ms >= stay.to_ms or (stop.shop is not None and not _still_open(stop.shop, stay, time_ms)):
            continue
        if stop.position is not None:
            place, free_ms = stop.position, time_ms + _PAUSE_MS
        done.append(_Stop(time_ms, stop.position, stop.shop))
    return done


def _still_open(shop: Shop, stay: Stay, time_ms: int) -> bool:
    return time_ms - midnight_ms(stay.metro.zone, stay.day) < shop.closes * HOUR_MS


def _fix(chance: Random, person: Person, place: Position, time_ms: int, stay: Stay) -> Location:
    # One fix in ten comes from a cell tower.
    usual_m = 900.0 if chance.random() < 0.1 else 22.0
    accuracy_m = round(around(chance, usual_m, 0.6), 1)
    return Location(
        user_id=person.user_id,
        position=near(chance, place, accuracy_m / 1000.0, accuracy_m),
        event_time=at(time_ms),
        device_id=person.device(stay.day),
    )


def _aftermath(chance: Random, payment: Payment, shop: Shop, fraud_rate: float) -> tuple[Followup, ...]:
    if chance.random() < _RETURNS.get(shop.category.name, 0.0):
        return (_refund(chance, payment),)
    if shop.position is None and chance.random() < fraud_rate * _DISPUTED:
        return (_dispute(chance, payment),)
    return ()


def _refund(chance: Random, payment: Payment) -> Payment:
    share = 1.0 if chance.random() < 0.7 else between(chance, 0.2, 0.9)
    return Payment(
        transaction_id=f"{payment.transaction_id}-r",
        user_id=payment.user_id,
        amount_minor=max(1, round(payment.amount_minor * share)),
        currency=payment.currency,
        event_time=days_after(payment.event_time, around(chance, 6.0, 0.5)),
        merchant_id=payment.merchant_id,
        payment_type=PaymentType.REFUND,
        mcc=payment.mcc,
        merchant_name=payment.merchant_name,
        merchant_country=payment.merchant_country,
        channel=payment.channel,
        card_token=payment.card_token,
    )


def _dispute(chance: Random, payment: Payment) -> Outcome:
    return Outcome(
        outcome_id=f"o-{payment.transaction_id}",
        transaction_id=payment.transaction_id,
        user_id=payment.user_id,
        outcome_kind=OutcomeKind.CHARGEBACK,
        verdict=Verdict.FRAUD,
        event_time=days_after(payment.event_time, between(chance, 12.0, 60.0)),
        source="simulator",
        code="friendly_fraud",
    )


def _bills(person: Person, part: int) -> list[Planned]:
    day, half = divmod(part, 2)
    if half:
        return []
    found = []
    for number, bill in enumerate(person.subscriptions):
        midnight_local = midnight_ms(person.metro.zone, day)
        if at(midnight_local + 12 * HOUR_MS).day != bill.day_of_month:
            continue
        time_ms = midnight_local + int(bill.hour_local * HOUR_MS)
        payment = Payment(
            transaction_id=f"t-{code(person.number)}-{code(part)}-s{code(number)}",
            user_id=person.user_id,
            amount_minor=minor(bill.euros, person.metro),
            currency=person.metro.currency,
            event_time=at(time_ms),
            merchant_id=bill.shop.merchant_id,
            mcc=bill.shop.category.mcc,
            merchant_name=bill.shop.name,
            merchant_country=person.metro.country,
            channel=Channel.ECOMMERCE,
            entry_mode=EntryMode.CREDENTIAL_ON_FILE,
            card_token=person.card(day),
        )
        found.append(Planned(time_ms, payment))
    return found


def _wishes(chance: Random, person: Person, part: int) -> list[Planned]:
    if not person.assets:
        return []
    start_ms = midnight_ms(person.metro.zone, part // 2) + (7 + 8 * (part % 2)) * HOUR_MS
    return [
        Planned(
            start_ms + int(7 * HOUR_MS * chance.random()),
            TradeWish(
                person=person.number,
                user_id=person.user_id,
                asset=pick(chance, person.assets),
                side=TradeSide.BUY if chance.random() < 0.55 else TradeSide.SELL,
                euros=around(chance, 120.0 * person.income, 1.0),
                calm=chance.random(),
                number=part * 64 + number,
            ),
        )
        for number in range(min(60, poisson(chance, 0.5)))
    ]
