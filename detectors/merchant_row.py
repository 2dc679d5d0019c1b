"""A merchant as the directory knows it, and the row of bytes that it is kept in."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from sys import intern
from typing import Final, TypeVar

from detectors.edge_checks import edge_problems
from detectors.events import Merchant
from detectors.habits.history import Place
from detectors.habits.places import place_of
from detectors.tokens import check_version
from geo import OpeningHours, OpeningHoursError, Position

N = TypeVar("N", int, float)

_VERSION: Final = 1
_CLOSED: Final = 1
_PLACED: Final = 2
_HEAD: Final = struct.Struct("<BBqiifH2s4H")
"""Version, flags, event time in microseconds, latitude, longitude, radius, category, country, and the lengths
of name, chain, opening hours and zone."""
_PER_DEG: Final = 1e7
"""Positions are kept to a centimetre, as OpenStreetMap keeps them."""
_LEAST_RADIUS_M: Final = 0.01
_NO_MCC: Final = 0xFFFF
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KnownMerchant:
    """A merchant of the directory.

    Parameters
    ----------
    changed_us
        When it last changed, by event time: microseconds since 1970.
    hours_text
        Its opening hours, where they are understood.
    time_zone
        The IANA zone that they are in, where it is known.
    """

    merchant_id: str
    changed_us: int
    name: str | None
    mcc: str | None
    country: str | None
    chain_id: str | None
    hours_text: str | None
    time_zone: str | None

    @property
    def place(self) -> Place:
        """The merchant as a place of habits."""
        return place_of(self.merchant_id, self.mcc, self.chain_id)

    @property
    def opening_hours(self) -> OpeningHours | None:
        """Its opening hours; None where nobody knows them."""
        if self.hours_text is None:
            return None
        try:
            return OpeningHours.parse(self.hours_text)
        except OpeningHoursError:  # understood once, by another release
            return None

    def is_open(self, at: datetime, zone: str | None = None) -> bool | None:
        """Whether it is open at the UTC instant ``at``; None where nobody can say.

        ``zone`` stands for its own time zone where that is not known.
        """
        hours, its_zone = self.opening_hours, self.time_zone or zone
        return None if hours is None or its_zone is None else hours.is_open(at, its_zone)


@dataclass(frozen=True, slots=True)
class PlacedMerchant(KnownMerchant):
    """A merchant whose place is known: it can stand in a :class:`~geo.fences.FenceIndex`."""

    position: Position
    radius_m: float

    @property
    def fence_id(self) -> str:
        """See :class:`~geo.fences.Fence`."""
        return self.merchant_id


@dataclass(frozen=True, slots=True)
class ClosedMerchant:
    """A merchant that has closed for good; what was said of it before no longer counts."""

    merchant_id: str
    changed_us: int


def pack_merchant(event: Merchant) -> bytes:
    """The row of a merchant as the event tells it, without hours or a zone that nobody understands."""
    changed_us = microseconds(event.event_time)
    if event.closed:
        return _HEAD.pack(_VERSION, _CLOSED, changed_us, 0, 0, 0.0, _NO_MCC, b"", 0, 0, 0, 0)
    not_understood = edge_problems(event)
    texts = [
        (getattr(event, name) or "").encode() if name not in not_understood else b""
        for name in ("name", "chain_id", "opening_hours", "time_zone")
    ]
    place, radius_m = event.position, event.radius_m
    head = _HEAD.pack(
        _VERSION,
        0 if place is None else _PLACED,
        changed_us,
        0 if place is None else round(place.lat * _PER_DEG),
        0 if place is None else round(place.lon * _PER_DEG),
        0.0 if radius_m is None else max(_LEAST_RADIUS_M, radius_m),
        _NO_MCC if event.mcc is None else int(event.mcc),
        (event.country or "").encode(),
        *map(len, texts),
    )
    return b"".join((head, *texts))


def unpack_merchant(
    merchant_id: str, row: bytes, default_radius_m: float
) -> KnownMerchant | PlacedMerchant | ClosedMerchant:
    """The merchant in a row that :func:`pack_merchant` made; ``default_radius_m`` where it says none."""
    version, flags, changed_us, lat, lon, radius_m, mcc, country, *lengths = _HEAD.unpack_from(row)
    check_version("a merchant", version, _VERSION)
    if flags & _CLOSED:
        return ClosedMerchant(merchant_id, changed_us)
    at, texts = _HEAD.size, []
    for length in lengths:
        # Of names there are as many as merchants; chains, hours and zones are shared.
        texts.append(row[at : at + length].decode() or None)
        at += length
    name, *shared = texts
    chain_id, hours, zone = (None if text is None else intern(text) for text in shared)
    what = (
        merchant_id,
        _shared(changed_us),
        name,
        None if mcc == _NO_MCC else intern(f"{mcc:04}"),
        intern(country.decode()) if country[0] else None,
        chain_id,
        hours,
        zone,
    )
    if not flags & _PLACED:
        return KnownMerchant(*what)
    place = Position(lat / _PER_DEG, lon / _PER_DEG)
    return PlacedMerchant(*what, place, _shared(radius_m or default_radius_m))


@lru_cache(4_096, typed=True)
def _shared(number: N) -> N:
    """The number, as one object while it is common: many merchants were told of at one time."""
    return number


def microseconds(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND
