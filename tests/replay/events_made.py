"""Events for the tests of this folder: strategies for any event, and plain ones to count with."""

from datetime import UTC, datetime, timedelta
from string import ascii_letters
from typing import Final

from hypothesis import strategies as st

from alerting.decision import Action, FallbackAnswered, FallbackCause, PolicyActivated
from detectors.checks import EARLIEST, LATEST
from detectors.events import (
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
)
from flows.codec import Event
from geo import Position

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

_ids = st.text(ascii_letters + "-_:/ .", min_size=1, max_size=20)
_maybe_ids = st.none() | _ids
_texts = st.text(st.characters(categories=["L", "P", "S"]), max_size=20)
_times = st.datetimes(
    EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(seconds=1), timezones=st.just(UTC)
).map(lambda time: time.replace(fold=0))
_countries = st.none() | st.text("ABCXYZ", min_size=2, max_size=2)
_category_codes = st.none() | st.text("0123456789", min_size=4, max_size=4)
_positive = st.floats(min_value=1e-9, max_value=1e12)
_positions = st.builds(
    Position,
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    accuracy_m=st.none() | st.floats(0, 1e6),
)
_maybe_positions = st.none() | _positions

payments = st.builds(
    Payment,
    transaction_id=_ids,
    user_id=_ids,
    amount_minor=st.integers(1, 10**15),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    event_time=_times,
    merchant_id=_ids,
    tenant=_ids.map(lambda name: name.replace("/", ".")),
    payment_type=st.sampled_from(PaymentType),
    mcc=_category_codes,
    merchant_name=st.none() | _texts,
    merchant_country=_countries,
    merchant_position=_maybe_positions,
    payer_position=_maybe_positions,
    device_id=_maybe_ids,
    channel=st.none() | st.sampled_from(Channel),
    entry_mode=st.none() | st.sampled_from(EntryMode),
    card_token=_maybe_ids,
)
_locations = st.builds(
    Location,
    user_id=_ids,
    position=_positions,
    event_time=_times,
    device_id=_maybe_ids,
    speed_mps=st.none() | st.floats(0, 1000),
    heading_deg=st.none() | st.floats(0, 360, exclude_max=True),
    mocked=st.booleans(),
)
_reports = st.builds(
    Outcome,
    outcome_id=_ids,
    transaction_id=_ids,
    user_id=_ids,
    outcome_kind=st.sampled_from([kind for kind in OutcomeKind if kind is not OutcomeKind.STEP_UP]),
    verdict=st.sampled_from(Verdict),
    event_time=_times,
    source=_texts,
    code=_texts,
    confidence=st.floats(0, 1),
    reported_time=st.none() | _times,
)
_step_ups = st.builds(
    Outcome,
    outcome_id=_ids,
    transaction_id=_ids,
    user_id=_ids,
    outcome_kind=st.just(OutcomeKind.STEP_UP),
    verdict=st.sampled_from(Verdict),
    event_time=_times,
    three_ds_status=st.sampled_from(ThreeDSStatus),
)
_consents = st.builds(
    Consent,
    user_id=_ids,
    purpose=st.sampled_from(ConsentPurpose),
    granted=st.booleans(),
    version=_ids,
    event_time=_times,
    source=_texts,
)
_preferences = st.builds(
    Preferences,
    user_id=_ids,
    event_time=_times,
    time_zone=st.none() | _texts,
    quiet_from_min=st.none() | st.integers(0, 1439),
    display_currency=st.none() | st.just("EUR"),
    watched_assets=st.lists(_ids, max_size=3).map(tuple),
)
_merchants = st.builds(
    Merchant,
    merchant_id=_ids,
    event_time=_times,
    name=st.none() | _texts,
    country=_countries,
    position=_maybe_positions,
    radius_m=st.none() | st.floats(1, 50_000),
    closed=st.booleans(),
)
_ticks = st.builds(
    Tick,
    venue=_ids,
    asset=_ids,
    quote=_ids,
    event_time=_times,
    open=_positive,
    high=_positive,
    low=_positive,
    close=_positive,
    volume=st.floats(0, 1e12),
    interval_s=st.integers(0, 10**6),
)
_trades = st.builds(
    Trade,
    trade_id=_ids,
    user_id=_ids,
    asset=_ids,
    quote=_ids,
    side=st.sampled_from(TradeSide),
    quantity=_positive,
    price=_positive,
    event_time=_times,
)
_policies = st.builds(PolicyActivated, text=_texts, version=_ids, event_time=_times)
_fallbacks = st.builds(
    FallbackAnswered,
    payment=payments,
    action=st.sampled_from(Action),
    cause=st.sampled_from(FallbackCause),
    policy_version=_ids,
    payment_logged=st.booleans(),
)

any_event: st.SearchStrategy[Event] = st.one_of(
    payments,
    _locations,
    _reports,
    _step_ups,
    _consents,
    _preferences,
    _merchants,
    _ticks,
    _trades,
    _policies,
    _fallbacks,
)


def a_payment(number: int, minutes: int = 0) -> Payment:
    """A payment with its number in its id, some minutes after noon."""
    return Payment(
        transaction_id=f"t-{number}",
        user_id=f"u-{number % 7}",
        amount_minor=100 + number,
        currency="EUR",
        event_time=NOON + timedelta(minutes=minutes),
        merchant_id="m-1",
    )
