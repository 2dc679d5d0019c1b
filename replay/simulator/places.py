"""The metropolitan areas where simulated people live, work and travel to."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from math import cos, log, pi, radians, sin, sqrt
from random import Random
from typing import Final

from detectors.money import MINOR_DIGITS
from geo import Position, local_time

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_KM_PER_DEG: Final = 111.2


@dataclass(frozen=True, slots=True)
class Metro:
    """A city with its surroundings. ``per_euro`` is its currency's rate, ``cost`` its price level."""

    name: str
    country: str
    zone: str
    currency: str
    per_euro: float
    cost: float
    share: float
    centre: Position
    radius_km: float


METROS: Final = (
    Metro("brussels", "BE", "Europe/Brussels", "EUR", 1.0, 1.0, 14, Position(50.8466, 4.3528), 14.0),
    Metro("paris", "FR", "Europe/Paris", "EUR", 1.0, 1.1, 18, Position(48.8566, 2.3522), 18.0),
    Metro("london", "GB", "Europe/London", "GBP", 0.86, 1.2, 18, Position(51.5074, -0.1278), 18.0),
    Metro("lisbon", "PT", "Europe/Lisbon", "EUR", 1.0, 0.75, 7, Position(38.7300, -9.1500), 8.0),
    Metro("warsaw", "PL", "Europe/Warsaw", "PLN", 4.3, 0.7, 9, Position(52.2297, 21.0122), 14.0),
    Metro("new-york", "US", "America/New_York", "USD", 1.1, 1.3, 14, Position(40.7300, -73.9500), 16.0),
    Metro("toronto", "CA", "America/Toronto", "CAD", 1.5, 1.05, 7, Position(43.7200, -79.4000), 14.0),
    Metro("sao-paulo", "BR", "America/Sao_Paulo", "BRL", 6.0, 0.6, 7, Position(-23.5505, -46.6333), 16.0),
    Metro("tokyo", "JP", "Asia/Tokyo", "JPY", 165.0, 0.95, 6, Position(35.6900, 139.7000), 16.0),
)
METRO_SHARES: Final = list(accumulate(metro.share for metro in METROS))


def at(time_ms: int) -> datetime:
    """The UTC time that is ``time_ms`` milliseconds after the Unix epoch."""
    return EPOCH + timedelta(milliseconds=time_ms)


def days_after(time: datetime, days: float) -> datetime:
    """The moment ``days`` after ``time``, in whole seconds from it."""
    return time + timedelta(seconds=round(days * 86_400.0))


@lru_cache(maxsize=4096)
def midnight_ms(zone: str, day: int) -> int:
    """When the ``day``-th day after the epoch starts in ``zone``, by the offset of that day's noon."""
    noon = EPOCH + timedelta(days=day, hours=12)
    local = local_time(noon, zone)
    days_ahead = (local.weekday - noon.weekday() + 3) % 7 - 3
    return day * DAY_MS - round((local.hour - 12.0 + 24.0 * days_ahead) * HOUR_MS)


def minor(euros: float, metro: Metro) -> int:
    """The price ``euros`` in the minor unit of the city's currency, at least one of it."""
    units: int = 10 ** MINOR_DIGITS[metro.currency]
    return max(1, round(euros * metro.per_euro * units))


def near(chance: Random, centre: Position, spread_km: float, accuracy_m: float | None = None) -> Position:
    """A point around ``centre``: half of them within ``spread_km``, none beyond twice that."""
    away_km = spread_km * min(2.0, sqrt(-log(1.0 - chance.random()) / log(2.0)))
    turn = 2.0 * pi * chance.random()
    lat = centre.lat + away_km * sin(turn) / _KM_PER_DEG
    lon = centre.lon + away_km * cos(turn) / (_KM_PER_DEG * cos(radians(centre.lat)))
    return Position(round(lat, 5), round(lon, 5), accuracy_m)
