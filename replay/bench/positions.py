"""What following users costs: positions per second through the trust filter and the fences' state machine.

Fences lie in towns of some hundreds, denser towards the middle; more fences are more towns, so that a
position has about as many around it whatever their number. People rest, walk, cycle and drive between fences
of their town; their devices report every few seconds, with the errors that such devices have.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import cos, hypot, radians
from statistics import median
from typing import Any, Final

from flows.garbage import calm_garbage_collector
from geo import Fence, FenceIndex, Fix, Position, Presence

TOWN: Final = 575
"""Fences of one town: 23,000 in 40 towns."""
_SPREAD_M: Final = 1_500.0
_EVERY_S: Final = 10
_START_S: Final = 1_700_000_000
_M_PER_DEG: Final = 111_195.0
_PACES: Final = (1.3, 1.3, 1.3, 4.0, 12.0)


@dataclass(frozen=True, slots=True)
class PositionsRow:
    """The cost of a position against so many fences."""

    fences: int
    positions: int
    per_s: int
    us_each: float
    enters: int
    transitions: int
    median_bytes: int
    largest_bytes: int
    """Of a user's packed state, at the end."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_positions(
    fences: int, users: int, positions: int, rounds: int = 1, seed: int = 1
) -> PositionsRow:
    """Play so many positions of so many users against so many fences; the fastest round counts."""
    chance = random.Random(seed)
    towns = [_middle(number) for number in range(max(1, fences // TOWN))]
    index = FenceIndex(_fences(chance, towns, fences))
    fixes = _interleaved(chance, index, users, positions)
    calm_garbage_collector()
    best_s, presences, kinds = float("inf"), {}, Counter[str]()
    for _ in range(rounds):
        presences = {user: Presence() for user in range(users)}
        kinds = Counter()
        started = time.process_time()
        for user, fix in fixes:
            presence = presences[user]
            due_s = presence.due_s
            if due_s is not None and due_s < fix.time_s:
                kinds.update(type(each).__name__ for each in presence.advance(fix.time_s - 1, index))
            kinds.update(type(each).__name__ for each in presence.see(fix, index))
        best_s = min(best_s, time.process_time() - started)
    sizes = sorted(len(presence.pack()) for presence in presences.values())
    return PositionsRow(
        fences=fences,
        positions=len(fixes),
        per_s=round(len(fixes) / best_s),
        us_each=round(best_s / len(fixes) * 1e6, 1),
        enters=kinds["Enter"],
        transitions=kinds.total() - kinds["Refused"],
        median_bytes=round(median(sizes)),
        largest_bytes=sizes[-1],
    )


def _middle(number: int) -> Position:
    """Towns on a spiral over the Earth, 20 km apart and more."""
    return Position(-60.0 + (number * 0.618034 % 1.0) * 120.0, (number * 137.50776 + 180.0) % 360.0 - 180.0)


def _fences(chance: random.Random, towns: list[Position], count: int) -> Iterator[Fence]:
    for number in range(count):
        middle = towns[number % len(towns)]
        at = _moved(middle, chance.gauss(0.0, _SPREAD_M), chance.gauss(0.0, _SPREAD_M))
        yield Fence(f"m-{number}", at, chance.choice((50.0, 75.0, 100.0, 150.0)))


def _interleaved(
    chance: random.Random, index: FenceIndex, users: int, positions: int
) -> list[tuple[int, Fix]]:
    """The fixes of all users in order of time."""
    each = -(-positions // users)
    all_fences = list(index)
    found = [
        (fix.time_s, user, fix)
        for user in range(users)
        for fix in _fixes(chance, index, chance.choice(all_fences), each)
    ]
    found.sort(key=lambda item: item[:2])
    return [(user, fix) for _, user, fix in found[:positions]]


def _fixes(chance: random.Random, index: FenceIndex, home: Fence, count: int) -> Iterator[Fix]:
    """One user who goes from fence to fence, and rests at each."""
    at, time_s = home.position, _START_S + chance.randrange(_EVERY_S)
    near = [near.fence for near in index.near(at, 2_000.0)]
    goal, pace, rest = at, 0.0, chance.randrange(120)
    for _ in range(count):
        if rest:
            rest -= 1
        elif pace == 0.0:
            goal, pace = chance.choice(near).position, chance.choice(_PACES)
        else:
            at, arrived = _towards(at, goal, pace * _EVERY_S)
            if arrived:
                pace, rest = 0.0, chance.randrange(60, 240)
        error_m = chance.choice((4.0, 8.0, 12.0, 25.0))
        seen = _moved(at, chance.gauss(0.0, 0.6 * error_m), chance.gauss(0.0, 0.6 * error_m))
        yield Fix(Position(seen.lat, seen.lon, error_m), time_s)
        time_s += _EVERY_S


def _towards(at: Position, goal: Position, step_m: float) -> tuple[Position, bool]:
    north = (goal.lat - at.lat) * _M_PER_DEG
    east = (goal.lon - at.lon) * _M_PER_DEG * cos(radians(at.lat))
    way_m = hypot(east, north)
    if way_m <= step_m or way_m > 20_000.0:
        return goal, True
    return _moved(at, east * step_m / way_m, north * step_m / way_m), False


def _moved(at: Position, east_m: float, north_m: float) -> Position:
    lon = at.lon + east_m / (_M_PER_DEG * cos(radians(at.lat)))
    return Position(at.lat + north_m / _M_PER_DEG, (lon + 540.0) % 360.0 - 180.0)
