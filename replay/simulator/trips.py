"""Where somebody is: at home, or abroad for some days with the flights between."""

from dataclasses import dataclass
from typing import Final

from geo import distance_km
from replay.simulator.chance import pick_by, seeded, wait
from replay.simulator.places import DAY_MS, HOUR_MS, METRO_SHARES, METROS, Metro, midnight_ms

_DEPARTS_H: Final = 10.0
_RETURNS_H: Final = 12.0
_AIRPORT_MS: Final = HOUR_MS
_FLIGHT_KMH: Final = 800.0
_ON_GROUND_H: Final = 3.0
PART_HOURS: Final = ((5.0, 14.75), (15.25, 26.5))
"""Local hours of the two parts of a day. The gap lets everybody get home, so parts can be planned alone."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A stay in another city. All instants are milliseconds since the epoch."""

    metro: Metro
    leaves_ms: int
    arrives_ms: int
    departs_ms: int
    home_ms: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A span in one city in which somebody can do things."""

    metro: Metro
    abroad: bool
    day: int
    from_ms: int
    to_ms: int


def plan_trips(
    seed: int, user: int, home: Metro, days: tuple[int, int], every_days: float
) -> tuple[Trip, ...]:
    """The trips of a user, in order of time and apart from each other."""
    chance = seeded(seed, "trips", user)
    trips = []
    first_day, last_day = days
    day = first_day + 1 + int(wait(chance, every_days))
    while day <= last_day:
        goal = pick_by(chance, METROS, METRO_SHARES)
        nights = 2 + int(wait(chance, 4.0))
        if goal is not home:
            trips.append(_trip(home, goal, day, nights))
        day += nights + 4 + int(wait(chance, every_days))
    return tuple(trips)


def stays(home: Metro, trips: tuple[Trip, ...], part: int) -> list[Stay]:
    """Where somebody can do things in a part of a day; part ``2 * day`` is the first of ``day``."""
    at_home = _stay(home, False, part)
    near_by = [trip for trip in trips if abs(trip.leaves_ms - at_home.from_ms) < 60 * DAY_MS]
    if not near_by:
        return [at_home]
    found = []
    for trip in near_by:
        abroad = _stay(trip.metro, True, part)
        found.append(_clip(abroad, trip.arrives_ms, trip.departs_ms))
    before = max((trip.home_ms for trip in near_by if trip.leaves_ms <= at_home.from_ms), default=0)
    after = min(
        (trip.leaves_ms for trip in near_by if trip.leaves_ms > at_home.from_ms), default=at_home.to_ms
    )
    found.append(_clip(at_home, before, after))
    return sorted((stay for stay in found if stay.from_ms < stay.to_ms), key=lambda stay: stay.from_ms)


def _trip(home: Metro, goal: Metro, day: int, nights: int) -> Trip:
    way_ms = int((_ON_GROUND_H + distance_km(home.centre, goal.centre) / _FLIGHT_KMH) * HOUR_MS)
    leaves_ms = midnight_ms(home.zone, day) + int(_DEPARTS_H * HOUR_MS)
    departs_ms = midnight_ms(goal.zone, day + nights) + int(_RETURNS_H * HOUR_MS)
    return Trip(
        goal, leaves_ms - _AIRPORT_MS, leaves_ms + way_ms, departs_ms - _AIRPORT_MS, departs_ms + way_ms
    )


def _stay(metro: Metro, abroad: bool, part: int) -> Stay:
    day, half = divmod(part, 2)
    opens, closes = PART_HOURS[half]
    midnight = midnight_ms(metro.zone, day)
    return Stay(metro, abroad, day, midnight + int(opens * HOUR_MS), midnight + int(closes * HOUR_MS))


def _clip(stay: Stay, from_ms: int, to_ms: int) -> Stay:
    return Stay(stay.metro, stay.abroad, stay.day, max(stay.from_ms, from_ms), min(stay.to_ms, to_ms))
