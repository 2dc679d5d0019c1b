"""Where people stayed, found in hindsight from their tracks.

stay
    From a fix on, as long as all fixes are within 200 m of it and no two in a row are 12 hours apart. If that
    lasts 20 minutes, it is a stay, its middle is the median of its fixes, and the search goes on behind it.
place
    Stays of one user, in order of time, belong to the first place whose middle, the mean of its stays', is
    within 150 m. A place that was stayed at twice gets a fence.
visit
    The stays at a place, where less than 10 minutes lie between two of them made one. A stay is cut in two by
    a step out of the circle around its first fix, which need not be the middle, and nobody comes a second
    time who never left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import NamedTuple

from geo import Fix, Position
from geo.plane import away_m

Track = list[Fix]


@dataclass(frozen=True, slots=True)
class TruthParams:
    """What a stay, a place and a visit are."""

    radius_m: float = 100.0
    stay_m: float = 200.0
    stay_s: int = 1_200
    gap_s: int = 43_200
    place_m: float = 150.0
    apart_s: int = 600
    stays: int = 2


class Stay(NamedTuple):
    """Somebody was here for so long."""

    start_s: int
    end_s: int
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place with its stays, as they were cut, and its visits.

    ``there`` are all stays of the user whose middle is near, also those of a neighbouring place.
    """

    name: str
    middle: Position
    stays: list[Stay]
    visits: list[Stay]
    there: list[Stay] = field(default_factory=list)


def places(track: Track, params: TruthParams) -> list[Place]:
    """The places where one user stayed, in the order in which they came there first."""
    found = find_stays(track, params)
    groups: list[tuple[Position, list[Stay]]] = []
    for stay in found:
        for number, (middle, group) in enumerate(groups):
            if away_m(middle.lat, middle.lon, stay.lat, stay.lon) <= params.place_m:
                group.append(stay)
                groups[number] = _mean(group), group
                break
        else:
            groups.append((Position(stay.lat, stay.lon), [stay]))
    kept = [(middle, group) for middle, group in groups if len(group) >= params.stays]
    return [
        Place(f"place-{number}", middle, group, _joined(group, params), _near(middle, found, params))
        for number, (middle, group) in enumerate(kept)
    ]


def find_stays(track: Track, params: TruthParams) -> list[Stay]:
    """The stays of one user in order of time."""
    found, first = [], 0
    while first < len(track):
        behind = _end_of_stay(track, first, params)
        start_s, end_s = track[first].time_s, track[behind - 1].time_s
        if end_s - start_s < params.stay_s:
            first += 1
            continue
        fixes = [fix.position for fix in track[first:behind]]
        found.append(Stay(start_s, end_s, median(fix.lat for fix in fixes), median(fix.lon for fix in fixes)))
        first = behind
    return found


def _end_of_stay(track: Track, first: int, params: TruthParams) -> int:
    at = track[first].position
    behind = first + 1
    while behind < len(track):
        fix = track[behind]
        if away_m(at.lat, at.lon, fix.position.lat, fix.position.lon) > params.stay_m:
            break
        if fix.time_s - track[behind - 1].time_s >= params.gap_s:
            break
        behind += 1
    return behind


def _joined(stays: Iterable[Stay], params: TruthParams) -> list[Stay]:
    visits: list[Stay] = []
    for stay in stays:
        if visits and stay.start_s - visits[-1].end_s < params.apart_s:
            visits[-1] = visits[-1]._replace(end_s=stay.end_s)
        else:
            visits.append(stay)
    return visits


def _near(middle: Position, stays: list[Stay], params: TruthParams) -> list[Stay]:
    return [stay for stay in stays if away_m(middle.lat, middle.lon, stay.lat, stay.lon) <= params.stay_m]


def _mean(stays: list[Stay]) -> Position:
    return Position(fmean(stay.lat for stay in stays), fmean(stay.lon for stay in stays))
