"""Recorded check-ins at named venues, with the ways that may have led there, as an event stream.

Reads ``checkins.parquet`` (``user_id``, ``ts``, ``lat``, ``lon``, ``venue_id``) and ``venues.parquet``
(``venue_id``, ``name``, ``lat``, ``lon``).

===============  =======================================================================================
event            from
===============  =======================================================================================
``merchant``     each venue that is checked into, at ``venues``' place, else at that of its first check-in;
                 known a day before the first check-in of all
``consent``      a minute before the user's first way, and with it the zone of New York
``visit``        each check-in
``location``     ways, which were not recorded: see below
===============  =======================================================================================

**Ways.** To each check-in leads a way on foot or by wheels, made as if the user had left at the last
moment: straight from their last check-in if that was less than six hours before, else from a random point
``START_M`` away; at ``WALK_MPS``, or ``RIDE_MPS`` if it is longer than ``WALK_AT_MOST_M``, or as fast as
the time between the check-ins demands, if it takes ``EVERY_S`` seconds at least. Only the last ``LAST_S``
seconds of it are told, by a fix every ``EVERY_S`` seconds, with a random error of ``ACCURACY_M`` (one
standard deviation in each direction). The last fix is at the venue, as the check-in is. Such a way leads
past other venues, where nobody checks in.

**Decoys.** As many ways lead past a venue where the user had been, and on, at the same speed and with the
same noise, told from ``START_M`` before it to ``START_M`` behind: through a point within 30 m of it,
between two check-ins that are at least two hours apart, at a random time at least half an hour from both.
Where the user had been nowhere else, there is none.

Everything random comes from the number of the check-in, so nothing of it depends on what follows; a fix
tells of the future only what every step tells of where it leads.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from math import cos, hypot, pi, radians, sin
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from detectors.events import Consent, Location, Merchant, Preferences, Visit
from geo import Position
from replay.importers.consents import introduction
from replay.importers.source_table import read_rows, row_count, rows_by_time

EVERY_S: Final = 30
LAST_S: Final = 720
START_M: Final = 800.0
WALK_MPS: Final = 1.3
RIDE_MPS: Final = 7.0
WALK_AT_MOST_M: Final = 1_500.0
ACCURACY_M: Final = 15.0
_M_PER_DEG: Final = 111_195.0
_CHECKINS: Final = {"user_id": int, "ts": datetime, "lat": float, "lon": float, "venue_id": int}
_VENUES: Final = {"venue_id": int, "name": str, "lat": float, "lon": float}
_SAME_WAY: Final = timedelta(hours=6)
_APART: Final = timedelta(hours=2)
_CLEAR_S: Final = 1_800
_ZONE: Final = "America/New_York"
_Event = Consent | Preferences | Merchant | Visit | Location


class _CheckIn(NamedTuple):
    number: int
    user: int
    time: datetime
    venue: int
    lat: float
    lon: float


def count_rows(folder: Path) -> int:
    """How many check-ins the folder has."""
    return row_count(folder / "checkins.parquet")


def events(folder: Path) -> Iterator[_Event]:
    """All events in time order.

    Raises
    ------
    SourceError
        When the folder is not one of this data set.
    """
    venues = {number: (name, lat, lon) for number, name, lat, lon in _venue_rows(folder)}
    checkins = [
        _CheckIn(number, user, time, venue, *venues.get(venue, ("", lat, lon))[1:])
        for number, (user, time, lat, lon, venue) in enumerate(
            rows_by_time(folder, _CHECKINS, file="checkins.parquet"), start=1
        )
    ]
    if not checkins:
        return
    yield from _merchants(checkins, venues)
    by_user: dict[int, list[_CheckIn]] = {}
    for each in checkins:
        by_user.setdefault(each.user, []).append(each)
    yield from merge(*(_life(some) for some in by_user.values()), key=lambda event: event.event_time)


def _venue_rows(folder: Path) -> Iterator[tuple[int, str, float, float]]:
    yield from read_rows(folder / "venues.parquet", _VENUES, nullable=("name",))


def _merchants(checkins: list[_CheckIn], venues: dict[int, tuple[str, float, float]]) -> Iterator[Merchant]:
    known = checkins[0].time - timedelta(days=1)
    for each in {each.venue: each for each in reversed(checkins)}.values():
        name = venues.get(each.venue, ("",))[0] or None
        yield Merchant(
            f"venue-{each.venue}",
            known,
            name=name if name is None or name.isprintable() else None,
            country="US",
            position=Position(each.lat, each.lon),
            time_zone=_ZONE,
        )


def _life(checkins: list[_CheckIn]) -> Iterator[_Event]:
    """All events of one user, in time order."""
    user = f"user-{checkins[0].user}"
    begins = checkins[0].time - timedelta(seconds=LAST_S + 60)
    yield from introduction(user, begins, _ZONE)
    before: _CheckIn | None = None
    been: dict[int, _CheckIn] = {}
    told = begins
    for each in checkins:
        dice = Random(each.number)
        if before is not None:
            for fix in _decoy(before, each, list(been.values()), dice):
                if fix.event_time > told:
                    told = fix.event_time
                    yield fix
        for fix in _way(before, each, dice):
            if fix.event_time > told:
                told = fix.event_time
                yield fix
        source = "check-in"
        yield Visit(f"gowalla-{each.number}", user, f"venue-{each.venue}", each.time, source=source)
        before = been[each.venue] = each


def _way(before: _CheckIn | None, to: _CheckIn, dice: Random) -> Iterator[Location]:
    """The last part of a way to a check-in."""
    if before is not None and to.time - before.time < _SAME_WAY:
        start, seconds = (before.lat, before.lon), (to.time - before.time).total_seconds()
    else:
        start, seconds = _around(to.lat, to.lon, START_M, dice), float("inf")
    length_m = hypot(*_offset(start, (to.lat, to.lon)))
    pace = WALK_MPS if length_m <= WALK_AT_MOST_M else RIDE_MPS
    took_s = min(seconds, length_m / pace)
    if took_s < EVERY_S:
        return
    yield from _fixes(to, start, (to.lat, to.lon), to.time, took_s, dice)


def _decoy(before: _CheckIn, after: _CheckIn, been: list[_CheckIn], dice: Random) -> Iterator[Location]:
    """A way past a venue where the user had been, between two check-ins."""
    free_s = (after.time - before.time).total_seconds() - 2 * _CLEAR_S
    past = [each for each in been if each.venue not in (before.venue, after.venue)]
    if after.time - before.time < _APART or not past:
        return
    venue = past[dice.randrange(len(past))]
    middle = before.time + timedelta(seconds=round(_CLEAR_S + free_s * dice.random()))
    near = _around(venue.lat, venue.lon, 30.0 * dice.random(), dice)
    start = _around(*near, START_M, dice)
    east, north = _offset(start, near)
    end = _moved(near, east, north)
    seconds = 2.0 * START_M / WALK_MPS
    arrival = middle + timedelta(seconds=round(seconds / 2))
    yield from _fixes(before, start, end, arrival, seconds, dice, told_s=int(seconds))


def _fixes(
    of: _CheckIn,
    start: tuple[float, float],
    end: tuple[float, float],
    arrival: datetime,
    took_s: float,
    dice: Random,
    told_s: int = LAST_S,
) -> Iterator[Location]:
    east, north = _offset(start, end)
    for left_s in range(min(told_s, int(took_s)) // EVERY_S * EVERY_S, -1, -EVERY_S):
        share = 1.0 - left_s / took_s
        at = _moved(
            start, east * share + dice.gauss(0.0, ACCURACY_M), north * share + dice.gauss(0.0, ACCURACY_M)
        )
        yield Location(
            f"user-{of.user}",
            Position(round(at[0], 6), round(at[1], 6), accuracy_m=ACCURACY_M),
            (arrival - timedelta(seconds=left_s)).astimezone(UTC),
        )


def _around(lat: float, lon: float, away_m: float, dice: Random) -> tuple[float, float]:
    angle = 2.0 * pi * dice.random()
    return _moved((lat, lon), away_m * sin(angle), away_m * cos(angle))


def _offset(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """Metres to the east and to the north, on a flat map: all is in one city."""
    return (end[1] - start[1]) * _M_PER_DEG * cos(radians(start[0])), (end[0] - start[0]) * _M_PER_DEG


def _moved(start: tuple[float, float], east_m: float, north_m: float) -> tuple[float, float]:
    return start[0] + north_m / _M_PER_DEG, start[1] + east_m / _M_PER_DEG / cos(radians(start[0]))
