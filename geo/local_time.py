"""What the clock on the wall shows where the user is.

Zone rules come from the locked ``tzdata`` package and never from the machine: the same log must give the
same decisions on machines with different zone files. Each zone is read once, on first use.
"""

from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo


class LocalTime(NamedTuple):
    """An hour of the day (0.0 up to 24.0) and a day of the week (Monday is 0)."""

    hour: float
    weekday: int


def local_time(at: datetime, zone: str) -> LocalTime:
    """The local time of the UTC instant ``at`` in the IANA time zone ``zone``.

    Raises
    ------
    ValueError
        When ``zone`` is not a name of the IANA database, or ``at`` says no time zone itself.

    Examples
    --------
    >>> from datetime import UTC
    >>> local_time(datetime(2026, 7, 5, 22, 30, tzinfo=UTC), "Europe/Brussels")
    LocalTime(hour=0.5, weekday=0)
    """
    _require_aware(at)
    return _parts(at.astimezone(_zone(zone)))


def offset_quarters(at: datetime, zone: str) -> int:
    """By how many quarters of an hour clocks in ``zone`` are ahead of UTC at the instant ``at``.

    Raises
    ------
    ValueError
        As :func:`local_time`.

    Examples
    --------
    >>> from datetime import UTC
    >>> offset_quarters(datetime(2026, 7, 5, tzinfo=UTC), "Asia/Kathmandu")
    23
    """
    _require_aware(at)
    offset = at.astimezone(_zone(zone)).utcoffset()
    assert offset is not None  # a zone has one at any time
    return round(offset.total_seconds() / 900.0)


def solar_time(at: datetime, lon: float) -> LocalTime:
    """The local time of ``at`` by the sun at longitude ``lon``, moved by whole hours.

    For places without a known zone: off by up to about three hours from the legal time.

    Examples
    --------
    >>> from datetime import UTC
    >>> solar_time(datetime(2026, 7, 5, 22, 30, tzinfo=UTC), lon=-74.0)
    LocalTime(hour=17.5, weekday=6)
    """
    _require_aware(at)
    return _parts(at + timedelta(hours=solar_offset_h(lon)))


def solar_offset_h(lon: float) -> int:
    """Whole hours by which the sun at longitude ``lon`` is ahead of UTC: -12 to 12.

    >>> solar_offset_h(4.35), solar_offset_h(139.7), solar_offset_h(-180.0)
    (0, 9, -12)
    """
    if not -180.0 <= lon <= 180.0:
        raise ValueError(f"lon: {lon!r} is not a longitude; allowed: -180..180 degrees")
    return floor(lon / 15.0 + 0.5)


def is_zone(name: str) -> bool:
    """Whether ``name`` is a time zone of the IANA database.

    >>> is_zone("America/New_York"), is_zone("../../etc/passwd")
    (True, False)
    """
    return name in _zone_names()


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@cache
def _zone(name: str) -> ZoneInfo:
    # Only known names become paths, so a name cannot reach outside the package; failures are not kept.
    if name not in _zone_names():
        raise ValueError(f"time_zone: {name[:64]!r} is unknown; allowed: names such as 'Europe/Brussels'")
    with files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def _require_aware(at: datetime) -> None:
    # A naive time would silently be read in the zone of the machine.
    if at.tzinfo is None:
        raise ValueError(f"at: {at.isoformat()} has no time zone; allowed: UTC times")


def _parts(local: datetime) -> LocalTime:
    seconds = local.second + local.microsecond / 1e6
    return LocalTime(local.hour + (local.minute + seconds / 60.0) / 60.0, local.weekday())
