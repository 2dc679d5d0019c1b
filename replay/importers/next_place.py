"""Recorded sequences of visits (Foursquare New York, GeoLife Beijing) as an event stream.

Reads ``<part>_train.parquet`` and ``<part>_valid.parquet`` (``part`` is ``fsq`` or ``geolife``) with the
columns ``id``, ``user_id``, ``location_id``, ``start_day``, ``start_min`` and ``weekday`` (0 is Monday).

===============  =========================================================================================
field            from
===============  =========================================================================================
``visit_id``     ``<part>-<id>``, with ``-valid`` behind it for those of the validation file
``user_id``      ``user-<user_id>``
``merchant_id``  ``place-<location_id>``
``event_time``   ``start_day`` days after the user's first day, at minute ``start_min``, taken as UTC
``source``       ``train`` or ``valid``
===============  =========================================================================================

Days are counted from each user's own start and no date is told, so each user begins in the first week of
2010, on the day that gives the weekdays of the file. Before a user's first visit stand a consent, without
which nothing would be learned, and the time zone (UTC, since the minutes are those of the local clock).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from detectors.events import Consent, Preferences, Visit
from replay.errors import SourceError
from replay.importers.consents import introduced
from replay.importers.source_table import read_rows, row_count

PARTS: Final = ("fsq", "geolife")
_FILES: Final = ("train", "valid")
_COLUMNS: Final = dict.fromkeys(("id", "user_id", "location_id", "start_day", "start_min", "weekday"), int)
_MONDAY: Final = datetime(2010, 1, 4, tzinfo=UTC)


def count_rows(folder: Path) -> int:
    """How many visits the folder has, those of all parts that are in it."""
    files = (folder / f"{part}_{source}.parquet" for part in PARTS for source in _FILES)
    return sum(row_count(path) for path in files if path.exists())


def events(folder: Path, part: str) -> Iterator[Consent | Preferences | Visit]:
    """The visits of one part in time order, each user's behind their consent.

    Raises
    ------
    SourceError
        When the part is unknown, or the folder is not one of this data set.
    """
    if part not in PARTS:
        raise SourceError(f"part: {part!r} is unknown; allowed: {', '.join(PARTS)}")
    yield from introduced(sorted(_visits(folder, part), key=lambda visit: visit.event_time), "Etc/UTC")


def _visits(folder: Path, part: str) -> Iterator[Visit]:
    first_day: dict[int, timedelta] = {}
    for source in _FILES:
        rows = read_rows(folder / f"{part}_{source}.parquet", _COLUMNS)
        for number, user, location, day, minute, weekday in rows:
            begins = first_day.setdefault(user, timedelta(days=(weekday - day) % 7))
            time = _MONDAY + begins + timedelta(days=day, minutes=minute)
            if time.weekday() != weekday:
                where = f"{folder}/{part}_{source}.parquet: visit {number}"
                raise SourceError(f"{where}: weekday {weekday} does not go with day {day}")
            yield Visit(
                visit_id=f"{part}-{number}" + ("-valid" if source == "valid" else ""),
                user_id=f"user-{user}",
                merchant_id=f"place-{location}",
                event_time=time,
                source=source,
            )
