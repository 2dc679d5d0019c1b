"""What is normal over all users of a shard, and how often each detector cries.

Two parts. The *norms* are plain statistics of payments that were let through. The *calibrators* are fading
histograms of every payment's surprises: a detector that often cries is believed little, without labels.
"""

import struct
from array import array
from collections.abc import Iterable
from math import exp, isfinite, log, log10
from typing import Final

from detectors.rhythm_state import RHYTHM_SIZE, new_rhythm
from detectors.shard_clock import TOLERANCE_S, ShardClock
from detectors.tails import MAX_SURPRISE, REPORT_FROM
from detectors.tokens import check_version

# Places in Population.norms: count, mean, variance each, unless named otherwise.
AMOUNT: Final = 0
WITHIN: Final = 3  # deviation from the user's own level
DISTANCE: Final = 6
CATEGORY_WITHIN: Final = 9  # deviation from the level expected in the category
RATE: Final = 12  # payments of a user per second: count, mean
JOINT: Final = 14  # score of the joint model
LEARNED: Final = 17  # payments that were let through
NEW: Final = 18  # per kind: count, share that was new
RHYTHM: Final = NEW + 12
NORMS: Final = RHYTHM + RHYTHM_SIZE

BINS: Final = 40
_BINS_PER_UNIT: Final = BINS / MAX_SURPRISE
RAW_BINS: Final = 160
MAX_RAW: Final = 16.0
_RAW_PER_UNIT: Final = RAW_BINS / MAX_RAW

HALF_LIFE_S: Final = 14 * 86_400
"""Surprises of two weeks ago count half."""
PRIOR: Final = 100.0
"""The calibrators start as if they had seen this many payments of an ideal stream."""
_DECAY: Final = log(2.0) / HALF_LIFE_S
_MAX_UNIT: Final = 65_536.0
_HEADER = struct.Struct("<BBHIdd")
_VERSION: Final = 2
_FIRST: Final = 1  # the version that knew the detectors by place and kept each bin's own mass
_FIRST_PLACES: Final = 12
_FIRST_NAMES: Final = (
    "amount",
    "category_amount",
    "pace",
    "burst",
    "rhythm",
    "novelty",
    "travel",
    "payer_distance",
    "merchant",
    "joint",
)


