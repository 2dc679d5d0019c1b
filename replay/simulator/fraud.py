"""What fraudsters do with somebody's card or account, and how it comes to light.

Each pattern gives the payments of one episode. The label follows days later, as a report by the victim or a
chargeback; its ``code`` names the pattern, and some frauds are never noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from detectors.events import Channel, EntryMode, Outcome, OutcomeKind, Payment, PaymentType, Verdict
from geo import Position
from replay.simulator.categories import CATEGORIES, INDEX
from replay.simulator.chance import around, between, code, pick, seeded
from replay.simulator.merchants import Directory, Shop
from replay.simulator.payments import priced
from replay.simulator.people import Person
from replay.simulator.places import HOUR_MS, METROS, at, days_after, midnight_ms, near

_MINUTE_MS: Final = 60_000
_TEST_EUR: Final = (0.8, 3.0)


@dataclass(slots=True)
class _Scene:
    """One episode as it unfolds: ``pay`` adds a payment and lets time pass."""

    chance: Random
    directory: Directory
    person: Person
    name: str
    day: int
    time_ms: int
    payments: list[Payment]

    def shop(self, category: str, anywhere: bool = False) -> Shop:
        metro = pick(self.chance, METROS) if anywhere else self.person.metro
        return self.directory.any_shop(self.chance, metro, CATEGORIES[INDEX[category]])

    def pass_minutes(self, low: float, high: float) -> None:
        self.time_ms += int(between(self.chance, low, high) * _MINUTE_MS)

    def pay(
        self,
        shop: Shop,
        euros: float,
        channel: Channel,
        entry_mode: EntryMode | None,
        device_id: str | None = None,
        payer_position: Position | None = None,
        payee: str | None = None,
        payment_type: PaymentType = PaymentType.PURCHASE,
    ) -> None:
        verifies = payment_type is PaymentType.ACCOUNT_VERIFICATION
        self.payments.append(
            Payment(
                transaction_id=f"t-{code(self.person.number)}-{self.name}-{code(len(self.payments))}",
                user_id=self.person.user_id,
                amount_minor=0 if verifies else priced(euros, shop.category, shop.metro),
                currency=shop.metro.currency,
                event_time=at(self.time_ms),
                merchant_id=payee or shop.merchant_id,
                payment_type=payment_type,
                mcc=shop.category.mcc,
                merchant_name=None if payee else shop.name,
                merchant_country=shop.metro.country,
                merchant_position=shop.position,
                payer_position=payer_position,
                device_id=device_id,
                channel=channel,
                entry_mode=entry_mode,
                card_token=None if payee else self.person.card(self.day),
            )
        )

    def new_device(self) -> str:
        return f"d-{code(int(self.chance.random() * 3.2e9))}-x"


def fraud_events(
    seed: int, directory: Directory, person: Person, pattern: str, day: int, report_rate: float
) -> list[Payment | Outcome]:
    """The payments of one episode that starts on ``day``, and their labels."""
    chance = seeded(seed, "fraud", person.number, pattern, day)
    midnight = midnight_ms(person.metro.zone, day)
    scene = _Scene(chance, directory, person, f"{code(day)}x", day, midnight, [])
    _PATTERNS[pattern](scene)
    events: list[Payment | Outcome] = list(scene.payments)
    if chance.random() < report_rate:
        events += _labels(chance, scene.payments, pattern)
    return events


def _labels(chance: Random, payments: list[Payment], pattern: str) -> list[Outcome]:
    victim_reports = chance.random() < 0.7
    delay_days = min(60.0, around(chance, 3.0, 0.7) if victim_reports else around(chance, 16.0, 0.4))
    last = payments[-1].event_time
    return [
        Outcome(
            outcome_id=f"o-{payment.transaction_id}",
            transaction_id=payment.transaction_id,
            user_id=payment.user_id,
            outcome_kind=OutcomeKind.FRAUD_REPORT if victim_reports else OutcomeKind.CHARGEBACK,
            verdict=Verdict.FRAUD,
            event_time=days_after(last, delay_days),
            source="simulator",
            code=pattern,
            reported_time=days_after(last, delay_days),
        )
        for payment in payments
    ]


def _start(scene: _Scene, low_hour: float, high_hour: float) -> None:
    scene.time_ms += int(between(scene.chance, low_hour, high_hour) * HOUR_MS)


def _stolen_card_burst(scene: _Scene) -> None:
    """A small test first, then the most that the shops around will take."""
    chance = scene.chance
    _start(scene, 10.0, 20.0)
    scene.pay(scene.shop("digital"), between(chance, *_TEST_EUR), Channel.ECOMMERCE, EntryMode.MANUAL)
    scene.pass_minutes(5.0, 40.0)
    for _ in range(2 + int(5 * chance.random())):
        shop = scene.shop(pick(chance, ("electronics", "jewellery", "clothing")))
        euros = around(chance, 3.0 * shop.category.median_eur, 0.5)
        scene.pay(shop, euros, Channel.POS, EntryMode.CHIP)
        scene.pass_minutes(4.0, 25.0)


def _account_takeover(scene: _Scene) -> None:
    """At night, from a new phone far away: the account is checked, then emptied to a new payee."""
    chance = scene.chance
    _start(scene, 25.0, 28.5)
    device, payee = scene.new_device(), f"payee-{code(int(chance.random() * 1.6e5))}-x"
    far = near(chance, pick(chance, METROS).centre, 5.0, 40_000.0)
    shop = scene.shop("transfer")
    scene.pay(shop, 0.0, Channel.BANK, None, device, far, payee, PaymentType.ACCOUNT_VERIFICATION)
    euros = around(chance, 180.0 * scene.person.income, 0.5)
    for _ in range(1 + int(3 * chance.random())):
        scene.pass_minutes(1.0, 9.0)
        scene.pay(shop, euros, Channel.BANK, None, device, far, payee, PaymentType.TRANSFER)
        euros *= between(chance, 1.2, 2.5)


def _card_not_present(scene: _Scene) -> None:
    """Many online merchants in an hour or two, some of them abroad."""
    chance = scene.chance
    _start(scene, 6.0, 27.0)
    device = scene.new_device()
    for _ in range(4 + int(7 * chance.random())):
        shop = scene.shop(pick(chance, ("marketplace", "digital", "marketplace")), chance.random() < 0.4)
        scene.pay(shop, around(chance, 65.0, 0.7), Channel.ECOMMERCE, EntryMode.MANUAL, device)
        scene.pass_minutes(2.0, 20.0)


def _skimming(scene: _Scene) -> None:
    """A copied card draws cash in another city while its owner goes about the day at home."""
    chance = scene.chance
    _start(scene, 9.0, 21.0)
    others = [metro for metro in METROS if metro is not scene.person.metro]
    machine = scene.directory.any_shop(chance, pick(chance, others), CATEGORIES[INDEX["cash"]])
    for _ in range(2 + int(3 * chance.random())):
        euros = between(chance, 150.0, 500.0)
        kind = PaymentType.CASH_WITHDRAWAL
        scene.pay(machine, euros, Channel.ATM, EntryMode.MAGSTRIPE, payment_type=kind)
        scene.pass_minutes(2.0, 12.0)


def _gift_card_drain(scene: _Scene) -> None:
    """Gift cards in round sums, minutes apart, as long as it goes well."""
    chance = scene.chance
    _start(scene, 6.0, 27.0)
    device, shop = scene.new_device(), scene.shop("gift-card")
    for _ in range(4 + int(5 * chance.random())):
        euros = pick(chance, (25.0, 50.0, 50.0, 100.0))
        scene.pay(shop, euros, Channel.ECOMMERCE, EntryMode.CREDENTIAL_ON_FILE, device)
        scene.pass_minutes(1.0, 6.0)


def _leaked_card(scene: _Scene) -> None:
    """The card was read at a leaking merchant; now somebody shops with it online."""
    chance = scene.chance
    _start(scene, 6.0, 27.0)
    device = scene.new_device()
    for _ in range(1 + int(3 * chance.random())):
        shop = scene.shop("marketplace", anywhere=True)
        scene.pay(shop, around(chance, 110.0, 0.6), Channel.ECOMMERCE, EntryMode.ECOMMERCE, device)
        scene.pass_minutes(10.0, 180.0)


_PATTERNS: Final[dict[str, Callable[[_Scene], None]]] = {
    "stolen_card_burst": _stolen_card_burst,
    "account_takeover": _account_takeover,
    "card_not_present": _card_not_present,
    "skimming": _skimming,
    "gift_card_drain": _gift_card_drain,
    "merchant_compromise": _leaked_card,
}
