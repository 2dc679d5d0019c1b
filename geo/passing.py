"""Which fences did a way lead through, when nobody was seen in them?"""

from collections.abc import Iterator, Sequence

from geo.fences import Near
from geo.fixes import E7, Sample
from geo.plane import length_m, offset_m
from geo.position import Position
from geo.transitions import Passed


def way_m(a: Sample, b: Sample) -> float:
    """The length of the straight way between two fixes."""
    return length_m(*offset_m(a.lat_e7 / E7, a.lon_e7 / E7, b.lat_e7 / E7, b.lon_e7 / E7))


def half_way(a: Sample, b: Sample) -> Position:
    """The middle of a short way."""
    lon, to_lon = a.lon_e7 / E7, b.lon_e7 / E7
    turn = to_lon - lon
    if abs(turn) > 180.0:
        turn -= 360.0 if turn > 0.0 else -360.0
    middle = lon + 0.5 * turn
    return Position(0.5 * (a.lat_e7 + b.lat_e7) / E7, (middle + 540.0) % 360.0 - 180.0)


def passed(a: Sample, b: Sample, around: Sequence[Near], depth: float) -> Iterator[Passed]:
    """The fences around that the straight way crosses, with both ends outside.

    It counts only when it comes as near to the centre as ``depth`` radii: a way that grazes a fence says
    nothing, as nobody walks that straight.
    """
    lat, lon = a.lat_e7 / E7, a.lon_e7 / E7
    east, north = offset_m(lat, lon, b.lat_e7 / E7, b.lon_e7 / E7)
    square = east * east + north * north
    for _, fence in around:
        centre, radius_m = fence.position, fence.radius_m
        to_east, to_north = offset_m(lat, lon, centre.lat, centre.lon)
        share = (to_east * east + to_north * north) / square
        if not 0.0 < share < 1.0:
            continue
        if length_m(to_east, to_north) <= radius_m or length_m(to_east - east, to_north - north) <= radius_m:
            continue
        closest_m = length_m(to_east - share * east, to_north - share * north)
        if closest_m <= depth * radius_m:
            at_s = a.time_s + round(share * (b.time_s - a.time_s))
            yield Passed(fence.fence_id, b.time_s, at_s, closest_m)
