"""Positions, distances and local time on Earth: pure functions, no payments, no thresholds, no I/O."""

from geo.distance import bearing_deg, distance_km
from geo.fences import Circle, Fence, FenceIndex, Near
from geo.local_time import (
    LocalTime,
    first_instant,
    is_zone,
    latest_shown,
    local_time,
    offset_quarters,
    solar_offset_h,
    solar_time,
)
from geo.opening_hours import OpeningHours, OpeningHoursError
from geo.position import Position
from geo.travel import MIN_GAP_S, min_speed_kmh

__all__ = [
    "MIN_GAP_S",
    "Circle",
    "Fence",
    "FenceIndex",
    "LocalTime",
    "Near",
    "OpeningHours",
    "OpeningHoursError",
    "Position",
    "bearing_deg",
    "distance_km",
    "first_instant",
    "is_zone",
    "latest_shown",
    "local_time",
    "min_speed_kmh",
    "offset_quarters",
    "solar_offset_h",
    "solar_time",
]
