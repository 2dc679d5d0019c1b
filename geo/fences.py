"""An index of circles on Earth: which of them is somebody in, or near?

A grid of cells of about equal size, with fewer of them around the Earth towards the poles, so that neither
poles nor the antimeridian are special. Each fence stands in every cell that it touches, of a grid whose cells
are at least as high as its radius: nine cells at most, nearly always. Who asks which fences a point is in
looks into one cell per grid, however many fences there are elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import asin, ceil, cos, degrees, floor, log2, pi, radians, sin
from typing import Final, Generic, NamedTuple, Protocol

from typing_extensions import TypeVar

from geo.distance import distance_km
from geo.position import MAX_ACCURACY_M, Position

_CELL_DEG: Final = 1.0 / 256.0
"""The height of the smallest cells: 430 m."""
_M_PER_DEG: Final = 110_500.0
"""A degree of latitude is nowhere shorter."""
_CURVATURE_M: Final = 6_335_000.0
"""The Earth is nowhere more curved than a sphere of this radius."""
_COLUMN_BITS: Final = 20
_FIRST_REACH_M: Final = 250.0


class Circle(Protocol):
    """What an index can hold: a :class:`Fence`, or anything with its attributes that does not change."""

    @property
    def fence_id(self) -> str:
        """See :class:`Fence`."""
        ...

    @property
    def position(self) -> Position:
        """See :class:`Fence`."""
        ...

    @property
    def radius_m(self) -> float:
        """See :class:`Fence`."""
        ...


@dataclass(frozen=True, slots=True)
class Fence:
    """A circle around a place.

    Parameters
    ----------
    fence_id
        Its name; a fence that is put in later under the same name takes its place.
    position
        Its centre; an accuracy radius plays no part.
    radius_m
        In metres, above 0 up to 50,000.

    Raises
    ------
    ValueError
        When the radius is out of range or not finite.
    """

    fence_id: str
    position: Position
    radius_m: float

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_m <= 50_000.0:
            raise ValueError(f"radius_m: {self.radius_m!r} is out of range; allowed: >0..50000 metres")


F = TypeVar("F", bound=Circle, default=Fence)
C_co = TypeVar("C_co", bound=Circle, covariant=True, default=Circle)


class Near(NamedTuple, Generic[C_co]):
    """A fence, and how far its centre is away."""

    distance_m: float
    fence: C_co

    @property
    def outside_m(self) -> float:
        """How far the fence itself is away; negative inside it."""
        return self.distance_m - self.fence.radius_m


class Fences(Protocol):
    """What can be asked where fences are: a :class:`FenceIndex`, or a choice of what is in one."""

    def get(self, fence_id: str) -> Circle | None:
        """See :meth:`FenceIndex.get`."""
        ...

    def near(self, position: Position, reach_m: float = 0.0) -> Sequence[Near]:
        """See :meth:`FenceIndex.near`."""
        ...


_Entry = tuple[float, float, float, F]
"""A fence with its latitude, longitude and radius beside it, which are looked at more often than it is."""


class FenceIndex(Generic[F]):
    """Fences that come, move and go, and exact answers to where they are.

    A query costs what the fences nearby cost, not what all of them do. Answers depend on the fences that are
    in, not on the order in which they came.

    Examples
    --------
    >>> index = FenceIndex([Fence("bakery", Position(50.8466, 4.3528), 100.0)])
    >>> index.put(Fence("station", Position(50.8453, 4.3569), 250.0))
    >>> [near.fence.fence_id for near in index.near(Position(50.8460, 4.3545))]
    ['station']
    >>> [near.fence.fence_id for near in index.near(Position(50.8460, 4.3545), reach_m=100.0)]
    ['bakery', 'station']
    """

    def __init__(self, fences: Iterable[F] = ()) -> None:
        self._fences: dict[str, F] = {}
        self._grids: dict[int, dict[int, list[_Entry[F]]]] = {}
        for fence in fences:
            self.put(fence)

    def __len__(self) -> int:
        return len(self._fences)

    def __iter__(self) -> Iterator[F]:
        return iter(self._fences.values())

    def get(self, fence_id: str) -> F | None:
        """The fence of this name, if it is in."""
        return self._fences.get(fence_id)

    def put(self, fence: F) -> None:
        """Add a fence, in the place of another one of its name."""
        self.remove(fence.fence_id)
        self._fences[fence.fence_id] = fence
        level = _level(fence.radius_m)
        grid = self._grids.setdefault(level, {})
        entry = _entry(fence)
        for cell in _cells(level, fence.position, fence.radius_m):
            grid.setdefault(cell, []).append(entry)

    def remove(self, fence_id: str) -> None:
        """Take a fence out, if it is in."""
        fence = self._fences.pop(fence_id, None)
        if fence is None:
            return
        level = _level(fence.radius_m)
        grid = self._grids[level]
        entry = _entry(fence)
        for cell in _cells(level, fence.position, fence.radius_m):
            grid[cell].remove(entry)
            if not grid[cell]:
                del grid[cell]
        if not grid:
            del self._grids[level]

    def near(self, position: Position, reach_m: float = 0.0) -> list[Near[F]]:
        """The fences that a point is in, or at most ``reach_m`` metres away from; nearest centre first."""
        found = []
        for fence in self._around(position, reach_m):
            distance_m = distance_km(position, fence.position) * 1e3
            if distance_m - fence.radius_m <= reach_m:
                found.append(Near(distance_m, fence))
        if len(found) > 1:
            found.sort(key=_by_distance)
        return found

    def nearest(self, position: Position, count: int) -> list[Near[F]]:
        """The fences whose centres are nearest, in that order; fewer where there are fewer."""
        reach_m = _FIRST_REACH_M
        while reach_m < MAX_ACCURACY_M:
            found = [near for near in self.near(position, reach_m) if near.distance_m <= reach_m]
            if len(found) >= count:
                return found[:count]
            reach_m *= 4.0
        return self.near(position, MAX_ACCURACY_M)[:count]

    def _around(self, position: Position, reach_m: float) -> Iterable[F]:
        """All fences that may be within reach, each once."""
        if not reach_m:
            return self._at(position)
        lat, lon = position.lat, position.lon
        found: dict[str, F] = {}
        for level, grid in self._grids.items():
            if _about_cells(level, reach_m) >= len(grid):
                return self._fences.values()
            widest_m = reach_m + _M_PER_DEG * _CELL_DEG * 2.0**level
            up, across = 1.0 / _M_PER_DEG, _lon_per_m(lat, widest_m)
            for cell in _cells(level, position, reach_m):
                for its_lat, its_lon, radius_m, fence in grid.get(cell, ()):
                    # Most of what a cell holds is too far away in one direction already.
                    limit_m = radius_m + reach_m
                    if -limit_m * up <= its_lat - lat <= limit_m * up:
                        turn = its_lon - lon
                        if -across * limit_m <= turn <= across * limit_m or not -180.0 <= turn <= 180.0:
                            found[fence.fence_id] = fence
        return found.values()

    def _at(self, position: Position) -> Iterator[F]:
        for level, grid in self._grids.items():
            height = _CELL_DEG * 2.0**level
            row = _row(height, position.lat)
            for entry in grid.get(_cell(row, _column(_columns(height, row), position.lon)), ()):
                yield entry[3]


def _by_distance(near: Near) -> tuple[float, str]:
    return near.distance_m, near.fence.fence_id


def _entry(fence: F) -> _Entry[F]:
    return fence.position.lat, fence.position.lon, fence.radius_m, fence


def _lon_per_m(lat: float, widest_m: float) -> float:
    """Degrees of longitude that a metre spans at most, for ways of up to ``widest_m`` from there."""
    farthest = abs(lat) + 2.0 * widest_m / _M_PER_DEG
    return 1.0 / (_M_PER_DEG * cos(radians(farthest))) if farthest < 85.0 else 360.0


def _level(radius_m: float) -> int:
    """The grid whose cells are just as high as the radius, or higher."""
    return max(0, ceil(log2(radius_m / _M_PER_DEG / _CELL_DEG)))


def _about_cells(level: int, reach_m: float) -> float:
    across = 2.0 * reach_m / (_M_PER_DEG * _CELL_DEG * 2.0**level) + 1.0
    return across * across


def _cells(level: int, centre: Position, radius_m: float) -> Iterator[int]:
    """The cells that a circle touches, and maybe a few around it."""
    height = _CELL_DEG * 2.0**level
    up = radius_m / _M_PER_DEG
    across = _half_width_deg(centre.lat, radius_m)
    for row in range(_row(height, centre.lat - up), _row(height, centre.lat + up) + 1):
        columns = _columns(height, row)
        width = 360.0 / columns
        first, last = (
            floor((centre.lon - across + 180.0) / width),
            floor((centre.lon + across + 180.0) / width),
        )
        if last - first + 1 >= columns:
            first, last = 0, columns - 1
        for column in range(first, last + 1):
            yield _cell(row, column % columns)


def _half_width_deg(lat: float, radius_m: float) -> float:
    """How far a circle reaches to the east and to the west; 180 where it holds a pole."""
    angle = min(pi, radius_m / _CURVATURE_M)
    if abs(lat) + degrees(angle) >= 90.0:
        return 180.0
    return degrees(asin(min(1.0, sin(angle) / cos(radians(lat)))))


def _row(height: float, lat: float) -> int:
    """The row of cells at a latitude, from the south pole on."""
    rows = ceil(180.0 / height)
    return min(max(floor((lat + 90.0) / height), 0), rows - 1)


@lru_cache(maxsize=1 << 16)
def _columns(height: float, row: int) -> int:
    """How many cells of a row go around the Earth: none is narrower than it is high."""
    south = row * height - 90.0
    at = max(0.0, south, -south - height)
    return max(1, int(360.0 * cos(radians(min(90.0, at + height))) / height))


def _column(columns: int, lon: float) -> int:
    return min(int((lon + 180.0) * columns / 360.0), columns - 1) if lon < 180.0 else 0


def _cell(row: int, column: int) -> int:
    return row << _COLUMN_BITS | column
