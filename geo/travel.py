"""How fast somebody must have travelled to be seen at two places."""

from typing import Final

from geo.distance import distance_km
from geo.position import Position

MIN_GAP_S: Final = 60.0
"""The shortest gap that is believed, in seconds.

Sources round to whole seconds or minutes and two devices' clocks disagree, so a shorter gap says nothing
about speed: two fixes 2 km apart in the same second would look like a rocket. With a minute as the floor,
places 15 km apart at "the same time" give 900 km/h, an airliner, and only what is further apart is beyond it.
"""


def min_speed_kmh(a: Position, b: Position, gap_s: float) -> float:
    """The smallest speed, in km/h, that takes somebody from ``a`` to ``b`` in ``gap_s`` seconds.

    Both accuracy circles count in the traveller's favour: their radii shorten the way, down to zero. A
    position without a radius is a point. The order of the two sightings does not matter, so the sign of the
    gap is dropped; a gap below :data:`MIN_GAP_S` counts as that long.

    Examples
    --------
    >>> brussels, paris = Position(50.8466, 4.3528), Position(48.8566, 2.3522)
    >>> round(min_speed_kmh(brussels, paris, gap_s=1800.0))
    528
    >>> min_speed_kmh(brussels, Position(50.85, 4.36, accuracy_m=2_000.0), gap_s=0.0)
    0.0
    """
    radii_km = ((a.accuracy_m or 0.0) + (b.accuracy_m or 0.0)) / 1000.0
    way_km = distance_km(a, b) - radii_km
    if way_km <= 0.0:
        return 0.0
    return way_km * 3600.0 / max(MIN_GAP_S, abs(gap_s))
