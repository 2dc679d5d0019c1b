"""What the clock on the wall shows where the user is.

Zone rules come from the locked ``tzdata`` package and never from the machine: the same log must give the
same decisions on machines with different zone files. Each zone is read once, on first use.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from math import ceil, floor
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_TICK: Final = timedelta(microseconds=1)


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


def latest_shown(at: datetime, zone: str) -> datetime:
    """The latest time, without a zone, that clocks in ``zone`` have shown up to the UTC instant ``at``.

    That is the local time; but while clocks that were set back repeat an hour, it stays at the last moment
    before. So it never goes back.

    Raises
    ------
    ValueError
        As :func:`local_time`.

    Examples
    --------
    >>> from datetime import UTC
    >>> str(latest_shown(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), "Europe/Brussels"))  # 02:15 again
    '2026-10-25 02:59:59.999999'
    """
    _require_aware(at)
    rules = _zone(zone)
    local = at.astimezone(rules)
    if not local.fold:
        return local.replace(tzinfo=None)
    first_time = local.replace(fold=0).astimezone(UTC)
    change = _change_between(first_time, at, rules)
    return (change - _TICK).astimezone(rules).replace(tzinfo=None)


def first_instant(local: datetime, zone: str) -> datetime:
    """The UTC instant at which clocks in ``zone`` first show the time ``local``, or are past it.

    Of an hour that comes twice that is the first time, as in RFC 5545; of one that is left out, the instant
    of the leap.

    Raises
    ------
    ValueError
        When ``zone`` is not a name of the IANA database.

    Examples
    --------
    >>> str(first_instant(datetime(2026, 3, 29, 2, 30), "Europe/Brussels"))  # is left out
    '2026-03-29 01:00:00+00:00'
    """
    rules = _zone(zone)
    at = local.replace(tzinfo=rules, fold=0).astimezone(UTC)
    if at.astimezone(rules).replace(tzinfo=None) == local:
        return at
    return _change_between(local.replace(tzinfo=rules, fold=1).astimezone(UTC), at, rules)


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


def _change_between(before: datetime, after: datetime, rules: ZoneInfo) -> datetime:
    """The instant, a whole second, from which on clocks in the zone are set as at ``after``."""
    first, last = int(before.timestamp()), ceil(after.timestamp())
    set_as = after.astimezone(rules).utcoffset()
    while last - first > 1:
        middle = (first + last) // 2
        if datetime.fromtimestamp(middle, rules).utcoffset() == set_as:
            last = middle
        else:
            first = middle
    return datetime.fromtimestamp(last, UTC)


def _require_aware(at: datetime) -> None:
    # A naive time would silently be read in the zone of the machine.
    if at.tzinfo is None:
        raise ValueError(f"at: {at.isoformat()} has no time zone; allowed: UTC times")


def _parts(local: datetime) -> LocalTime:
    seconds = local.second + local.microsecond / 1e6
    return LocalTime(local.hour + (local.minute + seconds / 60.0) / 60.0, local.weekday())
