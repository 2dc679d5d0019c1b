"""Facts of payments and positions whose time is too far ahead of their shard's to be believed yet.

They wait beside the counters of their key. An event that is as far ahead sees them; ordinary ones do not.
When the shard's time comes near, they move into the counters, at the time that they said.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from detectors.velocity import WINDOWS

MAX_PAYMENTS: Final = 8
"""Facts of payments kept per key; beyond that, payments near in time share one."""
MAX_PLACES: Final = 4
_FACT = struct.Struct("<IIqddd")
_MAX_MINOR: Final = 2**62
_MAX_MOVED: Final = 1_000


class Fact(NamedTuple):
    """``payments`` of together ``minor``, the last at ``time_s``; where there are none, a position."""

    time_s: int
    payments: int
    minor: int
    lat: float = 0.0
    lon: float = 0.0
    accuracy_m: float = 0.0


Facts = tuple[Fact, ...]


def with_payment(facts: Facts, time_s: int, minor: int) -> Facts:
    """The facts and one payment more.

    >>> facts = with_payment(with_payment((), 1_000, 500), 1_030, 700)
    >>> counts, sums = windows_ahead(facts, 1_060)
    >>> counts[:2], sums[:2]
    ((1.0, 2.0), (7.0, 12.0))
    """
    payments = [fact for fact in facts if fact.payments]
    if len(payments) < MAX_PAYMENTS:
        return (*facts, Fact(time_s, 1, minor))
    near = min(payments, key=lambda fact: abs(fact.time_s - time_s))
    merged = Fact(max(near.time_s, time_s), near.payments + 1, min(near.minor + minor, _MAX_MINOR))
    return tuple(merged if fact is near else fact for fact in facts)


def with_place(facts: Facts, place: Fact) -> Facts:
    """The facts and one position more; of positions the last few are kept."""
    places = [fact for fact in facts if not fact.payments]
    gone = places[0] if len(places) >= MAX_PLACES else None
    return (*(fact for fact in facts if fact is not gone), place)


def windows_ahead(facts: Facts, time_s: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What the facts add to the counts and sums of ``detectors.velocity.WINDOWS`` at ``time_s``."""
    counts, sums = [], []
    for window_s in WINDOWS:
        count = minor = 0
        for fact in facts:
            if time_s - window_s < fact.time_s <= time_s:
                count += fact.payments
                minor += fact.minor
        counts.append(float(count))
        sums.append(minor / 100.0)
    return tuple(counts), tuple(sums)


def last_payment_s(facts: Facts, time_s: int) -> int:
    """When the last of the payments up to ``time_s`` was; 0 when there is none."""
    return max((fact.time_s for fact in facts if fact.payments and fact.time_s <= time_s), default=0)


def last_place(facts: Facts, time_s: int) -> Fact | None:
    """The last of the positions up to ``time_s``."""
    places = [fact for fact in facts if not fact.payments and fact.time_s <= time_s]
    return max(places, key=lambda fact: fact.time_s, default=None)


def split(facts: Facts, believed: Callable[[int], bool]) -> tuple[list[Fact], Facts]:
    """Those whose time is believed now, oldest first, and those that still wait."""
    ready = sorted(fact for fact in facts if believed(fact.time_s))
    return ready, tuple(fact for fact in facts if not believed(fact.time_s))


def each_payment(fact: Fact) -> Iterable[int]:
    """The amounts to count for a fact: their sum is right, and so is their number up to a thousand."""
    yield fact.minor
    for _ in range(min(fact.payments, _MAX_MOVED) - 1):
        yield 0


def pack_facts(facts: Facts) -> bytes:
    """The facts as bytes."""
    return b"".join(_FACT.pack(*fact) for fact in facts)


def unpack_facts(packed: bytes) -> Facts:
    """The facts that :func:`pack_facts` wrote."""
    return tuple(map(Fact._make, _FACT.iter_unpack(packed)))
