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

The part ``visits`` has moreover what the tracks tell in hindsight (:mod:`replay.presence_judge.truth`): each
place where a user stayed twice is a merchant of theirs, known a day before the first track of all, and each
stay there a visit that is told when it begins, as by a check-in.

``merchant_id``  ``<user_id>-place-<number>``, by the order of the first stay
``visit_id``     ``<merchant_id>-<second>``
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import Final

from detectors.events import Consent, Location, Merchant, Preferences, Visit
from detectors.reading import seconds
from geo import Fix, Position
from replay.errors import SourceError
from replay.importers.consents import introduced
from replay.importers.source_table import row_count, rows_by_time
from replay.presence_judge.truth import TruthParams, places

FILE_NAME: Final = "points.parquet"
PARTS: Final = ("tracks", "visits")
_Event = Consent | Preferences | Location | Merchant | Visit
_COLUMNS: Final[dict[str, type]] = {"user_id": str, "ts": datetime, "lat": float, "lon": float}


def count_rows(folder: Path) -> int:
    """How many points the folder has."""
    return row_count(folder / FILE_NAME)


def events(folder: Path, part: str = PARTS[0]) -> Iterator[_Event]:
    """The locations of all users in time order, each user's behind their consent.

    Raises
    ------
    SourceError
        When the folder is not one of this data set, a point is none, or the part is unknown.
    """
    if part not in PARTS:
        raise SourceError(f"part: {part!r} is unknown; allowed: {', '.join(PARTS)}")
    if part == PARTS[0]:
        yield from _tracks(folder)
        return
    tracks = list(_tracks(folder))
    fixes: dict[str, list[Location]] = {}
    for event in tracks:
        if isinstance(event, Location):
            fixes.setdefault(event.user_id, []).append(event)
    merchants, visits = [], []
    for user_id, its in fixes.items():
        for place in places([Fix(each.position, seconds(each.event_time)) for each in its], TruthParams()):
            name = f"{user_id}-{place.name}"
            merchants.append(Merchant(name, tracks[0].event_time - timedelta(days=1), position=place.middle))
            visits += [_visit(user_id, name, stay.start_s) for stay in place.visits]
    yield from merchants
    visits.sort(key=lambda visit: visit.event_time)
    # A visit is told before the location of the same second.
    yield from merge(visits, tracks, key=lambda event: event.event_time)


def _visit(user_id: str, merchant_id: str, start_s: int) -> Visit:
    return Visit(
        f"{merchant_id}-{start_s}", user_id, merchant_id, datetime.fromtimestamp(start_s, UTC), source="stay"
    )


def _tracks(folder: Path) -> Iterator[Consent | Preferences | Location]:
    return introduced(_locations(folder), "Asia/Shanghai")


def _locations(folder: Path) -> Iterator[Location]:
    for row, (user, time, lat, lon) in enumerate(rows_by_time(folder, _COLUMNS, file=FILE_NAME), start=1):
        try:
            yield Location(f"user-{user}", Position(lat, lon), time)
        except ValueError as error:
            raise SourceError(f"{folder / FILE_NAME}: row {row} in time order: {error}") from error
