"""A server of the embedded log delivers the alerts of its own decisions."""

from dataclasses import replace
from pathlib import Path

import pytest

from alerting.alerts import AlertKind
from flows.policy_file import default_policy_text
from flows.serving import Serving, ServingError
from replay.alert_client import AlertClient
from replay.alert_news import Confirmed, Delivered, SubscriberParams
from replay.gateway import GatewayClient
from tests.alerting.rpc.fake_engine import NOW, a_payment
from tests.flows.settings_made import settings

RULE = """
[[rules]]
id = "large"
when = "amount >= 100"
action = "STEP_UP"
"""
NAMED = SubscriberParams(name="push", from_beginning=True)


def one_alert(client: AlertClient) -> Delivered:
    """The next alert, acknowledged and confirmed."""
    subscription = client.subscribe(NAMED)
    found: list[Delivered] = []
    for news in subscription:
        if isinstance(news, Delivered):
            found.append(news)
            subscription.ack(news.alert.alert_id)
        elif isinstance(news, Confirmed):
            subscription.close()
    (only,) = found
    return only


def test_a_step_up_is_asked_for_once_over_two_lives_of_the_server(tmp_path: Path) -> None:
    for number in (1, 2):
        process = Serving(settings(tmp_path), default_policy_text() + RULE)
        process.start()
        target = f"127.0.0.1:{process.port}"
        with GatewayClient(target) as gateway, AlertClient(target) as client:
            paid = replace(a_payment(f"t-{number}", 50_000), event_time=NOW)
            decision = gateway.decide(paid, timeout_s=30.0, budget_s=30.0)
            alert = one_alert(client).alert
        process.stop()
        assert alert.kind is AlertKind.STEP_UP_REQUEST
        assert alert.payment is not None
        assert (alert.payment.decision_id, alert.payment.transaction_id) == (
            decision.decision_id,
            f"t-{number}",
        )
        assert alert.not_after == decision.step_up.expires_at
    assert {path.name for path in tmp_path.joinpath("data").glob("subscriptions.db")} == {"subscriptions.db"}


def test_a_file_of_subscriptions_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "subscriptions.db").write_bytes(b"no database at all, but long enough to be looked at")
    process = Serving(settings(tmp_path), default_policy_text())
    with pytest.raises(ServingError, match=r"subscriptions\.db"):
        process.start()
