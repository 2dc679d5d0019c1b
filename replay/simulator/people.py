"""The people: everything about somebody that lasts, drawn from the seed and the person's number alone.

Nobody is kept in memory: a person is made again whenever needed, and is the same each time.
"""

from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final

from geo import Position
from replay.simulator.categories import CATEGORIES, SUBSCRIPTIONS, Category
from replay.simulator.chance import around, between, code, pick_by, poisson, seeded, zipf
from replay.simulator.episodes import PAYMENTS_PER_DAY, Episode, plan_episodes
from replay.simulator.merchants import Directory, Shop
from replay.simulator.params import SimulatorParams
from replay.simulator.places import METRO_SHARES, METROS, Metro, near
from replay.simulator.trips import Trip, plan_trips

ASSETS: Final = ("BTC", "ETH", "SOL")
_WEIGHTS: Final = tuple(category.weight for category in CATEGORIES)
_SUBSCRIPTION_WEIGHTS: Final = list(accumulate(category.weight for category in SUBSCRIPTIONS))
_RANKS: Final = range(3)
_FAVOURITES: Final = zipf(len(_RANKS), 1.0)
_EXPLORES: Final = 0.06


@dataclass(frozen=True, slots=True)
class Subscription:
    """A bill on a fixed day of the month, always the same amount (in euros at the home's price level)."""

    shop: Shop
    day_of_month: int
    euros: float
    hour_local: float


@dataclass(slots=True)
class Person:
    """Somebody's lasting traits. ``tastes`` are running sums over the categories."""

    number: int
    user_id: str
    metro: Metro
    home: Position
    work: Position
    works: bool
    income: float
    activity: float
    tastes: list[float]
    salary_day: int
    wallet: bool
    shares_location: bool
    shares_trading: bool
    phone_days: tuple[int, int]
    card_days: tuple[int, int]
    assets: tuple[str, ...]
    first_day: int
    subscriptions: tuple[Subscription, ...]
    trips: tuple[Trip, ...]
    episodes: tuple[Episode, ...]
    _favourites: dict[tuple[str, str, int], Shop] = field(default_factory=dict)

    def device(self, day: int) -> str:
        """The phone in use: a new one every two or three years."""
        every, since = self.phone_days
        return f"d-{code(self.number)}-{code((day + since) // every)}"

    def card(self, day: int, second: bool = False) -> str:
        """The token of the card in use; renewed every few years, and replaced soon after a fraud."""
        every, since = self.card_days
        replaced = sum(episode.day + 4 <= day for episode in self.episodes)
        return (
            f"c-{code(self.number)}-{'s' if second else 'f'}-{code((day + since) // every)}{code(replaced)}"
        )


class People:
    """Makes people of one world."""

    def __init__(self, params: SimulatorParams, directory: Directory) -> None:
        self._params = params
        self._directory = directory

    def person(self, number: int) -> Person:
        """The person with this number."""
        params = self._params
        chance = seeded(params.seed, "person", number)
        metro = pick_by(chance, METROS, METRO_SHARES)
        income = around(chance, 1.0, 0.45)
        joins, ends = params.first_day, params.first_day + params.days
        if chance.random() < params.newcomers:
            joins += int(chance.random() * params.days)
        trader = chance.random() < params.traders
        home = near(chance, metro.centre, 0.55 * metro.radius_km)
        return Person(
            number=number,
            user_id=f"u-{code(number)}",
            metro=metro,
            home=home,
            work=near(chance, metro.centre, 0.35 * metro.radius_km),
            works=chance.random() < 0.72,
            income=income,
            activity=PAYMENTS_PER_DAY * around(chance, 0.88, 0.5) * min(1.5, income) ** 0.3,
            tastes=list(accumulate(weight * between(chance, 0.2, 1.8) for weight in _WEIGHTS)),
            salary_day=1 + int(28 * chance.random()),
            wallet=chance.random() < 0.45,
            shares_location=chance.random() < 0.6,
            shares_trading=trader and chance.random() < 0.8,
            phone_days=_renewal(chance, 700, 1100),
            card_days=_renewal(chance, 1000, 1460),
            assets=ASSETS[: 1 + int(3 * chance.random() ** 2)] if trader else (),
            first_day=joins,
            subscriptions=self._subscriptions(chance, metro, income),
            trips=plan_trips(params.seed, number, metro, (joins, ends), 70.0 / min(2.5, income)),
            episodes=plan_episodes(params.seed, number, (joins, ends), params.fraud_rate),
        )

    def favourite(self, person: Person, metro: Metro, category: Category, rank: int) -> Shop:
        """A shop of a category where somebody usually goes in a city; rank 0 is the most usual one."""
        key = (metro.name, category.name, rank)
        known = person._favourites.get(key)
        if known is None:
            chance = seeded(self._params.seed, "favourite", person.number, *key)
            place = self.base(person, metro, category)
            known = person._favourites[key] = self._directory.shop_near(chance, metro, category, place)
        return known

    def choose_shop(self, chance: Random, person: Person, metro: Metro, category: Category) -> Shop:
        """Mostly one of the favourites; now and then something new."""
        if chance.random() < _EXPLORES:
            return self._directory.shop_near(chance, metro, category, self.base(person, metro, category))
        return self.favourite(person, metro, category, pick_by(chance, _RANKS, _FAVOURITES))

    def base(self, person: Person, metro: Metro, category: Category) -> Position:
        """From where somebody goes to shops of this category: home or work, or the hotel abroad."""
        if metro is not person.metro:
            return self.hotel(person, metro)
        return person.work if category.place == "work" and person.works else person.home

    def hotel(self, person: Person, metro: Metro) -> Position:
        """Where somebody sleeps in another city: always in the same place, near the centre."""
        return near(seeded(self._params.seed, "hotel", person.number, metro.name), metro.centre, 2.0)

    def _subscriptions(self, chance: Random, metro: Metro, income: float) -> tuple[Subscription, ...]:
        found = {}
        for _ in range(poisson(chance, 1.8)):
            category = pick_by(chance, SUBSCRIPTIONS, _SUBSCRIPTION_WEIGHTS)
            euros = around(chance, category.median_eur, category.sigma) * metro.cost * income**0.3
            shop = self._directory.any_shop(chance, metro, category)
            found[shop.merchant_id] = Subscription(
                shop, 1 + int(28 * chance.random()), euros, between(chance, 5.1, 9.0)
            )
        return tuple(found.values())


def _renewal(chance: Random, shortest: int, longest: int) -> tuple[int, int]:
    every = int(between(chance, shortest, longest))
    return every, int(every * chance.random())
