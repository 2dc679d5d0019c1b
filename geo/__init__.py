"""Positions, distances, fences, who is where, local time and opening hours: pure; no payments, no I/O."""

from geo.distance import bearing_deg, distance_km
from geo.fences import Circle, Fence, FenceIndex, Fences, Near
from geo.fixes import Distrust, Fix, FixParams
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
from geo.presence import Presence, PresenceParams
from geo.transitions import (
    Approach,
    Cause,
    Dwell,
    Enter,
    Exit,
    Passed,
    Refused,
    Stopped,
    Transition,
    WentOn,
)
from geo.travel import MIN_GAP_S, min_speed_kmh

__all__ = [
    "MIN_GAP_S",
    "Approach",
    "Cause",
    "Circle",
    "Distrust",
    "Dwell",
    "Enter",
    "Exit",
    "Fence",
    "FenceIndex",
    "Fences",
    "Fix",
    "FixParams",
    "LocalTime",
    "Near",
    "OpeningHours",
    "OpeningHoursError",
    "Passed",
    "Position",
    "Presence",
    "PresenceParams",
    "Refused",
    "Stopped",
    "Transition",
    "WentOn",
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
