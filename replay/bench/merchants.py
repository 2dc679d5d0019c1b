"""What it costs to know which merchants somebody is in or near, for few merchants and for many.

They stand in towns of 500, as dense in each of them however many towns there are. Who asks is in one of 20
towns, or in any of them: then the processor's caches hold less of what is looked at, which costs something
too. Each number of merchants has a process of its own, so that memory is counted from nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from random import Random
from resource import getpagesize
from typing import Any, Final

from detectors.directory import MerchantDirectory
from detectors.events import Merchant
from detectors.merchant_row import pack_merchant
from flows.garbage import calm_garbage_collector
from geo import Position

_TOWN: Final = 500
_FEW: Final = 20
"""In so many towns somebody asks at first."""
_TOWN_DEG: Final = 0.02
"""About two kilometres, the spread of a town."""
_AROUND_DEG: Final = 0.003
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TENANT: Final = "default"
_ROUNDS: Final = 3
"""The best one counts: noise only ever adds."""
REACH_M: Final = 300.0
"""How far "near" reaches."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one directory; times are means, of the processor.

    Parameters
    ----------
    put_us
        Taking in one merchant's event.
    start_s
        Taking in all stored rows, as a shard does when it starts.
    bytes_each
        Memory per merchant, all in all.
    inside_us, near_us
        Finding those that a position in one of 20 towns is in; those at most 300 m away from it.
    inside_anywhere_us, near_anywhere_us
        The same for positions in all towns.
    inside, near
        How many are found, there.
    """

    merchants: int
    put_us: float
    start_s: float
    bytes_each: int
    inside_us: float
    inside_anywhere_us: float
    near_us: float
    near_anywhere_us: float
    inside: float
    near: float

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


def measure_merchants(
    sizes: Sequence[int], positions: int, report: Callable[[Figures], None]
) -> list[Figures]:
    """Measure a directory of each size with so many positions."""
    found = []
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found.append(process.submit(_measure, size, positions).result())
        report(found[-1])
    return found


def _measure(count: int, positions: int) -> Figures:
    calm_garbage_collector()
    before = _memory()
    directory = MerchantDirectory()
    put_s = _timed(directory.put, ((event,) for event in _merchants(count)))
    memory = _memory() - before
    places = [merchant.position for merchant in directory.placed(_TENANT)]
    in_few = _positions(places, positions, _towns(count), _FEW)
    anywhere = _positions(places, positions, _towns(count), _towns(count))
    inside_us, _ = _ask(directory, in_few, 0.0)
    near_us, _ = _ask(directory, in_few, REACH_M)
    inside_anywhere_us, inside = _ask(directory, anywhere, 0.0)
    near_anywhere_us, near = _ask(directory, anywhere, REACH_M)
    rows = ((_TENANT, event.merchant_id, pack_merchant(event)) for event in _merchants(count))
    directory = MerchantDirectory()
    start_s = _timed(directory.load, rows)
    return Figures(
        count,
        round(put_s / count * 1e6, 1),
        round(start_s, 2),
        round(memory / count),
        round(inside_us, 1),
        round(inside_anywhere_us, 1),
        round(near_us, 1),
        round(near_anywhere_us, 1),
        round(inside, 2),
        round(near, 2),
    )


def _timed(work: Callable[..., object], calls: Iterable[tuple[object, ...]]) -> float:
    """How long all calls take together, without what it takes to make their arguments."""
    spent_s = 0.0
    for arguments in calls:
        begun = time.process_time()
        work(*arguments)
        spent_s += time.process_time() - begun
    return spent_s


def _merchants(count: int) -> Iterator[Merchant]:
    chance = Random(1)
    towns = [(chance.uniform(-60.0, 60.0), chance.uniform(-179.0, 179.0)) for _ in range(_towns(count))]
    for number in range(count):
        lat, lon = towns[number % len(towns)]
        opens, closes = chance.randrange(6, 12), chance.randrange(15, 24)
        yield Merchant(
            f"merchant-{number}",
            _START,
            name=f"Shop number {number}",
            mcc="5812",
            country="US",
            position=Position(lat + chance.gauss(0.0, _TOWN_DEG), lon + chance.gauss(0.0, _TOWN_DEG)),
            chain_id=f"chain-{number % 1_000}" if chance.random() < 0.3 else None,
            opening_hours=f"Mo-Fr {opens:02}:00-{closes}:30; Sa 10:00-14:00; PH off",
            time_zone="America/New_York",
        )


def _towns(merchants: int) -> int:
    return -(-merchants // _TOWN)


def _positions(places: Sequence[Position], count: int, towns: int, asked: int) -> list[Position]:
    """Positions around the places of merchants in the first ``asked`` of the towns."""
    chance = Random(2)
    there = [place for number, place in enumerate(places) if number % towns < asked]
    return [
        Position(place.lat + chance.gauss(0.0, _AROUND_DEG), place.lon + chance.gauss(0.0, _AROUND_DEG))
        for place in chance.choices(there, k=count)
    ]


def _ask(directory: MerchantDirectory, positions: list[Position], reach_m: float) -> tuple[float, float]:
    rounds = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        found = sum(len(directory.near(_TENANT, position, reach_m)) for position in positions)
        rounds.append(time.process_time() - begun)
    return min(rounds) / len(positions) * 1e6, found / len(positions)


def _memory() -> int:
    """The bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
