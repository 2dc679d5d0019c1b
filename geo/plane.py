"""Short ways on Earth as vectors: metres to the east and to the north."""

from math import cos, radians, sin, sqrt
from typing import Final

from geo.distance import bearing_deg, distance_km
from geo.position import Position

_EQUATOR_M: Final = 6_378_137.0
_E2: Final = (2.0 - 1.0 / 298.257223563) / 298.257223563
_RAD: Final = radians(1.0)
_FLAT_DEG: Final = 0.25
_FLAT_MAX_LAT: Final = 70.0


def offset_m(lat: float, lon: float, to_lat: float, to_lon: float) -> tuple[float, float]:
    """The way from one point to another: metres east, metres north; its length is the distance.

    On a flat map within 0.25 degrees, which also leads over the antimeridian; beyond that and near the poles
    it is the distance in the direction in which the way starts.

    Examples
    --------
    >>> east, north = offset_m(0.0, 179.9995, 0.0, -179.9995)
    >>> round(east), round(north)
    (111, 0)
    """
    d_lat = to_lat - lat
    d_lon = to_lon - lon
    if d_lon > 180.0:
        d_lon -= 360.0
    elif d_lon < -180.0:
        d_lon += 360.0
    middle = 0.5 * (lat + to_lat)
    if (
        -_FLAT_DEG < d_lat < _FLAT_DEG
        and -_FLAT_DEG < d_lon < _FLAT_DEG
        and -_FLAT_MAX_LAT < middle < _FLAT_MAX_LAT
    ):
        cosine = cos(middle * _RAD)
        inverse = 1.0 / (1.0 - _E2 * (1.0 - cosine * cosine))
        across_m = _EQUATOR_M * sqrt(inverse) * _RAD
        return across_m * cosine * d_lon, across_m * (1.0 - _E2) * inverse * d_lat
    a, b = Position(lat, lon), Position(to_lat, to_lon)
    away_m, bearing = distance_km(a, b) * 1e3, radians(bearing_deg(a, b))
    return away_m * sin(bearing), away_m * cos(bearing)


def away_m(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """The distance between two points in metres.

    >>> round(away_m(50.8466, 4.3528, 50.8476, 4.3528))
    111
    """
    return length_m(*offset_m(lat, lon, to_lat, to_lon))


def length_m(east_m: float, north_m: float) -> float:
    """The length of a way.

    Not by ``hypot``, whose last bit depends on the version of Python.

    >>> length_m(3.0, -4.0)
    5.0
    """
    return sqrt(east_m * east_m + north_m * north_m)
