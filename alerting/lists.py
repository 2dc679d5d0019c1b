"""Allow and deny lists: values of one field of a payment, each with an optional end in event time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from alerting.checks import STRICTNESS, check_id, check_stricter
from alerting.decision import Action
from alerting.reasons import Hit, policy_reason
from detectors.events import STRICT, Payment

_NO_OFFSET = timedelta(0)


class ListKind(StrEnum):
    """What being on a list means."""

    ALLOW = "allow"
    DENY = "deny"


class ListField(StrEnum):
    """Which field of a payment a list looks at."""

    USER_ID = "user_id"
    MERCHANT_ID = "merchant_id"
    DEVICE_ID = "device_id"
    CARD_TOKEN = "card_token"
    MCC = "mcc"
    MERCHANT_COUNTRY = "merchant_country"


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One value on a list; from ``expires`` on (event time) it is as if it were not there."""

    __pydantic_config__: ClassVar = STRICT

    value: str
    expires: datetime | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.value) <= 128:
            raise ValueError(f"value: has {len(self.value)} characters; allowed: 1..128")
        if self.expires is None:
            return
        if self.expires.utcoffset() != _NO_OFFSET:
            raise ValueError(
                f"expires: {self.expires.isoformat()} is not in UTC; allowed: UTC times (ending in Z)"
            )
        # Readers of files bring zone classes of their own; comparing within one class is quickest.
        object.__setattr__(self, "expires", self.expires.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Listing:
    """An allow or deny list on one field; with ``tenant`` it holds for that tenant's payments only."""

    __pydantic_config__: ClassVar = STRICT

    id: str
    kind: ListKind
    field: ListField
    entries: tuple[ListEntry, ...]
    action: Action | None = None
    tenant: str | None = None

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.action is None:
            return
        if self.kind is ListKind.ALLOW:
            raise ValueError(f"action: {self.action.value!r} on an allow list; allowed: none, it approves")
        check_stricter("action", self.action)

    @property
    def denial(self) -> Action:
        """What a deny list asks for: DECLINE unless it says otherwise."""
        return Action.DECLINE if self.action is None else self.action


@dataclass(frozen=True, slots=True)
class _Listed:
    rank: int
    tenant: str | None
    expires: datetime | None
    hit: Hit | None  # None on an allow list
    list_id: str

    def holds_for(self, payment: Payment) -> bool:
        if self.expires is not None and payment.event_time >= self.expires:
            return False
        return self.tenant is None or self.tenant == payment.tenant


class ListIndex:
    """All lists, looked up by value."""

    __slots__ = ("_by_field",)

    def __init__(self, listings: tuple[Listing, ...]) -> None:
        by_field: dict[str, dict[str, list[_Listed]]] = {}
        for rank, listing in enumerate(sorted(listings, key=lambda one: -STRICTNESS[one.denial])):
            denial = Hit(listing.id, listing.denial, policy_reason("DENY_LIST", listing.id))
            hit = denial if listing.kind is ListKind.DENY else None
            values = by_field.setdefault(listing.field.value, {})
            for entry in listing.entries:
                listed = _Listed(rank, listing.tenant, entry.expires, hit, listing.id)
                values.setdefault(entry.value, []).append(listed)
        self._by_field = tuple(by_field.items())

    def look_up(self, payment: Payment) -> tuple[list[Hit], list[str]]:
        """The deny lists that hit, strictest first, and the ids of the allow lists that hold."""
        found: dict[int, _Listed] = {}
        for name, values in self._by_field:
            for listed in values.get(getattr(payment, name), ()):
                if listed.holds_for(payment):
                    found[listed.rank] = listed
        if not found:
            return [], []
        ordered = [found[rank] for rank in sorted(found)]
        hits = [listed.hit for listed in ordered if listed.hit is not None]
        return hits, [listed.list_id for listed in ordered if listed.hit is None]
