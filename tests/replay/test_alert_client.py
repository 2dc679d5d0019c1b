"""The client of alerts goes on after a server that ends, that is gone, or that says nothing any more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import grpc
import pytest

from alerting.rpc import EdgeServer, build_server
from replay.alert_client import AlertClient
from replay.alert_news import Alive, Confirmed, Connected, Delivered, Lost, News, SubscriberParams
from replay.gateway import GatewayError
from tapwatch.v1 import alert_pb2 as pb
from tapwatch.v1 import alert_pb2_grpc
from tests.alerting.alerts_made import a_payment_alert
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine, describe

QUICK: dict[str, Any] = {"first_pause_s": 0.01, "longest_pause_s": 0.02}


@pytest.fixture
def alerts() -> FakeAlerts:
    return FakeAlerts()


def serve(alerts: FakeAlerts, port: int = 0) -> EdgeServer:
    server = build_server(FakeEngine(), f"127.0.0.1:{port}", describe=describe, alerts=alerts)
    server.start()
    return server


def until(news: Iterator[News], kind: type[News]) -> News:
    return next(each for each in news if isinstance(each, kind))


@pytest.mark.parametrize("name", ["", "push"])
def test_it_goes_on_behind_what_was_acknowledged_at_the_next_server(alerts: FakeAlerts, name: str) -> None:
    alerts.add(*(a_payment_alert(n, f"u-{n}") for n in (1, 2, 3)))
    server = serve(alerts)
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        params = SubscriberParams(name=name, from_beginning=True, **QUICK)
        subscription = client.subscribe(params)
        news = iter(subscription)
        first = [until(news, Delivered) for _ in range(3)]
        assert isinstance(first[0], Delivered)
        subscription.ack(first[0].alert.alert_id)
        until(news, Confirmed)
        server.stop()
        server = serve(alerts, server.port)
        assert isinstance(until(news, Lost), Lost)
        again = until(news, Connected)
        assert isinstance(again, Connected)
        assert again.resumed == bool(name)
        repeated = [until(news, Delivered) for _ in range(2)]
        assert [each.alert.log_position for each in repeated if isinstance(each, Delivered)] == [2, 3]
        subscription.close()
        assert list(news) == []
    server.stop(0.0)


def test_what_was_confirmed_out_of_order_does_not_come_again(alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1, "u-1"), a_payment_alert(2, "u-2"), a_payment_alert(3, "u-2"))
    server = serve(alerts)
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        subscription = client.subscribe(SubscriberParams(from_beginning=True, **QUICK))
        news = iter(subscription)
        until(news, Delivered)
        second = until(news, Delivered)
        assert isinstance(second, Delivered)
        subscription.ack(second.alert.alert_id)
        until(news, Confirmed)
        server.stop()
        server = serve(alerts, server.port)
        until(news, Connected)
        again = [until(news, Delivered) for _ in range(2)]
        assert [each.alert.log_position for each in again if isinstance(each, Delivered)] == [1, 3]
        subscription.close()
        list(news)
    server.stop(0.0)


def test_a_server_that_is_gone_is_tried_again_until_the_subscription_is_closed() -> None:
    with AlertClient("127.0.0.1:1") as client:
        subscription = client.subscribe(SubscriberParams(**QUICK))
        news = iter(subscription)
        for _ in range(3):
            lost = next(news)
            assert isinstance(lost, Lost)
            assert lost.problem.code == "UNAVAILABLE"
        subscription.close()
        assert list(news) == []


def test_what_another_try_can_not_change_is_raised(alerts: FakeAlerts) -> None:
    server = serve(alerts)
    with AlertClient(f"127.0.0.1:{server.port}") as client, pytest.raises(GatewayError) as caught:
        list(client.subscribe(SubscriberParams(max_in_flight=5_000)))
    assert caught.value.problem.reason == "INVALID_REQUEST"
    server.stop(0.0)


class Mute(alert_pb2_grpc.AlertServiceServicer):
    """Opens streams and says nothing more."""

    def __init__(self) -> None:
        self.ended = Event()
        self.streams = 0

    def Subscribe(self, _requests: object, _context: object) -> Iterator[pb.SubscribeResponse]:
        self.streams += 1
        yield pb.SubscribeResponse(opened=pb.Opened())
        self.ended.wait(60.0)

    def ListAlerts(self, _request: object, _context: object) -> pb.ListAlertsResponse:
        return pb.ListAlertsResponse()


def test_a_server_that_says_nothing_for_two_heartbeats_is_left() -> None:
    mute = Mute()
    server = grpc.server(ThreadPoolExecutor(4))
    alert_pb2_grpc.add_AlertServiceServicer_to_server(mute, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with AlertClient(f"127.0.0.1:{port}") as client:
        subscription = client.subscribe(SubscriberParams(heartbeat_s=0.1, **QUICK))
        news = iter(subscription)
        assert isinstance(next(news), Connected)
        assert isinstance(next(news), Lost)
        assert isinstance(next(news), Connected)
        subscription.close()
    mute.ended.set()
    assert mute.streams == 2
    server.stop(None)


def test_heartbeats_are_answered_while_an_alert_takes_long(alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1))
    server = serve(alerts)
    with AlertClient(f"127.0.0.1:{server.port}") as client:
        subscription = client.subscribe(SubscriberParams(from_beginning=True, heartbeat_s=1.0))
        news = iter(subscription)
        first = until(news, Delivered)
        Event().wait(3.5)  # three heartbeats, during which nobody iterates
        assert isinstance(first, Delivered)
        subscription.ack(first.alert.alert_id)
        seen = [next(news) for _ in range(4)]
        assert not any(isinstance(each, Lost) for each in seen)
        assert any(isinstance(each, Alive) for each in seen)
        subscription.close()
    server.stop(0.0)
