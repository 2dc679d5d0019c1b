"""Builders: places in metres from a corner of Brussels, and a user who is followed."""

from math import cos, radians
from random import Random
from typing import Any

from geo import Fence, FenceIndex, Fix, Position, Presence, PresenceParams, Refused, Transition

START_S = 1_700_000_000
CORNER = Position(50.8466, 4.3528)
M_PER_DEG = 111_195.0


def place(east_m: float, north_m: float = 0.0, corner: Position = CORNER) -> Position:
    """The point so many metres from the corner, also across the antimeridian."""
    lat = corner.lat + north_m / M_PER_DEG
    lon = corner.lon + east_m / (M_PER_DEG * cos(radians(corner.lat)))
    if abs(lat) > 90.0:  # over the pole
        lat, lon = (180.0 if lat > 0.0 else -180.0) - lat, lon + 180.0
    return Position(lat, (lon + 540.0) % 360.0 - 180.0)


def fix(at_s: int, east_m: float, north_m: float = 0.0, accuracy_m: float | None = 10.0, **more: Any) -> Fix:
    """A fix so many seconds after the start."""
    point = place(east_m, north_m)
    return Fix(Position(point.lat, point.lon, accuracy_m), START_S + at_s, **more)


def fence(name: str = "shop", east_m: float = 0.0, north_m: float = 0.0, radius_m: float = 100.0) -> Fence:
    return Fence(name, place(east_m, north_m), radius_m)


class Walker:
    """Somebody who is followed: collects what is said of them, with times counted from the start."""

    def __init__(self, *fences: Fence, params: PresenceParams | None = None) -> None:
        self.fences = FenceIndex(fences or [fence()])
        self.presence = Presence(params or PresenceParams())
        self.said: list[Transition] = []

    def see(self, *fixes: Fix) -> "Walker":
        for each in fixes:
            self.said += self.presence.see(each, self.fences)
        return self

    def wait_until(self, at_s: int) -> "Walker":
        self.said += self.presence.advance(START_S + at_s, self.fences)
        return self

    def names(self, *left_out: type) -> list[str]:
        return [type(each).__name__ for each in self.said if not isinstance(each, left_out)]

    def of(self, kind: type) -> list[Transition]:
        return [each for each in self.said if isinstance(each, kind)]

    def times(self, kind: type) -> list[int]:
        return [each.time_s - START_S for each in self.of(kind)]

    def distrusted(self) -> list[str]:
        return [each.reason.value for each in self.said if isinstance(each, Refused)]


def wandering(seed: int, count: int = 400, corner: Position = CORNER) -> list[Fix]:
    """A random track: rests, ways, gaps, glitches, mocked and coarse fixes, two devices."""
    random = Random(seed)
    east = north = speed = 0.0
    way = (1.0, 0.0)
    time_s = START_S
    track = []
    for _ in range(count):
        if random.random() < 0.08:
            speed = random.choice([0.0, 0.0, 1.3, 1.3, 4.0, 15.0])
            way = random.choice([(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (0.7, 0.7)])
        step_s = random.choice([1, 5, 5, 10, 10, 30, 120])
        if random.random() < 0.01:
            step_s = random.choice([1_800, 20_000, 50_000])
        time_s += step_s
        if abs(east) > 600.0 or abs(north) > 600.0:
            way = (-0.7 if east > 0 else 0.7, -0.7 if north > 0 else 0.7)
        east, north = east + way[0] * speed * min(step_s, 60), north + way[1] * speed * min(step_s, 60)
        accuracy = random.choice([None, 3.0, 8.0, 15.0, 40.0, 120.0, 2_000.0])
        noise = random.choice([0.0, 5.0, 5.0, 20.0])
        glitch = random.choice([250.0, 40_000.0]) if random.random() < 0.02 else 0.0
        seen = place(east + random.gauss(0.0, noise) + glitch, north + random.gauss(0.0, noise), corner)
        track.append(
            Fix(
                Position(seen.lat, seen.lon, accuracy),
                time_s,
                random.choice([None, speed]),
                random.choice([None, 90.0]),
                random.random() < 0.03,
                random.choice(["phone", "phone", "phone", "tablet"]),
            )
        )
    return track


def town(seed: int, corner: Position = CORNER) -> list[Fence]:
    """Some fences about, also on top of each other."""
    random = Random(seed)
    return [
        Fence(
            f"shop-{number}",
            place(random.uniform(-700.0, 700.0), random.uniform(-700.0, 700.0), corner),
            random.choice([30.0, 60.0, 100.0, 250.0]),
        )
        for number in range(12)
    ]