class Population:
    """Everything that the users of a shard share, except the joint model.

    Attributes
    ----------
    clock
        The shard's time. Silence ages what is known by a day at most.
    norms
        Statistics of payments that were let through; places are named by this module's constants.
    payments
        Payments observed, older ones faded.
    """

    # Histograms hold in each place the mass at or above it: asked about often, changed once per payment.
    __slots__ = ("_cries", "_raw", "_unit", "clock", "norms", "payments")

    def __init__(self) -> None:
        self.norms = [0.0] * NORMS
        # Lists, not arrays: there is one population, and every payment reads it some fifty times.
        # A little knowledge to begin with, soon outweighed: amounts around 30, spread over a few decades.
        self.norms[AMOUNT : AMOUNT + 3] = (5.0, 3.4, 2.0)
        self.norms[WITHIN : WITHIN + 3] = (5.0, 0.0, 1.0)
        self.norms[CATEGORY_WITHIN : CATEGORY_WITHIN + 3] = (5.0, 0.0, 1.0)
        self.norms[DISTANCE : DISTANCE + 3] = (5.0, 2.0, 2.0)
        self.norms[RATE : RATE + 2] = (5.0, 1.0 / 86_400.0)
        self.norms[JOINT : JOINT + 3] = (5.0, 0.5, 0.0025)
        for kind in range(6):
            self.norms[NEW + 2 * kind : NEW + 2 * kind + 2] = (5.0, 0.1)
        new_rhythm(self.norms, RHYTHM)
        self._cries: dict[str, list[float]] = {}
        self._raw = [0.0] * RAW_BINS
        self._unit = 1.0  # what one payment weighs now; it grows, so that older ones fade
        self.clock = ShardClock()
        self.payments = 0.0

    @classmethod
    def without_prior(cls) -> "Population":
        """A population that knows nothing yet: what it learns can be merged into another."""
        self = cls()
        self.norms = [0.0] * NORMS
        new_rhythm(self.norms, RHYTHM)
        return self

    def add_masses(self, other: "Population") -> None:
        """Count the payments that ``other`` observed: masses add once they have faded equally."""
        age_s = 0
        if self.clock.now_s and other.clock.now_s:
            age_s = min(max(self.clock.now_s - other.clock.now_s, -TOLERANCE_S), TOLERANCE_S)
        weight = self._unit / other._unit * exp(-_DECAY * age_s)
        self.payments += weight * other.payments
        self._raw = _joined(self._raw, other._raw, weight)
        for name, masses in other._cries.items():
            self._cries[name] = _joined(self._cries.get(name) or [0.0] * BINS, masses, weight)

    def is_sound(self) -> bool:
        """Whether all numbers are there and finite, and no mass is negative: they may come from elsewhere."""
        if len(self._raw) != RAW_BINS or any(len(masses) != BINS for masses in self._cries.values()):
            return False
        masses = [self._unit, self.payments, *self._raw]
        for cries in self._cries.values():
            masses += cries
        return all(map(isfinite, (*self.norms, *masses))) and min(masses) >= 0.0 < self._unit

    def calibrated(self, detector: str, surprise: float) -> float:
        """The surprise of seeing the detector's ``surprise`` or more, by what it said before."""
        masses = self._cries.get(detector)
        above = 0.0 if masses is None else _at_least(masses, surprise * _BINS_PER_UNIT)
        prior = PRIOR * self._unit
        return -log10((above + prior * 10.0**-surprise) / (self.payments + prior))

    def tail(self, raw_score: float) -> float:
        """The share of payments with at least this raw score."""
        if raw_score <= 0.0:
            return 1.0
        place = raw_score * _RAW_PER_UNIT
        index = int(place)
        if index >= RAW_BINS - 1:
            expected: float = _IDEAL[-2] * 10.0 ** ((RAW_BINS - 1) / _RAW_PER_UNIT - raw_score)
        else:
            expected = _IDEAL[index] + (place - index) * (_IDEAL[index + 1] - _IDEAL[index])
        prior = PRIOR * self._unit
        return (_at_least(self._raw, place) + prior * expected) / (self.payments + prior)

    def see(self, time_s: int) -> None:
        """Take note of the time of a payment: the shard's time goes on, and older payments fade."""
        step_s = self.clock.see(time_s)
        if not step_s:
            return
        self._unit *= exp(_DECAY * step_s)
        if self._unit > _MAX_UNIT:
            scale = 1.0 / self._unit
            self._raw = [mass * scale for mass in self._raw]
            self._cries = {name: [mass * scale for mass in masses] for name, masses in self._cries.items()}
            self.payments *= scale
            self._unit = 1.0

    def observe(self, surprises: Iterable[tuple[str, float]], raw_score: float) -> None:
        """Count one payment's surprises, each with its detector's name, and its raw score."""
        unit = self._unit
        self.payments += unit
        for detector, surprise in surprises:
            if surprise:
                masses = self._cries.get(detector)
                if masses is None:
                    masses = self._cries[detector] = [0.0] * BINS
                _count(masses, surprise * _BINS_PER_UNIT, unit)
        if raw_score > 0.0:
            _count(self._raw, raw_score * _RAW_PER_UNIT, unit)

    def pack(self) -> bytes:
        """The state as bytes; the first one is the schema's version."""
        cries = sorted(self._cries.items())
        return b"".join(
            (
                _HEADER.pack(_VERSION, len(cries), len(self.norms), 0, self._unit, self.payments),
                self.clock.pack(),
                array("d", self.norms).tobytes(),
                array("d", self._raw).tobytes(),
                *(_pack_cries(name, masses) for name, masses in cries),
            )
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "Population":
        """The state that :meth:`pack` wrote, or that its first version did."""
        version, detectors, norms, time_s, unit, payments = _HEADER.unpack_from(packed)
        check_version("population", version, _FIRST, _VERSION)
        check_version("population, its number of norms", norms, NORMS)
        self = cls.__new__(cls)
        self._unit, self.payments = unit, payments
        at = _HEADER.size
        self.clock = ShardClock()
        if version == _FIRST:
            self.clock.now_s = time_s
        else:
            self.clock = ShardClock.unpack(packed[at : at + ShardClock.SIZE])
            at += ShardClock.SIZE
        self.norms, at = _numbers(packed, at, norms)
        if version == _FIRST:
            self._cries, self._raw = _read_first(array("d", packed[at:]).tolist())
            return self
        self._raw, at = _numbers(packed, at, RAW_BINS)
        self._cries = {}
        for _ in range(detectors):
            begin = at + 1 + packed[at]
            name = packed[at + 1 : begin].decode()
            self._cries[name], at = _numbers(packed, begin, BINS)
        return self


def _joined(masses: list[float], others: list[float], weight: float) -> list[float]:
    return [mass + weight * other for mass, other in zip(masses, others, strict=True)]


def _pack_cries(name: str, masses: list[float]) -> bytes:
    return bytes((len(name),)) + name.encode() + array("d", masses).tobytes()


def _numbers(packed: bytes, at: int, count: int) -> tuple[list[float], int]:
    end = at + 8 * count
    return array("d", packed[at:end]).tolist(), end


def _at_least(masses: list[float], place: float) -> float:
    """The mass at or above a place between two, as if it lay evenly in between."""
    index = int(place)
    if index >= len(masses) - 1:
        return masses[-1]  # it holds what was clipped: no place inside
    above = masses[index + 1]
    return above + (masses[index] - above) * (1.0 + index - place)


def _count(masses: list[float], place: float, unit: float) -> None:
    end = int(place) + 1
    masses[:end] = [mass + unit for mass in masses[:end]]


def _read_first(bins: list[float]) -> tuple[dict[str, list[float]], list[float]]:
    cries = {
        name: _summed(bins[place * BINS : (place + 1) * BINS]) for place, name in enumerate(_FIRST_NAMES)
    }
    return cries, _summed(bins[_FIRST_PLACES * BINS :])


def _summed(bins: list[float]) -> list[float]:
    """The mass at or above each bin; added one by one, because ``sum`` differs between Python versions."""
    above, total = [0.0] * len(bins), 0.0
    for place in range(len(bins) - 1, -1, -1):
        total += bins[place]
        above[place] = total
    return above


def _ideal_tail(raw_score: float) -> float:
    """The tail of the raw score that eight independent, ideal detectors of weight 1 would give.

    Each reports with probability ``10**-REPORT_FROM`` and then adds its surprise beyond half a digit: a
    fixed part and an exponential one. So the sum is a binomial mixture of shifted Erlang variables.
    """
    detectors, chance, fixed = 8, 10.0**-REPORT_FROM, REPORT_FROM - 0.5
    tail, ways = 0.0, 1.0
    for crying in range(1, detectors + 1):
        ways *= (detectors - crying + 1) / crying
        y = max(0.0, raw_score - crying * fixed) * log(10.0)
        term = erlang = exp(-y)
        for k in range(1, crying):
            term *= y / k
            erlang += term
        tail += ways * chance**crying * (1.0 - chance) ** (detectors - crying) * erlang
    return tail


_IDEAL: Final = tuple(_ideal_tail(index / _RAW_PER_UNIT) for index in range(RAW_BINS + 1))
