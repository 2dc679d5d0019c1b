"""Recorded weeks of check-ins in New York, with categories, as an event stream.

Reads ``checkins.parquet``: ``week_id``, ``user_id``, ``weekday`` (its English name), ``hour`` (local),
``venue_id``, ``root_category``, ``lat`` and ``lon``.

===============  =======================================================================================
event            from
===============  =======================================================================================
``merchant``     each venue, with its category's code by :data:`ROOT_MCC`, at its first check-in's place
``consent``      when the user's first week begins, and with it the zone
``visit``        each check-in, at its hour; those of one hour a minute apart, in the order of the file
===============  =======================================================================================

The weeks have no dates. Those of a user follow each other in the order of the file, from the first Monday of
2010 on: enough to learn what a week is like, and no record of when anything was.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from detectors.events import Consent, Merchant, Preferences, Visit
from geo import Position
from replay.errors import SourceError
from replay.importers.consents import introduced
from replay.importers.source_table import read_rows, row_count

ROOT_MCC: Final[dict[str, str | None]] = {
    "Arts & Entertainment": "7922",
    "College & University": "8220",
    "Event": "7922",
    "Food": "5812",
    "Nightlife Spot": "5813",
    "Outdoors & Recreation": "7999",
    "Professional & Other Places": None,
    "Residence": None,
    "Shop & Service": "5311",
    "Travel & Transport": "4111",
}
"""A code of ISO 18245 for each root category where somebody is paid; None for the others."""
FILE_NAME: Final = "checkins.parquet"
_COLUMNS: Final[dict[str, type]] = {
    "week_id": int,
    "user_id": int,
    "weekday": str,
    "hour": int,
    "venue_id": int,
    "root_category": str,
    "lat": float,
    "lon": float,
}
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONDAY: Final = datetime(2010, 1, 4, tzinfo=UTC)
_Row = tuple[Any, ...]


def count_rows(folder: Path) -> int:
    """How many check-ins the folder has."""
    return row_count(folder / FILE_NAME)


def events(folder: Path) -> Iterator[Merchant | Consent | Preferences | Visit]:
    """The events in time order, merchants first.

    Raises
    ------
    SourceError
        When the folder is not one of this data set, or has a weekday or category that is unknown.
    """
    rows = list(read_rows(folder / FILE_NAME, _COLUMNS))
    for week_id, _, weekday, _, _, category, _, _ in rows:
        if weekday not in _DAYS or category not in ROOT_MCC:
            said = f"weekday {weekday!r}, root_category {category!r}"
            raise SourceError(f"{folder / FILE_NAME}: week {week_id}: {said}: one of them is unknown")
    yield from _merchants(rows)
    yield from introduced(sorted(_visits(rows), key=lambda visit: visit.event_time), "Etc/UTC")


def _merchants(rows: list[_Row]) -> Iterator[Merchant]:
    first = {row[4]: row for row in reversed(rows)}
    for venue, (*_, category, lat, lon) in sorted(first.items()):
        yield Merchant(
            f"venue-{venue}",
            _MONDAY - timedelta(days=1),
            mcc=ROOT_MCC[category],
            country="US",
            position=Position(lat, lon),
            time_zone="Etc/UTC",
        )


def _visits(rows: list[_Row]) -> Iterator[Visit]:
    weeks: dict[int, dict[int, int]] = {}
    in_hour: dict[tuple[int, str, int], int] = {}
    for row, (week_id, user, weekday, hour, venue, *_) in enumerate(rows, start=1):
        week = weeks.setdefault(user, {})
        number = week.setdefault(week_id, len(week))
        minute = in_hour.get((week_id, weekday, hour), 0)
        in_hour[week_id, weekday, hour] = minute + 1
        days = 7 * number + _DAYS.index(weekday)
        time = _MONDAY + timedelta(days=days, hours=hour, minutes=min(minute, 59))
        yield Visit(f"foursquare-{row}", f"user-{user}", f"venue-{venue}", time, source="check-in")
