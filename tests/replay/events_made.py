"""Events for the tests of this folder: any event that a log can hold, and plain payments to count with."""

from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import strategies as st

from alerting.decision import Action, FallbackAnswered, FallbackCause, PolicyActivated
from detectors.events import Payment
from flows.codec import Event
from tests.detectors.event_strategies import EVENTS, IDS, PAYMENTS, TEXTS, TIMES

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

_policies = st.builds(PolicyActivated, text=TEXTS, version=IDS, event_time=TIMES)
_fallbacks = st.builds(
    FallbackAnswered,
    payment=PAYMENTS,
    action=st.sampled_from(Action),
    cause=st.sampled_from(FallbackCause),
    policy_version=IDS,
    payment_logged=st.booleans(),
)

any_event: st.SearchStrategy[Event] = st.one_of(EVENTS, _policies, _fallbacks)


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
