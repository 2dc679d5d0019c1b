"""A visit to a shop as a payment: amount, channel, entry mode, positions."""

from dataclasses import dataclass
from math import floor, log10
from random import Random
from typing import Final

from detectors.events import Channel, EntryMode, Payment, PaymentType
from geo import Position
from replay.simulator.categories import Category
from replay.simulator.chance import around, code
from replay.simulator.merchants import Shop
from replay.simulator.people import Person
from replay.simulator.places import Metro, at, minor, near

_CONTACTLESS_UP_TO_EUR: Final = 50.0
_COARSE_M: Final = 40_000.0
"""What an address on the internet says of a place: the city."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody buys at a shop: ``number`` makes the transaction id unique for the person's part of a day."""

    shop: Shop
    time_ms: int
    metro: Metro
    part: int
    number: int


def genuine_payment(chance: Random, person: Person, visit: Visit) -> Payment:
    """The payment that somebody makes on an ordinary visit."""
    shop, day = visit.shop, visit.part // 2
    euros = _euros(chance, person, shop)
    channel, entry_mode = _how(chance, person, shop, euros)
    in_app = channel in (Channel.WALLET, Channel.ECOMMERCE, Channel.BANK)
    is_transfer = shop.category.name == "transfer"
    return Payment(
        transaction_id=f"t-{code(person.number)}-{code(visit.part)}-{code(visit.number)}",
        user_id=person.user_id,
        amount_minor=priced(euros, shop.category, shop.metro),
        currency=shop.metro.currency,
        event_time=at(visit.time_ms),
        merchant_id=_payee(chance, person) if is_transfer else shop.merchant_id,
        payment_type=_TYPES.get(shop.category.name, PaymentType.PURCHASE),
        mcc=shop.category.mcc,
        merchant_name=None if is_transfer else shop.name,
        merchant_country=shop.metro.country,
        merchant_position=shop.position,
        payer_position=_payer_position(chance, person, visit) if in_app else None,
        device_id=person.device(day) if in_app else None,
        channel=channel,
        entry_mode=entry_mode,
        card_token=None
        if is_transfer
        else person.card(day, second=shop.position is None and not person.wallet),
    )


def priced(euros: float, category: Category, metro: Metro) -> int:
    """The amount in minor units; cash and gift cards come in round sums of the local money."""
    if category.round_to_eur == 0.0:
        return minor(euros, metro)
    step = _nice(category.round_to_eur * metro.per_euro)
    local = max(1, round(euros * metro.per_euro / step)) * step
    return minor(local / metro.per_euro, metro)


_TYPES: Final = {"cash": PaymentType.CASH_WITHDRAWAL, "transfer": PaymentType.TRANSFER}


def _euros(chance: Random, person: Person, shop: Shop) -> float:
    usual: float = shop.category.median_eur * shop.price_level * shop.metro.cost * person.income**0.5
    # Even the careless have a limit: no basket of a thousand coffees.
    return min(around(chance, usual, shop.category.sigma), 12.0 * usual)


def _how(chance: Random, person: Person, shop: Shop, euros: float) -> tuple[Channel, EntryMode | None]:
    name = shop.category.name
    if name == "transfer":
        return Channel.BANK, None
    if name == "cash":
        return Channel.ATM, EntryMode.CHIP
    if shop.position is None:
        known = chance.random() < 0.5
        return Channel.ECOMMERCE, EntryMode.CREDENTIAL_ON_FILE if known else EntryMode.ECOMMERCE
    if person.wallet and chance.random() < 0.75:
        return Channel.WALLET, EntryMode.CONTACTLESS
    contactless = chance.random() < (0.85 if euros <= _CONTACTLESS_UP_TO_EUR else 0.25)
    return Channel.POS, EntryMode.CONTACTLESS if contactless else EntryMode.CHIP


def _payer_position(chance: Random, person: Person, visit: Visit) -> Position | None:
    if not person.shares_location or chance.random() < 0.4:
        return None
    if visit.shop.position is None:
        return near(chance, visit.metro.centre, 0.3 * visit.metro.radius_km, _COARSE_M)
    accuracy_m = round(around(chance, 18.0, 0.6), 1)
    return near(chance, visit.shop.position, accuracy_m / 1000.0, accuracy_m)


def _payee(chance: Random, person: Person) -> str:
    friend = int(6 * chance.random() ** 2)
    return f"payee-{code(person.number)}-{code(friend)}"


def _nice(amount: float) -> float:
    power: float = 10.0 ** floor(log10(amount))
    lead = amount / power
    return power * next(nice for nice, below in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if lead < below)
