"""Hypothesis strategies of every kind of event, for all who store or send them."""

from datetime import UTC, timedelta
from typing import Any

from hypothesis import strategies as st

from detectors.checks import EARLIEST, LATEST
from detectors.events import (
    MAX_AMOUNT_MINOR,
    Channel,
    Consent,
    ConsentPurpose,
    EntryMode,
    Location,
    Merchant,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    Preferences,
    ThreeDSStatus,
    Tick,
    Trade,
    TradeSide,
    Verdict,
    Visit,
)
from geo import Position

_NO_DIGITS = [chr(c) for c in range(33, 127) if not chr(c).isdigit()]
IDS = st.text(st.sampled_from(_NO_DIGITS), min_size=1, max_size=128)
TENANTS = IDS.map(lambda name: name.replace("/", "."))
TEXTS = st.text(st.sampled_from([*_NO_DIGITS, " ", "é", "東", "😀"]), max_size=256)
TIMES = st.datetimes(
    EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(days=1), timezones=st.just(UTC)
).map(lambda time: time.replace(fold=0))
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
POSITIONS = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(0, 2e7))
COUNTRIES = st.none() | st.sampled_from(["BE", "JP"])
MCCS = st.none() | st.from_regex(r"[0-9]{4}", fullmatch=True)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nothing, or one of these."""
    return st.none() | strategy


PAYMENTS = st.builds(
    Payment,
    transaction_id=IDS,
    user_id=IDS,
    amount_minor=st.integers(1, MAX_AMOUNT_MINOR),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    event_time=TIMES,
    merchant_id=IDS,
    tenant=TENANTS,
    payment_type=st.sampled_from(PaymentType),
    mcc=MCCS,
    merchant_name=optional(TEXTS),
    merchant_country=COUNTRIES,
    merchant_position=optional(POSITIONS),
    payer_position=optional(POSITIONS),
    device_id=optional(IDS),
    channel=optional(st.sampled_from(Channel)),
    entry_mode=optional(st.sampled_from(EntryMode)),
    card_token=optional(IDS),
)
LABELS = st.builds(
    Outcome,
    outcome_id=IDS,
    transaction_id=IDS,
    user_id=IDS,
    outcome_kind=st.sampled_from([k for k in OutcomeKind if k is not OutcomeKind.STEP_UP]),
    verdict=st.sampled_from(Verdict),
    event_time=TIMES,
    tenant=TENANTS,
    source=TEXTS,
    code=TEXTS,
    confidence=st.floats(0, 1),
    reported_time=optional(TIMES),
)
STEP_UPS = st.builds(
    Outcome,
    outcome_id=IDS,
    transaction_id=IDS,
    user_id=IDS,
    outcome_kind=st.just(OutcomeKind.STEP_UP),
    verdict=st.sampled_from(Verdict),
    event_time=TIMES,
    three_ds_status=st.sampled_from(ThreeDSStatus),
)
LOCATIONS = st.builds(
    Location,
    user_id=IDS,
    position=POSITIONS,
    event_time=TIMES,
    tenant=TENANTS,
    device_id=optional(IDS),
    speed_mps=optional(st.floats(0, 1_000)),
    heading_deg=optional(st.floats(0, 360, exclude_max=True)),
    mocked=st.booleans(),
)
CONSENTS = st.builds(
    Consent,
    user_id=IDS,
    purpose=st.sampled_from(ConsentPurpose),
    granted=st.booleans(),
    version=IDS,
    event_time=TIMES,
    tenant=TENANTS,
    source=TEXTS,
)
PREFERENCES = st.builds(
    Preferences,
    user_id=IDS,
    event_time=TIMES,
    tenant=TENANTS,
    time_zone=optional(st.sampled_from(["Europe/Brussels", "UTC"])),
    quiet_from_min=optional(st.integers(0, 1439)),
    quiet_to_min=optional(st.integers(0, 1439)),
    display_currency=optional(st.sampled_from(["EUR", "USD"])),
    watched_assets=st.lists(IDS, max_size=4).map(tuple),
)
MERCHANTS = st.builds(
    Merchant,
    merchant_id=IDS,
    event_time=TIMES,
    tenant=TENANTS,
    name=optional(TEXTS),
    mcc=MCCS,
    country=COUNTRIES,
    position=optional(POSITIONS),
    radius_m=optional(st.floats(0.1, 50_000)),
    chain_id=optional(IDS),
    opening_hours=optional(st.sampled_from(["24/7", "Mo-Fr 09:00-18:00; PH off"])),
    closed=st.booleans(),
    time_zone=optional(st.sampled_from(["Europe/Brussels", "UTC"])),
)
VISITS = st.builds(
    Visit,
    visit_id=IDS,
    user_id=IDS,
    merchant_id=IDS,
    event_time=TIMES,
    tenant=TENANTS,
    source=TEXTS,
)
TICKS = st.builds(
    Tick,
    venue=IDS,
    asset=IDS,
    quote=IDS,
    event_time=TIMES,
    open=POSITIVE,
    high=POSITIVE,
    low=POSITIVE,
    close=POSITIVE,
    volume=st.floats(0, 1e300),
    interval_s=st.integers(0, 86_400),
)
TRADES = st.builds(
    Trade,
    trade_id=IDS,
    user_id=IDS,
    asset=IDS,
    quote=IDS,
    side=st.sampled_from(TradeSide),
    quantity=POSITIVE,
    price=POSITIVE,
    event_time=TIMES,
    tenant=TENANTS,
    venue=TEXTS,
)

EVENTS: st.SearchStrategy[Any] = st.one_of(
    PAYMENTS, LOCATIONS, LABELS, STEP_UPS, CONSENTS, PREFERENCES, MERCHANTS, TICKS, TRADES, VISITS
)
"""Any event that the outside world sends."""
