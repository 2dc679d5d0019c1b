"""The shops of the simulated world and how somebody comes to one of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, exp
from random import Random
from typing import Final

from detectors.events import Merchant
from geo import Position, distance_km
from replay.simulator.categories import CATEGORIES, SUBSCRIPTIONS, Category
from replay.simulator.chance import around, code, pick_by, seeded, zipf
from replay.simulator.params import SimulatorParams
from replay.simulator.places import METROS, Metro, near

_LOOKED_AT: Final = 5
_DECAY_KM: Final = 2.5


@dataclass(frozen=True, slots=True)
class Shop:
    """One merchant. ``price_level`` multiplies its category's usual amount; ``position`` is None online."""

    merchant_id: str
    name: str
    category: Category
    metro: Metro
    position: Position | None
    price_level: float
    chain_id: str | None
    opens: float
    closes: float
    sunday: bool


class Directory:
    """All shops, by city and category; the first of each list are the popular ones.

    Memory grows with the number of shops: about one for 17 people.
    """

    def __init__(self, params: SimulatorParams) -> None:
        self._shops: dict[tuple[str, str], list[Shop]] = {}
        self._popularity: dict[tuple[str, str], list[float]] = {}
        for metro in METROS:
            people = params.users * metro.share / sum(m.share for m in METROS)
            for category in (*CATEGORIES, *SUBSCRIPTIONS):
                key = (metro.name, category.name)
                count = 2 + ceil(people * category.per_1000 / 1000.0)
                chance = seeded(params.seed, "shops", *key)
                self._shops[key] = [_shop(chance, metro, category, rank) for rank in range(count)]
                self._popularity[key] = zipf(count, 0.8)

    def shops(self, metro: Metro, category: Category) -> list[Shop]:
        """The shops of one category in a city, most popular first."""
        return self._shops[metro.name, category.name]

    def any_shop(self, chance: Random, metro: Metro, category: Category) -> Shop:
        """A shop by popularity alone."""
        key = (metro.name, category.name)
        return pick_by(chance, self._shops[key], self._popularity[key])

    def shop_near(self, chance: Random, metro: Metro, category: Category, place: Position) -> Shop:
        """A shop by popularity and by distance from ``place``, as somebody looking around would take it."""
        seen = [self.any_shop(chance, metro, category) for _ in range(_LOOKED_AT)]
        appeal = [
            exp(-distance_km(place, shop.position) / _DECAY_KM) + 1e-9 if shop.position else 1.0
            for shop in seen
        ]
        return pick_by(chance, seen, list(accumulate(appeal)))

    def events(self, params: SimulatorParams) -> Iterator[Merchant]:
        """The directory as events, all at the start."""
        for shops in self._shops.values():
            for shop in shops:
                yield Merchant(
                    merchant_id=shop.merchant_id,
                    event_time=params.start,
                    name=shop.name,
                    mcc=shop.category.mcc,
                    country=shop.metro.country,
                    position=shop.position,
                    radius_m=40.0 if shop.position else None,
                    chain_id=shop.chain_id,
                    opening_hours=opening_hours(shop) if shop.position else None,
                )


def opening_hours(shop: Shop) -> str:
    """The shop's hours in the syntax of OpenStreetMap."""
    if shop.category.open_always:
        return "24/7"
    hours = f"{_clock(shop.opens)}-{_clock(shop.closes)}"
    return hours if shop.sunday else f"Mo-Sa {hours}"


def _clock(hour: float) -> str:
    minutes = round(hour * 60.0)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _shop(chance: Random, metro: Metro, category: Category, rank: int) -> Shop:
    online = category.place == "online"
    in_chain = chance.random() < category.chains
    chain = f"chain-{category.name}-{code(int(3 * chance.random()))}" if in_chain and not online else None
    # Quarter hours: what stands on a real door.
    later, longer = round(2 * chance.gauss(0.0, 1.0)) / 4.0, round(2 * chance.gauss(0.0, 1.0)) / 4.0
    fixed = category.open_always
    return Shop(
        merchant_id=f"m-{metro.name}-{category.name}-{code(rank)}",
        name=f"{category.name} {code(rank)} {metro.name}".title(),
        category=category,
        metro=metro,
        position=None if online else near(chance, metro.centre, 0.5 * metro.radius_km),
        price_level=around(chance, 1.0, 0.25),
        chain_id=chain,
        opens=category.opens if fixed else min(max(5.0, category.opens + later), 18.0),
        closes=category.closes if fixed else min(max(18.5, category.closes + longer), 26.5),
        sunday=category.sunday,
    )
