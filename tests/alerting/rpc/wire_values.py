"""Hypothesis strategies of everything that travels: valid values, and payments that hold anything."""

from datetime import UTC, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from alerting.decision import (
    Action,
    ChallengeIndicator,
    Decision,
    Exemption,
    FallbackCause,
    Reason,
    Source,
    StepUpAdvice,
)
from detectors.assessment import Family
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
)
from geo import Position
from tapwatch.v1 import events_pb2

_NO_DIGITS = [chr(c) for c in range(33, 127) if not chr(c).isdigit()]
IDS = st.text(st.sampled_from(_NO_DIGITS), min_size=1, max_size=128)
TENANTS = IDS.map(lambda name: name.replace("/", "."))
TEXTS = st.text(st.sampled_from([*_NO_DIGITS, " ", "é", "東", "😀"]), max_size=256)
TIMES = st.datetimes(
    EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(days=1), timezones=st.just(UTC)
)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
POSITIONS = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(0, 2e7))
COUNTRIES = st.none() | st.sampled_from(["BE", "JP"])
MCCS = st.none() | st.from_regex(r"[0-9]{4}", fullmatch=True)


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
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
    merchant_name=_optional(TEXTS),
    merchant_country=COUNTRIES,
    merchant_position=_optional(POSITIONS),
    payer_position=_optional(POSITIONS),
    device_id=_optional(IDS),
    channel=_optional(st.sampled_from(Channel)),
    entry_mode=_optional(st.sampled_from(EntryMode)),
    card_token=_optional(IDS),
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
    reported_time=_optional(TIMES),
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
    device_id=_optional(IDS),
    speed_mps=_optional(st.floats(0, 1_000)),
    heading_deg=_optional(st.floats(0, 360, exclude_max=True)),
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
    time_zone=_optional(st.sampled_from(["Europe/Brussels", "UTC"])),
    quiet_from_min=_optional(st.integers(0, 1439)),
    quiet_to_min=_optional(st.integers(0, 1439)),
    display_currency=_optional(st.sampled_from(["EUR", "USD"])),
    watched_assets=st.lists(IDS, max_size=4).map(tuple),
)
MERCHANTS = st.builds(
    Merchant,
    merchant_id=IDS,
    event_time=TIMES,
    tenant=TENANTS,
    name=_optional(TEXTS),
    mcc=MCCS,
    country=COUNTRIES,
    position=_optional(POSITIONS),
    radius_m=_optional(st.floats(0.1, 50_000)),
    chain_id=_optional(IDS),
    opening_hours=_optional(TEXTS),
    closed=st.booleans(),
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


FINITE = st.floats(allow_nan=False)
REASONS = st.builds(
    Reason,
    code=IDS,
    family=st.sampled_from(Family),
    value=FINITE,
    usual_low=_optional(FINITE),
    usual_high=_optional(FINITE),
    unit=TEXTS,
    subject=TEXTS,
    weight=st.floats(0, 1),
)
DECISIONS = st.builds(
    Decision,
    decision_id=IDS,
    transaction_id=IDS,
    tenant=TENANTS,
    user_id=IDS,
    event_time=TIMES,
    action=st.sampled_from(Action),
    score=st.floats(0, 100),
    raw_score=FINITE,
    reasons=st.lists(REASONS, max_size=5).map(tuple),
    rule_ids=st.lists(IDS, max_size=3).map(tuple),
    step_up=st.builds(
        StepUpAdvice,
        challenge=st.sampled_from(ChallengeIndicator),
        exemption=st.sampled_from(Exemption),
        tra_band_eur=st.sampled_from([None, 100, 250, 500]),
        expires_at=_optional(TIMES),
    ),
    model_version=IDS,
    policy_version=IDS,
    feature_version=IDS,
    log_position=st.integers(0, 2**63 - 1),
    source=st.sampled_from(Source),
    fallback_cause=_optional(st.sampled_from(FallbackCause)),
)
_WILD_TEXTS = st.text(max_size=140)
_WILD_POSITIONS = st.builds(
    events_pb2.Position, lat=st.floats(), lon=st.floats(), accuracy_m=_optional(st.floats())
)
WILD_PAYMENTS = st.builds(
    events_pb2.Payment,
    transaction_id=_WILD_TEXTS,
    user_id=_WILD_TEXTS,
    amount_minor=st.integers(-(2**63), 2**63 - 1),
    currency_code=_WILD_TEXTS,
    event_time=_optional(
        st.builds(Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
    ),
    merchant_id=_WILD_TEXTS,
    tenant=_optional(_WILD_TEXTS),
    payment_type=st.integers(-(2**31), 2**31 - 1),
    mcc=_optional(_WILD_TEXTS),
    merchant_name=_optional(_WILD_TEXTS),
    merchant_country=_optional(_WILD_TEXTS),
    merchant_position=_optional(_WILD_POSITIONS),
    payer_position=_optional(_WILD_POSITIONS),
    device_id=_optional(_WILD_TEXTS),
    channel=st.integers(0, 9),
    entry_mode=st.integers(0, 9),
    card_token=_optional(_WILD_TEXTS),
)
