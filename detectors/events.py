"""What can happen: one typed, immutable event per kind.

Every event is a frozen dataclass that refuses what can never be. Times are UTC, money is an integer
count of the currency's minor unit, ids are opaque tokens. ``event_id`` names the event for ever: a log
holds each id once.
"""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import ClassVar, Final

from detectors.checks import check_code, check_ids, check_mcc, check_text, check_time, joined, shown
from detectors.event_words import (
    Channel,
    ConsentPurpose,
    EntryMode,
    OutcomeKind,
    PaymentType,
    ThreeDSStatus,
    TradeSide,
    Verdict,
    Word,
)
from detectors.money import MINOR_DIGITS
from geo import Position

__all__ = [
    "MAX_AMOUNT_MINOR",
    "MAX_WATCHED",
    "STRICT",
    "Channel",
    "Consent",
    "ConsentPurpose",
    "EntryMode",
    "Location",
    "Merchant",
    "Outcome",
    "OutcomeKind",
    "Payment",
    "PaymentType",
    "Preferences",
    "ThreeDSStatus",
    "Tick",
    "Trade",
    "TradeSide",
    "Verdict",
    "Visit",
    "Word",
]

MAX_AMOUNT_MINOR = 10**15
MAX_WATCHED = 200

STRICT: Final[dict[str, object]] = {"extra": "forbid", "strict": True}
"""How codecs read an event: nothing unknown, nothing converted (the attribute that pydantic looks for)."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment to decide on. ``amount_minor`` counts minor units of ``currency`` (ISO 4217)."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "payment"

    transaction_id: str
    user_id: str
    amount_minor: int
    currency: str
    event_time: datetime
    merchant_id: str
    tenant: str = "default"
    payment_type: PaymentType = PaymentType.PURCHASE
    mcc: str | None = None
    merchant_name: str | None = None
    merchant_country: str | None = None
    merchant_position: Position | None = None
    payer_position: Position | None = None
    device_id: str | None = None
    channel: Channel | None = None
    entry_mode: EntryMode | None = None
    card_token: str | None = None

    def __post_init__(self) -> None:
        check_ids(
            ("transaction_id", self.transaction_id),
            ("user_id", self.user_id),
            ("merchant_id", self.merchant_id),
            ("tenant", self.tenant),
            ("device_id", self.device_id),
            ("card_token", self.card_token),
        )
        check_text("merchant_name", self.merchant_name)
        check_time("event_time", self.event_time)
        if self.currency not in MINOR_DIGITS:
            raise ValueError(f"currency: {shown(self.currency)} is no currency; allowed: ISO 4217 codes")
        check_code("merchant_country", self.merchant_country, 2, "two capital letters (ISO 3166-1)")
        check_mcc(self.mcc)
        lowest = 0 if self.payment_type is PaymentType.ACCOUNT_VERIFICATION else 1
        if not lowest <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise ValueError(
                f"amount_minor: {shown(self.amount_minor)} is out of range; "
                # Not digit by digit: so many would be masked as a card number.
                f"allowed: {lowest}..{MAX_AMOUNT_MINOR:.0e} minor units for {self.payment_type}"
            )

    @property
    def event_id(self) -> str:
        return f"payment/{self.tenant}/{self.transaction_id}"


@dataclass(frozen=True, slots=True)
class Location:
    """A position fix of a user's device. ``mocked`` says that the device reports a mock provider."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "location"

    user_id: str
    position: Position
    event_time: datetime
    tenant: str = "default"
    device_id: str | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    mocked: bool = False

    def __post_init__(self) -> None:
        check_ids(("user_id", self.user_id), ("tenant", self.tenant), ("device_id", self.device_id))
        check_time("event_time", self.event_time)
        if self.speed_mps is not None and not 0.0 <= self.speed_mps <= 1_000.0:
            raise ValueError(f"speed_mps: {self.speed_mps!r} is out of range; allowed: 0..1000")
        if self.heading_deg is not None and not 0.0 <= self.heading_deg < 360.0:
            raise ValueError(f"heading_deg: {self.heading_deg!r} is out of range; allowed: 0..<360")

    @property
    def event_id(self) -> str:
        device, time = self.device_id or "", self.event_time.isoformat()
        return joined("location", self.tenant, self.user_id, device, time)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a payment turned out, as one source reports it; may come late, twice or before the payment."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "outcome"

    outcome_id: str
    transaction_id: str
    user_id: str
    outcome_kind: OutcomeKind
    verdict: Verdict
    event_time: datetime
    tenant: str = "default"
    three_ds_status: ThreeDSStatus | None = None
    source: str = ""
    code: str = ""
    confidence: float = 1.0
    reported_time: datetime | None = None

    def __post_init__(self) -> None:
        check_ids(
            ("outcome_id", self.outcome_id),
            ("transaction_id", self.transaction_id),
            ("user_id", self.user_id),
            ("tenant", self.tenant),
        )
        check_text("source", self.source)
        check_text("code", self.code)
        check_time("event_time", self.event_time)
        if self.reported_time is not None:
            check_time("reported_time", self.reported_time)
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence: {self.confidence!r} is not a probability; allowed: 0..1")
        if (self.outcome_kind is OutcomeKind.STEP_UP) != (self.three_ds_status is not None):
            raise ValueError(
                "three_ds_status: a STEP_UP outcome needs one of Y N U A C D R I, no other kind may have one"
            )

    @property
    def event_id(self) -> str:
        return f"outcome/{self.tenant}/{self.outcome_id}"


