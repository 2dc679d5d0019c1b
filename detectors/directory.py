"""The merchants of all tenants: what each of them is, and which of them somebody is in or near.

It hears of merchants by events, in any order: what was said at a later event time counts. In memory is what a
row of bytes says and nothing else, so a directory that was loaded equals the one that heard the events.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from detectors.events import Merchant
from detectors.habits.places import merchant_token
from detectors.merchant_row import (
    ClosedMerchant,
    KnownMerchant,
    PlacedMerchant,
    microseconds,
    pack_merchant,
    unpack_merchant,
)
from geo import FenceIndex, Fences, Near, Position

__all__ = ["DirectoryParams", "KnownMerchant", "MerchantDirectory", "PlacedMerchant"]


@dataclass(frozen=True, slots=True)
class DirectoryParams:
    """How merchants are placed.

    Parameters
    ----------
    radius_m
        The radius in metres of a merchant that says none: what phones can tell reliably begins there.

    Raises
    ------
    ValueError
        When the radius is out of range.
    """

    radius_m: float = 100.0

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_m <= 50_000.0:
            raise ValueError(f"radius_m: {self.radius_m!r} is out of range; allowed: >0..50000 metres")


@dataclass(slots=True)
class _Tenant:
    placed: FenceIndex[PlacedMerchant] = field(default_factory=FenceIndex)
    elsewhere: dict[str, KnownMerchant | ClosedMerchant] = field(default_factory=dict)
    """Those without a place, and those that have closed."""
    ids: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """All ids by their 32-bit names, which a few may share."""

    def find(self, merchant_id: str) -> KnownMerchant | ClosedMerchant | None:
        return self.placed.get(merchant_id) or self.elsewhere.get(merchant_id)


_NOBODY: Final = _Tenant()


class MerchantDirectory:
    """Merchants that come, move and close.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> directory = MerchantDirectory()
    >>> bakery = Merchant("m-1", datetime(2026, 3, 1, tzinfo=UTC), position=Position(50.8466, 4.3528))
    >>> row = directory.put(bakery)
    >>> [near.fence.merchant_id for near in directory.near("default", Position(50.8460, 4.3530))]
    ['m-1']
    """

    def __init__(self, params: DirectoryParams | None = None) -> None:
        self._params = params or DirectoryParams()
        self._tenants: dict[str, _Tenant] = {}

    def __len__(self) -> int:
        return len([known for tenant in self._tenants for known in self.merchants(tenant)])

    def put(self, event: Merchant) -> bytes | None:
        """Hear of a merchant; gives the row to keep, None where something later is known of it."""
        known = self._of(event.tenant).find(event.merchant_id)
        if known is not None and known.changed_us > microseconds(event.event_time):
            return None
        row = pack_merchant(event)
        self.load(event.tenant, event.merchant_id, row)
        return row

    def load(self, tenant: str, merchant_id: str, row: bytes) -> None:
        """Take in a row that :meth:`put` gave."""
        merchants = self._tenants.setdefault(tenant, _Tenant())
        name = merchant_token(merchant_id)
        same = merchants.ids.get(name, ())
        if merchant_id not in same:
            merchants.ids[name] = (*same, merchant_id)
        merchant = unpack_merchant(merchant_id, row, self._params.radius_m)
        if isinstance(merchant, PlacedMerchant):
            merchants.elsewhere.pop(merchant_id, None)
            merchants.placed.put(merchant)
        else:
            merchants.placed.remove(merchant_id)
            merchants.elsewhere[merchant_id] = merchant

    def get(self, tenant: str, merchant_id: str) -> KnownMerchant | None:
        """The merchant of this id, placed where its place is known; None once it has closed."""
        found = self._of(tenant).find(merchant_id)
        return None if isinstance(found, ClosedMerchant) else found

    def placed_of(self, tenant: str, tokens: Iterable[int]) -> list[PlacedMerchant]:
        """The merchants with these names (:func:`~detectors.habits.places.merchant_token`) and a place."""
        merchants = self._of(tenant)
        ids, find = merchants.ids, merchants.placed.get
        found = [find(merchant_id) for token in tokens for merchant_id in ids.get(token, ())]
        return [merchant for merchant in found if merchant is not None]

    def merchants(self, tenant: str) -> Iterator[KnownMerchant]:
        """All merchants of a tenant that have not closed."""
        yield from self.placed(tenant)
        elsewhere = self._of(tenant).elsewhere
        yield from (each for each in elsewhere.values() if isinstance(each, KnownMerchant))

    def placed(self, tenant: str) -> Iterator[PlacedMerchant]:
        """Those of them whose place is known."""
        return iter(self._of(tenant).placed)

    def fences(self, tenant: str) -> Fences:
        """The places of a tenant's merchants as fences; to be asked for anew at each event."""
        return self._of(tenant).placed

    def near(self, tenant: str, position: Position, reach_m: float = 0.0) -> list[Near[PlacedMerchant]]:
        """The merchants that a point is in, or at most ``reach_m`` metres away from; nearest first."""
        return self._of(tenant).placed.near(position, reach_m)

    def near_of_chain(
        self, tenant: str, chain_id: str, position: Position, reach_m: float
    ) -> list[Near[PlacedMerchant]]:
        """Those of them that belong to a chain."""
        return [near for near in self.near(tenant, position, reach_m) if near.fence.chain_id == chain_id]

    def nearest(self, tenant: str, position: Position, count: int) -> list[Near[PlacedMerchant]]:
        """The merchants whose centres are nearest, in that order; fewer where there are fewer."""
        return self._of(tenant).placed.nearest(position, count)

    def _of(self, tenant: str) -> _Tenant:
        return self._tenants.get(tenant, _NOBODY)
