"""Hypothesis strategies of what travels besides events: decisions, and payments that hold anything."""

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
from tapwatch.v1 import events_pb2
from tests.detectors.event_strategies import IDS, TENANTS, TEXTS, TIMES, optional

FINITE = st.floats(allow_nan=False)
REASONS = st.builds(
    Reason,
    code=IDS,
    family=st.sampled_from(Family),
    value=FINITE,
    usual_low=optional(FINITE),
    usual_high=optional(FINITE),
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
        expires_at=optional(TIMES),
    ),
    model_version=IDS,
    policy_version=IDS,
    feature_version=IDS,
    log_position=st.integers(0, 2**63 - 1),
    source=st.sampled_from(Source),
    fallback_cause=optional(st.sampled_from(FallbackCause)),
)
_WILD_TEXTS = st.text(max_size=140)
_WILD_POSITIONS = st.builds(
    events_pb2.Position, lat=st.floats(), lon=st.floats(), accuracy_m=optional(st.floats())
)
WILD_PAYMENTS = st.builds(
    events_pb2.Payment,
    transaction_id=_WILD_TEXTS,
    user_id=_WILD_TEXTS,
    amount_minor=st.integers(-(2**63), 2**63 - 1),
    currency_code=_WILD_TEXTS,
    event_time=optional(
        st.builds(Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
    ),
    merchant_id=_WILD_TEXTS,
    tenant=optional(_WILD_TEXTS),
    payment_type=st.integers(-(2**31), 2**31 - 1),
    mcc=optional(_WILD_TEXTS),
    merchant_name=optional(_WILD_TEXTS),
    merchant_country=optional(_WILD_TEXTS),
    merchant_position=optional(_WILD_POSITIONS),
    payer_position=optional(_WILD_POSITIONS),
    device_id=optional(_WILD_TEXTS),
    channel=st.integers(0, 9),
    entry_mode=st.integers(0, 9),
    card_token=optional(_WILD_TEXTS),
)
