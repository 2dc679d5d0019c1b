"""Subscriptions over the real port: at least once, in order, and never after an acknowledgement."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from alerting.alert_source import AlertFilter, SubscriptionName
from alerting.alerts import AlertKind, bucket_of
from alerting.delivery.reasons import Suppression
from alerting.rpc import subscriber
from replay.alert_client import AlertClient, AlertSubscription
from replay.alert_news import (
    Confirmed,
    Connected,
    Delivered,
    Lost,
    Missed,
    News,
    SubscriberParams,
    TooLate,
)
from replay.gateway import GatewayError
from tests.alerting.alerts_made import NOON, a_payment_alert, a_proximity_alert
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine

N = TypeVar("N", bound=News)
ALL = SubscriberParams(from_beginning=True)
NAMED = replace(ALL, name="push")


class Watch:
    """A subscription whose news are awaited by kind."""

    def __init__(self, subscription: AlertSubscription) -> None:
        self.subscription = subscription
        self.news = iter(subscription)
        self.passed: list[News] = []

    def next(self, kind: type[N]) -> N:
        """The next news of a kind; what comes before it is noted."""
        for news in self.news:
            if isinstance(news, kind):
                return news
            self.passed.append(news)
        raise AssertionError("the subscription has ended")

    def positions(self, count: int) -> list[int]:
        """Where the next alerts stand."""
        return [self.next(Delivered).alert.log_position for _ in range(count)]

    def ack(self, *alert_ids: str) -> None:
        """Acknowledge, and wait until that is kept."""
        self.subscription.ack(*alert_ids)
        left = set(alert_ids)
        while left:
            left -= set(self.next(Confirmed).alert_ids)


@pytest.fixture
def watch(alert_client: AlertClient) -> Iterator[Callable[[SubscriberParams], Watch]]:
    opened: list[AlertSubscription] = []

    def start(params: SubscriberParams) -> Watch:
        opened.append(alert_client.subscribe(params))
        made = Watch(opened[-1])
        made.next(Connected)
        return made

    yield start
    for subscription in opened:
        subscription.close()
    for subscription in opened:
        list(subscription)


Start = Callable[[SubscriberParams], Watch]


def test_alerts_of_every_kind_arrive_whole(watch: Start, alerts: FakeAlerts) -> None:
    paid, near = a_payment_alert(1), a_proximity_alert(2, user="u-2")
    alerts.add(paid, near)
    seen = watch(ALL)
    first, second = seen.next(Delivered), seen.next(Delivered)
    assert (first.alert, second.alert) == (paid, near)
    assert (first.attempt, first.cursor) == (1, alerts.place(1, 0).cursor)


def test_what_is_committed_later_arrives_too(watch: Start, alerts: FakeAlerts) -> None:
    seen = watch(SubscriberParams())
    alerts.add(a_payment_alert(1))
    assert seen.positions(1) == [1]


def test_from_now_on_leaves_out_what_was_before(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1))
    seen = watch(SubscriberParams())
    alerts.add(a_payment_alert(2))
    assert seen.positions(1) == [2]


def test_what_was_suppressed_is_not_delivered(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), suppressed=Suppression.NOT_JUDGED)
    alerts.add(a_payment_alert(2))
    assert watch(ALL).positions(1) == [2]


def test_filters_choose_tenant_kinds_and_users(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(
        a_payment_alert(1, "u-1"),
        a_payment_alert(2, "u-2", tenant="shop"),
        a_payment_alert(3, "u-3", AlertKind.FRAUD_ALERT),
    )
    bucket = bucket_of("default", "u-1")
    assert watch(replace(ALL, tenant="shop")).positions(1) == [2]
    assert watch(replace(ALL, kinds=(AlertKind.FRAUD_ALERT,))).positions(1) == [3]
    assert watch(replace(ALL, users=(bucket, bucket + 1))).positions(1) == [1]


def test_a_users_alerts_come_one_after_the_other(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2), a_payment_alert(3, "u-2"))
    seen = watch(ALL)
    assert seen.positions(2) == [1, 3]
    seen.subscription.ack(a_payment_alert(1).alert_id)
    assert seen.positions(1) == [2]


def test_no_more_than_asked_for_are_under_way(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 6)))
    seen = watch(replace(ALL, max_in_flight=2))
    assert seen.positions(2) == [1, 2]
    seen.ack(a_payment_alert(2, "u-2").alert_id)
    assert [type(news) for news in seen.passed] == []
    assert seen.positions(1) == [3]


def test_what_is_refused_comes_again(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1))
    seen = watch(ALL)
    first = seen.next(Delivered)
    seen.subscription.nack(first.alert.alert_id)
    again = seen.next(Delivered)
    assert (again.alert, again.attempt) == (first.alert, 2)


def test_what_is_not_acknowledged_comes_again_after_its_lease(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1))
    seen = watch(replace(ALL, lease_s=1.0))
    assert [seen.next(Delivered).attempt for _ in range(2)] == [1, 2]


def test_what_expires_is_told_and_lets_the_next_one_go(
    watch: Start, alerts: FakeAlerts, engine: FakeEngine
) -> None:
    engine.time = NOON + timedelta(days=1)
    alerts.add(a_payment_alert(1, lives_s=10), a_payment_alert(2, lives_s=10_000))
    alerts.now = NOON + timedelta(hours=1)
    seen = watch(NAMED)
    late = seen.next(TooLate)
    assert (late.alert_id, late.user_id) == (a_payment_alert(1).alert_id, "u-1")
    assert (late.kind, late.not_after) == (
        AlertKind.STEP_UP_REQUEST,
        a_payment_alert(1, lives_s=10).not_after,
    )
    assert seen.positions(1) == [2]


def test_whose_consent_is_withdrawn_is_told_of_no_merchant_any_more(watch: Start, alerts: FakeAlerts) -> None:
    alerts.withdrawn = {"u-1"}
    near = a_proximity_alert(1)
    alerts.add(near, a_payment_alert(2), a_proximity_alert(3, "u-2"))
    seen = watch(NAMED)
    late = seen.next(TooLate)
    assert (late.alert_id, late.kind) == (near.alert_id, AlertKind.PROXIMITY)
    assert sorted(seen.positions(2)) == [2, 3]


def test_what_was_delivered_before_a_withdrawal_is_not_delivered_again(
    watch: Start, alerts: FakeAlerts
) -> None:
    alerts.add(a_proximity_alert(1))
    seen = watch(NAMED)
    first = seen.next(Delivered)
    alerts.withdrawn = {"u-1"}
    seen.subscription.nack(first.alert.alert_id)
    assert seen.next(TooLate).alert_id == first.alert.alert_id
    seen.subscription.close()
    alerts.withdrawn = set()
    alerts.add(a_payment_alert(2))
    assert watch(NAMED).positions(1) == [2]


def test_a_fault_in_looking_up_one_user_keeps_no_other_waiting(
    watch: Start, alerts: FakeAlerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "FAULT_PAUSE_S", 0.01)
    alerts.damaged = {"u-1"}
    alerts.add(a_payment_alert(1), a_payment_alert(2, "u-2"))
    seen = watch(NAMED)
    first = next(news for news in seen.news if isinstance(news, Delivered | Lost))
    assert isinstance(first, Delivered)
    assert first.alert.log_position == 2
    alerts.damaged = set()
    assert seen.positions(1) == [1]


def test_a_durable_subscription_goes_on_behind_what_was_acknowledged(
    watch: Start, alerts: FakeAlerts
) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 5)))
    seen = watch(NAMED)
    assert seen.positions(4) == [1, 2, 3, 4]
    seen.ack(a_payment_alert(1, "u-1").alert_id, a_payment_alert(3, "u-3").alert_id)
    seen.subscription.close()
    again = watch(NAMED)
    assert again.positions(2) == [2, 4]


def test_a_durable_subscription_misses_nothing_while_nobody_is_there(
    watch: Start, alerts: FakeAlerts
) -> None:
    params = replace(NAMED, from_beginning=False)
    watch(params).subscription.close()
    alerts.add(a_payment_alert(1))
    assert watch(params).positions(1) == [1]


def test_a_subscription_without_a_name_goes_on_at_its_cursor(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 4)))
    seen = watch(ALL)
    seen.positions(3)
    seen.ack(a_payment_alert(1, "u-1").alert_id)
    again = watch(SubscriberParams(cursor=seen.subscription.cursor))
    assert again.positions(2) == [2, 3]


def test_the_second_stream_of_a_name_takes_over(watch: Start, alerts: FakeAlerts) -> None:
    first = watch(NAMED)
    second = watch(NAMED)
    with pytest.raises(GatewayError) as caught:
        list(first.news)
    assert (caught.value.problem.code, caught.value.problem.reason) == ("ABORTED", "TAKEN_OVER")
    alerts.add(a_payment_alert(1))
    assert second.positions(1) == [1]


def test_the_same_name_of_two_tenants_is_two_subscriptions(watch: Start, alerts: FakeAlerts) -> None:
    watch(replace(NAMED, tenant="shop"))
    watch(replace(NAMED, tenant="default"))
    watch(NAMED)
    assert alerts.subscriptions.keys() == {
        SubscriptionName("shop", "push"),
        SubscriptionName("default", "push"),
        SubscriptionName(None, "push"),
    }


def test_a_known_name_with_other_filters_is_refused(watch: Start, alerts: FakeAlerts) -> None:
    watch(NAMED)
    with pytest.raises(GatewayError) as caught:
        watch(replace(NAMED, kinds=(AlertKind.PROXIMITY,)))
    assert caught.value.problem.reason == "SUBSCRIPTION_DIFFERS"
    assert alerts.subscriptions[SubscriptionName(None, "push")].wanted == AlertFilter()


def test_what_is_refused_takes_nothing_over(watch: Start, alerts: FakeAlerts) -> None:
    first = watch(NAMED)
    with pytest.raises(GatewayError):
        watch(replace(NAMED, kinds=(AlertKind.PROXIMITY,)))
    alerts.add(a_payment_alert(1))
    assert first.positions(1) == [1]


@pytest.mark.parametrize(("first_kept", "reason"), [(1, "UNKNOWN"), (3, "TOO_OLD")])
def test_a_cursor_that_is_of_no_use_is_said_so_and_all_that_is_kept_comes(
    watch: Start, alerts: FakeAlerts, first_kept: int, reason: str
) -> None:
    alerts.add(a_payment_alert(3))
    alerts.first = first_kept
    place = alerts.place(2)._replace(proof=b"otherlog")
    seen = watch(SubscriberParams(cursor=place.cursor))
    assert seen.next(Missed).reason == reason
    assert seen.positions(1) == [3]


def test_a_durable_subscription_of_another_log_begins_anew(watch: Start, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1))
    seen = watch(NAMED)
    seen.ack(seen.next(Delivered).alert.alert_id)
    seen.subscription.close()
    alerts.log, alerts.stored = b"another", []
    alerts.add(a_payment_alert(1, "other"))
    again = watch(NAMED)
    assert again.next(Missed).reason == "UNKNOWN"
    again.ack(again.next(Delivered).alert.alert_id)


def test_acknowledgements_survive_the_server(serve: Serve, alerts: FakeAlerts) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 4)))
    for expected in ([1, 2, 3], [1, 3]):
        server = serve()
        with AlertClient(f"127.0.0.1:{server.port}") as client:
            seen = Watch(client.subscribe(NAMED))
            assert seen.positions(len(expected)) == expected
            if len(expected) == 3:
                seen.ack(a_payment_alert(2, "u-2").alert_id)
            seen.subscription.close()
            list(seen.news)
        server.stop()