@dataclass(frozen=True, slots=True)
class Consent:
    """A user allows or withdraws one purpose from ``event_time`` on."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "consent"

    user_id: str
    purpose: ConsentPurpose
    granted: bool
    version: str
    event_time: datetime
    tenant: str = "default"
    source: str = ""

    def __post_init__(self) -> None:
        check_ids(("user_id", self.user_id), ("tenant", self.tenant), ("version", self.version))
        check_text("source", self.source)
        check_time("event_time", self.event_time)

    @property
    def event_id(self) -> str:
        return joined("consent", self.tenant, self.user_id, self.purpose, self.event_time.isoformat())


@dataclass(frozen=True, slots=True)
class Preferences:
    """A user's settings as a whole; a later one replaces an earlier one."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "preferences"

    user_id: str
    event_time: datetime
    tenant: str = "default"
    time_zone: str | None = None
    quiet_from_min: int | None = None
    quiet_to_min: int | None = None
    display_currency: str | None = None
    watched_assets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ids(("user_id", self.user_id), ("tenant", self.tenant))
        if len(self.watched_assets) > MAX_WATCHED:
            raise ValueError(
                f"watched_assets: has {len(self.watched_assets)} entries; allowed: {MAX_WATCHED}"
            )
        check_ids(*(("watched_assets", asset) for asset in self.watched_assets))
        check_text("time_zone", self.time_zone)
        check_time("event_time", self.event_time)
        check_code("display_currency", self.display_currency, 3, "three capital letters (ISO 4217)")
        quiet = (("quiet_from_min", self.quiet_from_min), ("quiet_to_min", self.quiet_to_min))
        for name, minute in quiet:
            if minute is not None and not 0 <= minute < 1440:
                raise ValueError(f"{name}: {minute!r} is not a minute of the day; allowed: 0..1439")

    @property
    def event_id(self) -> str:
        return joined("preferences", self.tenant, self.user_id, self.event_time.isoformat())


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant's directory entry. ``opening_hours`` is in OpenStreetMap syntax."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "merchant"

    merchant_id: str
    event_time: datetime
    tenant: str = "default"
    name: str | None = None
    mcc: str | None = None
    country: str | None = None
    position: Position | None = None
    radius_m: float | None = None
    chain_id: str | None = None
    opening_hours: str | None = None
    closed: bool = False
    time_zone: str | None = None

    def __post_init__(self) -> None:
        check_ids(("merchant_id", self.merchant_id), ("tenant", self.tenant), ("chain_id", self.chain_id))
        check_text("name", self.name)
        check_text("opening_hours", self.opening_hours)
        check_text("time_zone", self.time_zone)
        check_time("event_time", self.event_time)
        check_code("country", self.country, 2, "two capital letters (ISO 3166-1)")
        check_mcc(self.mcc)
        if self.radius_m is not None and not 0.0 < self.radius_m <= 50_000.0:
            raise ValueError(f"radius_m: {self.radius_m!r} is out of range; allowed: >0..50000 metres")

    @property
    def event_id(self) -> str:
        return joined("merchant", self.tenant, self.merchant_id, self.event_time.isoformat())


@dataclass(frozen=True, slots=True)
class Visit:
    """A user was at a merchant, as something other than a payment tells: a check-in, a loyalty card."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "visit"

    visit_id: str
    user_id: str
    merchant_id: str
    event_time: datetime
    tenant: str = "default"
    source: str = ""

    def __post_init__(self) -> None:
        check_ids(
            ("visit_id", self.visit_id),
            ("user_id", self.user_id),
            ("merchant_id", self.merchant_id),
            ("tenant", self.tenant),
        )
        check_text("source", self.source)
        check_time("event_time", self.event_time)

    @property
    def event_id(self) -> str:
        return f"visit/{self.tenant}/{self.visit_id}"


@dataclass(frozen=True, slots=True)
class Tick:
    """One candle of an instrument: prices in ``quote``, ``volume`` in units of the asset."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "tick"

    venue: str
    asset: str
    quote: str
    event_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    interval_s: int = 60

    def __post_init__(self) -> None:
        check_ids(("venue", self.venue), ("asset", self.asset), ("quote", self.quote))
        check_time("event_time", self.event_time)
        for name in ("open", "high", "low", "close"):
            price = getattr(self, name)
            if not (price > 0.0 and isfinite(price)):
                raise ValueError(f"{name}: {price!r} is not a price; allowed: above 0")
        if not (self.volume >= 0.0 and isfinite(self.volume)):
            raise ValueError(f"volume: {self.volume!r} is not a volume; allowed: 0 or more")
        if self.interval_s < 0:
            raise ValueError(f"interval_s: {self.interval_s!r} is negative; allowed: 0 (a trade) or more")

    @property
    def event_id(self) -> str:
        interval, time = str(self.interval_s), self.event_time.isoformat()
        return joined("tick", self.venue, self.asset, self.quote, interval, time)


@dataclass(frozen=True, slots=True)
class Trade:
    """A user's own trade: ``quantity`` of ``asset`` at ``price`` in ``quote``."""

    __pydantic_config__: ClassVar = STRICT
    kind: ClassVar[str] = "trade"

    trade_id: str
    user_id: str
    asset: str
    quote: str
    side: TradeSide
    quantity: float
    price: float
    event_time: datetime
    tenant: str = "default"
    venue: str = ""

    def __post_init__(self) -> None:
        check_ids(
            ("trade_id", self.trade_id),
            ("user_id", self.user_id),
            ("asset", self.asset),
            ("quote", self.quote),
            ("tenant", self.tenant),
        )
        check_text("venue", self.venue)
        check_time("event_time", self.event_time)
        for name, value in (("quantity", self.quantity), ("price", self.price)):
            if not (value > 0.0 and isfinite(value)):
                raise ValueError(f"{name}: {value!r} is out of range; allowed: above 0")

    @property
    def event_id(self) -> str:
        return f"trade/{self.tenant}/{self.trade_id}"
