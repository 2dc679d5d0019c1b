"""The last minutes of a way to a counter, as a phone tells them."""

from collections.abc import Iterator
from math import cos, hypot, pi, radians, sin
from random import Random
from typing import Final

from detectors.events import Location
from geo import Position
from replay.simulator.people import Person
from replay.simulator.places import at

LAST_S: Final = 480
EVERY_S: Final = 30
_WALK_MPS: Final = 1.3
_ERROR_M: Final = 12.0
_M_PER_DEG: Final = 111_195.0


def way_to(
    chance: Random, person: Person, day: int, to: Position, came_from: Position | None, time_ms: int
) -> Iterator[tuple[int, Location]]:
    """Fixes on foot, straight from where somebody came from, with their times in milliseconds."""
    east, north = _direction(chance, to, came_from)
    for left_s in range(LAST_S, 0, -EVERY_S):
        away_m = left_s * _WALK_MPS
        x = away_m * east + chance.gauss(0.0, _ERROR_M)
        y = away_m * north + chance.gauss(0.0, _ERROR_M)
        lat = to.lat + y / _M_PER_DEG
        lon = to.lon + x / (_M_PER_DEG * cos(radians(to.lat)))
        then_ms = time_ms - 1_000 * left_s
        position = Position(round(lat, 6), round((lon + 180.0) % 360.0 - 180.0, 6), _ERROR_M)
        yield then_ms, Location(person.user_id, position, at(then_ms), device_id=person.device(day))


def _direction(chance: Random, to: Position, came_from: Position | None) -> tuple[float, float]:
    """To the east and to the north of the goal, of length 1; any direction where they come from nowhere."""
    angle = 2.0 * pi * chance.random()
    if came_from is None:
        return sin(angle), cos(angle)
    east, north = (came_from.lon - to.lon) * cos(radians(to.lat)), came_from.lat - to.lat
    length = hypot(east, north)
    return (east / length, north / length) if length > 1e-6 else (sin(angle), cos(angle))
