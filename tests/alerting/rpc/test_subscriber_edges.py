"""Who may subscribe, what is refused, and how a stream ends that should."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry, generate_latest

from alerting.alert_source import BEGINNING
from alerting.alerts import AlertKind
from alerting.delivery.reasons import Suppression
from alerting.rpc import EdgeParams, build_server
from alerting.rpc.server import ALERT_SERVICE
from replay.alert_client import AlertClient
from replay.alert_news import Connected, Delivered, SubscriberParams
from replay.gateway import GatewayClient, GatewayError
from tapwatch.v1 import alert_pb2 as pb
from tests.alerting.alerts_made import NOON, a_payment_alert
from tests.alerting.rpc.callers_made import CALLERS
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine, a_payment, describe
from tests.alerting.rpc.raw_subscriber import Raw


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"ack": pb.Ack()}, "subscription"),
        ({}, "subscription"),
        ({"subscription": pb.Subscription(cursor="nonsense")}, "subscription.cursor"),
        ({"subscription": pb.Subscription(max_in_flight=1_001)}, "subscription.max_in_flight"),
        ({"subscription": pb.Subscription(lease=Duration(seconds=601))}, "subscription.lease"),
        ({"subscription": pb.Subscription(heartbeat=Duration(nanos=1))}, "subscription.heartbeat"),
        ({"subscription": pb.Subscription(users=pb.UserRange(begin=9, end=9))}, "subscription.users"),
        ({"subscription": pb.Subscription(name="a\nb")}, "subscription.name"),
        ({"subscription": pb.Subscription(name="4111111111111111")}, "subscription.name"),
        ({"subscription": pb.Subscription(tenant="")}, "subscription.tenant"),
        ({"subscription": pb.Subscription(start=3)}, "subscription.start"),  # type: ignore[arg-type]
        ({"subscription": pb.Subscription(kinds=[77])}, "subscription.kinds"),  # type: ignore[list-item]
    ],
)
def test_what_can_not_be_subscribed_to_is_named(raw: Raw, asked: dict[str, Any], field: str) -> None:
    raw.say(**asked)
    problem = raw.refusal()
    assert (problem.code, problem.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [name for name, _ in problem.violations] == [field]


def test_all_that_is_wrong_is_named_at_once(raw: Raw) -> None:
    raw.say(subscription=pb.Subscription(cursor="x", max_in_flight=-1, name="\n"))
    names = {name for name, _ in raw.refusal().violations}
    assert names == {"subscription.cursor", "subscription.max_in_flight", "subscription.name"}


@pytest.mark.parametrize(
    "later",
    [
        {"subscription": pb.Subscription()},
        {},
        {"ack": pb.Ack(through_cursor="nonsense")},
        {"nack": pb.Nack(retry_after=Duration(seconds=601))},
    ],
)
def test_what_can_not_be_said_later_ends_the_stream(raw: Raw, later: dict[str, Any]) -> None:
    raw.say(subscription=pb.Subscription())
    assert raw.heard().HasField("opened")
    raw.say(**later)
    assert raw.refusal().code == "INVALID_ARGUMENT"


def test_the_limits_in_force_are_told(raw: Raw) -> None:
    raw.say(subscription=pb.Subscription())
    opened = raw.heard().opened
    assert (opened.max_in_flight, opened.lease.seconds, opened.heartbeat.seconds) == (64, 30, 10)
    assert (opened.cursor, opened.resumed) == (BEGINNING.cursor, False)


def test_a_subscriber_that_answers_no_heartbeat_is_given_up(raw: Raw) -> None:
    raw.say(subscription=pb.Subscription(heartbeat=Duration(nanos=200_000_000)))
    assert raw.heard().HasField("opened")
    assert raw.heard().heartbeat.number == 1
    problem = raw.refusal()
    assert (problem.code, problem.reason) == ("DEADLINE_EXCEEDED", "PEER_SILENT")


def test_heartbeats_that_are_answered_go_on(raw: Raw, alerts: FakeAlerts) -> None:
    raw.say(subscription=pb.Subscription(name="push", heartbeat=Duration(seconds=3)))
    raw.heard()
    alerts.add(a_payment_alert(9, tenant="x"), suppressed=Suppression.NOT_JUDGED)  # the mark moves on
    for number in range(1, 4):
        assert raw.heard().heartbeat.number == number
        raw.say(pong=pb.Pong(number=number))
    alerts.add(a_payment_alert(10))
    assert raw.heard().WhichOneof("response") in ("delivery", "heartbeat")


def test_a_subscriber_that_reads_nothing_is_given_up_and_holds_up_nobody(
    serve: Serve, alerts: FakeAlerts
) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in range(1, 901)))
    port = serve().port
    stuck = Raw(port)
    stuck.say(
        subscription=pb.Subscription(
            start=pb.START_BEGINNING, max_in_flight=1_000, heartbeat=Duration(seconds=1)
        )
    )
    with AlertClient(f"127.0.0.1:{port}") as client:
        subscription = client.subscribe(SubscriberParams(from_beginning=True))
        seen = 0
        for news in subscription:
            if isinstance(news, Delivered):
                subscription.ack(news.alert.alert_id)
                seen += 1
                if seen == 900:
                    subscription.close()
    assert seen == 900
    with GatewayClient(f"127.0.0.1:{port}") as gateway:
        assert gateway.decide(a_payment()).transaction_id == "t-1"
    assert stuck.refusal().reason == "PEER_SILENT"
    stuck.end()
    stuck.channel.close()


@pytest.mark.parametrize("tenant", [None, "bank"])
def test_a_caller_of_one_tenant_sees_no_others_alerts(serve: Serve, tenant: str | None) -> None:
    with AlertClient(f"127.0.0.1:{serve(callers=CALLERS).port}", token="shop-token") as client:
        for call in (
            lambda: list(client.subscribe(SubscriberParams(tenant=tenant))),
            lambda: list(client.list_all(tenant=tenant)),
        ):
            with pytest.raises(GatewayError) as caught:
                call()
            assert caught.value.problem.reason == "TENANT_NOT_ALLOWED"


def test_a_caller_of_one_tenant_sees_its_own(serve: Serve, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2, tenant="shop"))
    with AlertClient(f"127.0.0.1:{serve(callers=CALLERS).port}", token="shop-token") as client:
        assert [alert.log_position for alert, _ in client.list_all(tenant="shop")] == [2]
        subscription = client.subscribe(SubscriberParams(tenant="shop", from_beginning=True))
        for news in subscription:
            if isinstance(news, Delivered):
                assert news.alert.tenant == "shop"
                subscription.close()


def test_strangers_see_nothing(serve: Serve) -> None:
    target = f"127.0.0.1:{serve(callers=CALLERS).port}"
    with AlertClient(target, token="guessed") as client, pytest.raises(GatewayError) as caught:
        list(client.subscribe())
    assert caught.value.problem.code == "UNAUTHENTICATED"


def test_subscribers_have_places_of_their_own(serve: Serve) -> None:
    port = serve(EdgeParams(max_subscribers_per_caller=1, max_streams=1)).port
    with AlertClient(f"127.0.0.1:{port}") as client, GatewayClient(f"127.0.0.1:{port}") as gateway:
        first = client.subscribe(replace(SubscriberParams(), first_pause_s=30.0))
        news = iter(first)
        assert isinstance(next(news), Connected)
        second = Raw(port)
        second.say(subscription=pb.Subscription())
        problem = second.refusal()
        assert problem.metadata["limit"] == "max_subscribers_per_caller"
        assert len(list(gateway.decide_stream([a_payment()]))) == 1
        first.close()
        second.end()
        second.channel.close()


def test_a_server_that_ends_says_so_and_keeps_what_was_acknowledged(
    engine: FakeEngine, alerts: FakeAlerts
) -> None:
    server = build_server(engine, "127.0.0.1:0", describe=describe, alerts=alerts)
    server.start()
    alerts.add(a_payment_alert(1))
    raw = Raw(server.port)
    raw.say(subscription=pb.Subscription(name="push", start=pb.START_BEGINNING))
    raw.heard()
    raw.say(ack=pb.Ack(alert_ids=[raw.heard().delivery.alert.alert_id]))
    raw.heard()
    server.stop()
    assert raw.refusal().reason == "DRAINING"
    assert [kept.mark[:2] for kept in alerts.subscriptions.values()] == [alerts.end()[:2]]
    raw.end()
    raw.channel.close()


def test_alerts_that_can_not_be_read_are_said_so(raw: Raw, alerts: FakeAlerts) -> None:
    alerts.available = False
    raw.say(subscription=pb.Subscription())
    problem = raw.refusal()
    assert (problem.code, problem.reason) == ("UNAVAILABLE", "ALERTS_UNAVAILABLE")
    assert problem.retry_after_s is not None


def test_health_and_metrics_know_the_service(engine: FakeEngine, alerts: FakeAlerts) -> None:
    registry = CollectorRegistry()
    server = build_server(engine, "127.0.0.1:0", describe=describe, alerts=alerts, registry=registry)
    server.start()
    alerts.add(a_payment_alert(1))
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        asked = health_pb2.HealthCheckRequest(service=ALERT_SERVICE)
        assert health_pb2_grpc.HealthStub(client.channel).Check(asked).status == 1  # type: ignore[attr-defined]
        subscription = client.subscribe(SubscriberParams(from_beginning=True))
        for news in subscription:
            if isinstance(news, Delivered):
                said = generate_latest(registry).decode()
                subscription.close()
    server.stop()
    assert 'tapwatch_alert_deliveries_total{attempt="first"} 1.0' in said
    assert 'tapwatch_rpc_streams_open{kind="subscriber"} 1.0' in said


def test_pages_of_alerts_are_listed_in_order_with_what_was_suppressed(
    alert_client: AlertClient, alerts: FakeAlerts
) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n % 2}") for n in range(1, 6)))
    alerts.add(a_payment_alert(6, kind=AlertKind.FRAUD_ALERT), suppressed=Suppression.NOT_JUDGED)
    first = alert_client.list_page(page_size=3)
    rest = alert_client.list_page(page_size=3, page_token=first.next_page_token)
    assert [listed.alert.log_position for listed in (*first.alerts, *rest.alerts)] == [1, 2, 3, 4, 5]
    assert (len(first.alerts), rest.next_page_token) == (3, "")
    everything = alert_client.list_all(include_suppressed=True)
    assert [(a.log_position, reason) for a, reason in everything][-1] == (6, "NOT_JUDGED")
    of_user = alert_client.list_all(tenant="default", user_id="u-1")
    assert [alert.log_position for alert, _ in of_user] == [1, 3, 5]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"user_id": "u-1"}, "tenant"),
        ({"page_size": 1_001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": BEGINNING._replace(position=9).cursor}, "page_token"),
    ],
)
def test_pages_that_can_not_be_listed_are_refused(
    alert_client: AlertClient, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        alert_client.list_page(**asked)
    assert [name for name, _ in caught.value.problem.violations] == [field]


def test_a_page_that_would_be_too_long_for_its_reader_ends_early(
    alert_client: AlertClient, alerts: FakeAlerts
) -> None:
    paid = a_payment_alert()
    assert paid.payment is not None
    long = replace(paid.payment, rule_ids=tuple(f"{n:0128}" for n in range(50)))
    alerts.add(*(replace(paid, payment=long, alert_id=f"a-{n}", log_position=n) for n in range(1, 1_001)))
    assert len(alert_client.list_page(page_size=1_000).alerts) < 1_000
    assert [alert.log_position for alert, _ in alert_client.list_all()] == list(range(1, 1_001))


def test_a_server_without_alerts_says_where_they_are(engine: FakeEngine) -> None:
    server = build_server(engine, "127.0.0.1:0", describe=describe)
    server.start()
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        for call in (lambda: list(client.subscribe()), client.list_page):
            with pytest.raises(GatewayError) as caught:
                call()
            problem = caught.value.problem
            assert (problem.code, problem.reason) == ("UNIMPLEMENTED", "ALERTS_ELSEWHERE")
            assert "on a topic" in problem.message
    server.stop(0.0)


def test_what_expired_is_kept_as_done_with(engine: FakeEngine, alerts: FakeAlerts) -> None:
    server = build_server(engine, "127.0.0.1:0", describe=describe, alerts=alerts)
    server.start()
    alerts.add(a_payment_alert(1, lives_s=0))
    engine.time = alerts.now = NOON + timedelta(hours=1)
    raw = Raw(server.port)
    raw.say(subscription=pb.Subscription(name="push", start=pb.START_BEGINNING))
    raw.heard()
    assert raw.heard().HasField("expired")
    server.stop()
    assert [kept.mark[:2] for kept in alerts.subscriptions.values()] == [alerts.end()[:2]]
    raw.end()
    raw.channel.close()


def test_a_server_that_can_not_keep_acknowledgements_ends_nevertheless(
    engine: FakeEngine, alerts: FakeAlerts
) -> None:
    server = build_server(engine, "127.0.0.1:0", describe=describe, alerts=alerts)
    server.start()
    alerts.add(a_payment_alert(1))
    first, second = Raw(server.port), Raw(server.port)
    asked = pb.Subscription(name="push", start=pb.START_BEGINNING)
    first.say(subscription=asked)
    first.heard()
    delivered = first.heard().delivery.alert.alert_id
    alerts.full = True
    first.say(ack=pb.Ack(alert_ids=[delivered]))
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        client.list_page()  # the acknowledgement is on its way
        second.say(subscription=asked)
        assert second.refusal().reason == "ALERTS_UNAVAILABLE"
    server.stop(0.0)
    for raw in (first, second):
        raw.end()
        raw.channel.close()


def test_a_stream_that_takes_over_begins_behind_what_is_being_kept(serve: Serve, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2, "u-2"))
    port = serve().port
    first, second = Raw(port), Raw(port)
    asked = pb.Subscription(name="push", start=pb.START_BEGINNING)
    first.say(subscription=asked)
    assert first.heard().HasField("opened")
    alert_id = first.heard().delivery.alert.alert_id
    alerts.may_keep.clear()
    alerts.keeping.clear()
    first.say(ack=pb.Ack(alert_ids=[alert_id]))
    assert alerts.keeping.wait(30.0)
    second.say(subscription=asked)
    assert first.refusal().reason == "TAKEN_OVER"
    with AlertClient(f"127.0.0.1:{port}") as client:
        client.list_page()  # the second stream has had every chance to look too early
    alerts.may_keep.set()
    assert second.heard().opened.resumed
    assert second.heard().delivery.alert.log_position == 2
    assert not alerts.overlapped
    for raw in (first, second):
        raw.end()
        raw.channel.close()
