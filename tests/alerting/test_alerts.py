"""An alert's identity, and what it refuses."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerting.alerts import AlertKind, alert_id, bucket_of
from tests.alerting.alerts_made import a_payment_alert, a_proximity_alert


def test_the_cause_and_nothing_else_names_an_alert() -> None:
    said = (AlertKind.PROXIMITY, "shop", "u-1", "visit/1")
    assert alert_id(*said) == alert_id(*said)
    others = [
        (AlertKind.FRAUD_ALERT, *said[1:]),
        (said[0], "other", *said[2:]),
        (*said[:2], "u-2", said[3]),
        (*said[:3], "visit/2"),
        (said[0], "shop", "u-1\x00visit", "1"),
    ]
    assert len({alert_id(*said), *(alert_id(*other) for other in others)}) == 6


def test_buckets_are_spread_and_stay() -> None:
    buckets = [bucket_of("default", f"u-{number}") for number in range(4_000)]
    assert all(0 <= bucket < 65_536 for bucket in buckets)
    assert all(900 < sum(at <= b < at + 16_384 for b in buckets) < 1_100 for at in range(0, 65_536, 16_384))


def test_the_details_are_those_of_the_kind() -> None:
    paid, near = a_payment_alert(), a_proximity_alert()
    assert paid.details is paid.payment
    assert near.details is near.proximity
    with pytest.raises(ValueError, match="payment: does not go with PROXIMITY"):
        replace(near, payment=paid.payment)
    with pytest.raises(ValueError, match="proximity: does not go with PROXIMITY"):
        replace(near, proximity=None)
    with pytest.raises(ValueError, match="payment: does not go with PROXIMITY"):
        replace(paid, kind=AlertKind.PROXIMITY)


def test_an_alert_can_not_expire_before_its_cause() -> None:
    alert = a_payment_alert()
    with pytest.raises(ValueError, match="not_after"):
        replace(alert, not_after=alert.event_time - timedelta(seconds=1))
