"""Tracks of people in Beijing (GeoLife) as an event stream.

Reads ``points.parquet`` with the columns ``user_id``, ``ts``, ``lat`` and ``lon``.

==============  ======================================================================
field           from
==============  ======================================================================
``user_id``     ``user-<user_id>``
``event_time``  ``ts``, taken as UTC
``position``    ``lat``, ``lon``; the data knows no accuracy
==============  ======================================================================

Before a user's first location stand a consent, without which nobody would follow them, and the time zone.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from detectors.events import Consent, ConsentPurpose, Location, Preferences
from geo import Position
from replay.errors import SourceError
from replay.importers.source_table import row_count, rows_by_time

FILE_NAME: Final = "points.parquet"
_COLUMNS: Final[dict[str, type]] = {"user_id": str, "ts": datetime, "lat": float, "lon": float}


def count_rows(folder: Path) -> int:
    """How many points the folder has."""
    return row_count(folder / FILE_NAME)


def events(folder: Path) -> Iterator[Consent | Preferences | Location]:
    """The locations of all users in time order, each user's behind their consent.

    Raises
    ------
    SourceError
        When the folder is not one of this data set, or a point is none.
    """
    known: set[str] = set()
    for row, (user, time, lat, lon) in enumerate(rows_by_time(folder, _COLUMNS, file=FILE_NAME), start=1):
        user_id = f"user-{user}"
        try:
            location = Location(user_id, Position(lat, lon), time)
        except ValueError as error:
            raise SourceError(f"{folder / FILE_NAME}: row {row} in time order: {error}") from error
        if user_id not in known:
            known.add(user_id)
            yield Consent(user_id, ConsentPurpose.LOCATION_ALERTS, True, "research", time)
            yield Preferences(user_id, time, time_zone="Asia/Shanghai")
        yield location
