"""The merchants of a directory that a user knows: the only fences around them that matter."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from detectors.directory import KnownMerchant, PlacedMerchant
from detectors.habits.places import merchant_token
from geo import Near, Position, distance_km

_M_PER_DEG = 110_500.0
"""A degree of latitude is nowhere shorter."""


class Directory(Protocol):
    """What is asked of :class:`~detectors.directory.MerchantDirectory`."""

    def get(self, tenant: str, merchant_id: str) -> KnownMerchant | None:
        """The merchant of this id."""
        ...

    def placed_of(self, tenant: str, tokens: Iterable[int]) -> list[PlacedMerchant]:
        """The merchants with these 32-bit names and a place."""
        ...

    def near(self, tenant: str, position: Position, reach_m: float = 0.0) -> Sequence[Near[PlacedMerchant]]:
        """The merchants within reach."""
        ...


class OwnMerchants:
    """A choice of a tenant's merchants, as :class:`~geo.Fences`.

    A city has thousands of merchants within reach and a user a few dozen anywhere, so these are looked at one
    by one.

    Parameters
    ----------
    tokens
        The 32-bit names of those that are in it.
    """

    __slots__ = ("_directory", "_placed", "_tenant", "_tokens")

    def __init__(self, directory: Directory, tenant: str, tokens: Iterable[int]) -> None:
        self._directory = directory
        self._tenant = tenant
        self._tokens = tokens
        self._placed: list[PlacedMerchant] | None = None

    def __contains__(self, merchant_id: str) -> bool:
        return merchant_token(merchant_id) in self._tokens

    def get(self, fence_id: str) -> PlacedMerchant | None:
        """The merchant of this id, if it has a place and is in the choice."""
        found = self._directory.get(self._tenant, fence_id)
        return found if isinstance(found, PlacedMerchant) and fence_id in self else None

    def near(self, position: Position, reach_m: float = 0.0) -> list[Near[PlacedMerchant]]:
        """Those within reach, nearest first."""
        found = []
        for merchant in self._all():
            limit_m = merchant.radius_m + reach_m
            if abs(merchant.position.lat - position.lat) * _M_PER_DEG <= limit_m:
                distance_m = 1e3 * distance_km(position, merchant.position)
                if distance_m <= limit_m:
                    found.append(Near(distance_m, merchant))
        return sorted(found, key=lambda near: (near.distance_m, near.fence.merchant_id))

    def _all(self) -> list[PlacedMerchant]:
        if self._placed is None:
            self._placed = self._directory.placed_of(self._tenant, self._tokens)
        return self._placed
