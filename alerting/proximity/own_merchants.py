"""The merchants of a directory that a user knows: the only fences around them that matter."""

from collections.abc import Callable, Sequence
from typing import Protocol

from detectors.directory import KnownMerchant, PlacedMerchant
from geo import Near, Position


class Directory(Protocol):
    """What is asked of :class:`~detectors.directory.MerchantDirectory`."""

    def get(self, tenant: str, merchant_id: str) -> KnownMerchant | None:
        """The merchant of this id."""
        ...

    def near(self, tenant: str, position: Position, reach_m: float = 0.0) -> Sequence[Near[PlacedMerchant]]:
        """The merchants within reach."""
        ...


class OwnMerchants:
    """A choice of a tenant's merchants, as :class:`~geo.Fences`.

    Parameters
    ----------
    is_own
        Whether a merchant is in it.
    """

    __slots__ = ("_directory", "_is_own", "_tenant")

    def __init__(self, directory: Directory, tenant: str, is_own: Callable[[str], bool]) -> None:
        self._directory = directory
        self._tenant = tenant
        self._is_own = is_own

    def get(self, fence_id: str) -> PlacedMerchant | None:
        """The merchant of this id, if it has a place and is in the choice."""
        found = self._directory.get(self._tenant, fence_id)
        return found if isinstance(found, PlacedMerchant) and self._is_own(fence_id) else None

    def near(self, position: Position, reach_m: float = 0.0) -> list[Near[PlacedMerchant]]:
        """Those within reach, nearest first."""
        is_own = self._is_own
        around = self._directory.near(self._tenant, position, reach_m)
        return [near for near in around if is_own(near.fence.merchant_id)]
