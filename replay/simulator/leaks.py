"""Merchants that leak the cards of their customers."""

from dataclasses import dataclass
from typing import Final

from detectors.events import Payment
from replay.simulator.categories import CATEGORIES, INDEX
from replay.simulator.chance import pick, pick_by, seeded
from replay.simulator.days import plan_part
from replay.simulator.merchants import Directory, Shop
from replay.simulator.params import SimulatorParams
from replay.simulator.people import People, Person
from replay.simulator.places import METRO_SHARES, METROS

LEAKING_DAYS: Final = 4
USED_OVER_DAYS: Final = 7
_HIT_SHARE: Final = 0.3
_KINDS: Final = ("grocery", "restaurant", "fuel", "fast-food", "bar")


@dataclass(frozen=True, slots=True)
class Leak:
    """A shop reads its customers' cards from ``first_day`` on; they are used from ``used_day`` on."""

    number: int
    shop: Shop
    first_day: int
    used_day: int


def plan_leaks(params: SimulatorParams, directory: Directory) -> tuple[Leak, ...]:
    """All leaks of a world: popular shops, in the first half of the run."""
    chance = seeded(params.seed, "leaks")
    wanted = params.compromises * params.days / 30.0 if params.fraud_rate > 0.0 else 0.0
    found = []
    for number in range(int(wanted + chance.random())):
        metro = pick_by(chance, METROS, METRO_SHARES)
        shops = directory.shops(metro, CATEGORIES[INDEX[pick(chance, _KINDS)]])
        first_day = params.first_day + int(chance.random() * 0.5 * params.days)
        used_day = first_day + LEAKING_DAYS + 1 + int(4 * chance.random())
        found.append(Leak(number, pick(chance, shops[:3]), first_day, used_day))
    return tuple(found)


def is_hit(params: SimulatorParams, people: People, person: Person, leak: Leak, day: int) -> bool:
    """Whether the person's card, read in the leaking days, is used on ``day``."""
    if person.metro is not leak.shop.metro or not 0 <= day - leak.used_day < USED_OVER_DAYS:
        return False
    chance = seeded(params.seed, "leak", leak.number, person.number)
    if chance.random() >= _HIT_SHARE or int(chance.random() * USED_OVER_DAYS) != day - leak.used_day:
        return False
    return _was_there(params, people, person, leak)


def _was_there(params: SimulatorParams, people: People, person: Person, leak: Leak) -> bool:
    # The past is planned again instead of remembered.
    first_part = 2 * max(leak.first_day, person.first_day)
    return any(
        isinstance(planned.item, Payment) and planned.item.merchant_id == leak.shop.merchant_id
        for part in range(first_part, 2 * (leak.first_day + LEAKING_DAYS))
        for planned in plan_part(params, people, person, part)
    )
