"""Health, reflection, limits, metrics and the list of callers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from threading import Event
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from alerting.decision import Source
from alerting.engine import Health
from alerting.rpc import EdgeParams, build_server
from alerting.rpc.convert import PAYMENT
from alerting.rpc.server import INGEST_SERVICE, RISK_SERVICE
from detectors.events import Location, Payment, Tick
from geo import Position
from replay.gateway import GatewayClient, GatewayError, problem_of
from tapwatch.v1 import risk_pb2, risk_pb2_grpc
from tests.alerting.rpc.callers_made import CALLERS
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import NOW, FakeEngine, a_payment, an_outcome, describe

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TICK = Tick("kraken", "BTC", "EUR", NOW, 1.0, 1.0, 1.0, 1.0, 0.0)


@pytest.mark.parametrize("service", ["", RISK_SERVICE, INGEST_SERVICE])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (Health.STARTING, NOT_SERVING),
        (Health.SERVING, SERVING),
        (Health.DEGRADED, SERVING),
        (Health.NOT_SERVING, NOT_SERVING),
    ],
)
def test_health_follows_the_engine(
    serve: Serve, engine: FakeEngine, service: str, state: Health, status: int
) -> None:
    server = serve(EdgeParams(health_poll_s=3_600.0))
    engine.state = state
    server.refresh_health()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == status


def test_a_watcher_of_health_hears_of_a_change(serve: Serve, engine: FakeEngine) -> None:
    server = serve(EdgeParams(health_poll_s=0.01))
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=20.0)
        assert next(watch).status == SERVING
        engine.state = Health.NOT_SERVING
        assert next(watch).status == NOT_SERVING
        watch.cancel()


def test_reflection_lists_the_services(serve: Serve) -> None:
    assert {RISK_SERVICE, INGEST_SERVICE} <= _reflected(serve(EdgeParams()).port)


def test_reflection_can_be_left_out(serve: Serve) -> None:
    port = serve(EdgeParams(reflection=False)).port
    with pytest.raises(grpc.RpcError) as caught:
        _reflected(port)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_request_that_is_too_long_is_refused_and_the_server_goes_on(client: GatewayClient) -> None:
    message = PAYMENT.write(a_payment())
    message.merchant_name = "x" * 70_000
    with pytest.raises(grpc.RpcError) as caught:
        risk_pb2_grpc.RiskServiceStub(client.channel).Decide(risk_pb2.DecideRequest(payment=message))
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.decide(a_payment())


def test_bytes_that_are_no_request_are_refused_and_the_server_goes_on(client: GatewayClient) -> None:
    decide: Any = client.channel.unary_unary("/tapwatch.v1.RiskService/Decide")
    with pytest.raises(grpc.RpcError) as caught:
        decide(b"\xff\xff\xff")
    assert problem_of(caught.value).reason == "INVALID_REQUEST"
    assert client.decide(a_payment())


@pytest.mark.parametrize("name", [field.name for field in fields(EdgeParams) if field.name != "reflection"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_limit_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        replace(EdgeParams(), **{name: value})  # type: ignore[arg-type]  # wrong on purpose


def test_two_servers_never_share_a_port(serve: Serve, engine: FakeEngine) -> None:
    with pytest.raises(RuntimeError, match="bind"):
        build_server(engine, f"127.0.0.1:{serve(EdgeParams()).port}", describe=describe)


def test_a_call_under_way_is_answered_before_the_server_has_stopped(engine: FakeEngine) -> None:
    waiting = Event()
    engine.fault = lambda _payment: waiting.set()
    engine.gate.clear()
    server = build_server(engine, "127.0.0.1:0", EdgeParams(default_deadline_s=30.0), describe=describe)
    server.start()
    with GatewayClient(f"127.0.0.1:{server.port}") as client, ThreadPoolExecutor(2) as beside:
        answer = beside.submit(client.decide, a_payment(), timeout_s=30.0)
        assert waiting.wait(20.0)
        stopped = beside.submit(server.stop, 20.0)
        engine.gate.set()
        assert answer.result(20.0).source is Source.ENGINE
        stopped.result(20.0)


def test_a_call_that_outlasts_the_grace_is_ended(engine: FakeEngine) -> None:
    waiting = Event()
    engine.fault = lambda _payment: waiting.set()
    engine.gate.clear()
    server = build_server(engine, "127.0.0.1:0", EdgeParams(default_deadline_s=30.0), describe=describe)
    server.start()
    with GatewayClient(f"127.0.0.1:{server.port}") as client, ThreadPoolExecutor(1) as beside:
        answer = beside.submit(client.decide, a_payment(), timeout_s=30.0)
        assert waiting.wait(20.0)
        server.stop(0.0)
        assert isinstance(answer.exception(20.0), GatewayError)
    engine.gate.set()


def test_a_call_beyond_those_that_may_be_open_is_refused(serve: Serve, engine: FakeEngine) -> None:
    server = serve(EdgeParams(default_deadline_s=30.0, max_calls=1))
    waiting = Event()
    engine.fault = lambda _payment: waiting.set()
    engine.gate.clear()
    with GatewayClient(f"127.0.0.1:{server.port}") as client, ThreadPoolExecutor(1) as beside:
        answer = beside.submit(client.decide, a_payment("t-1"), timeout_s=30.0)
        assert waiting.wait(20.0)
        with pytest.raises(GatewayError) as caught:
            client.decide(a_payment("t-2"), timeout_s=30.0)
        assert caught.value.problem.code == "RESOURCE_EXHAUSTED"
        engine.gate.set()
        assert answer.result(20.0).source is Source.ENGINE


def test_a_caller_that_gives_up_frees_its_place(serve: Serve, engine: FakeEngine) -> None:
    server = serve(EdgeParams(default_deadline_s=30.0, max_in_flight=1))
    waiting = Event()
    engine.fault = lambda _payment: waiting.set()
    engine.gate.clear()
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        request = risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment("t-0")))
        given_up = risk_pb2_grpc.RiskServiceStub(client.channel).Decide.future(request)
        assert waiting.wait(20.0)
        given_up.cancel()
        for n in range(1, 1_000):
            client.decide(a_payment(f"t-{n}"), timeout_s=20.0, budget_s=0.02)
            if engine.deadlines_s[n]:
                return
    raise AssertionError("the place was never freed")


def test_calls_are_counted_by_method_and_status(engine: FakeEngine) -> None:
    registry = CollectorRegistry()
    server = build_server(engine, "127.0.0.1:0", describe=describe, registry=registry)
    server.start()
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        client.decide(a_payment())
        with pytest.raises(GatewayError):
            client.decide(a_payment(amount_minor=1))
        list(client.decide_stream([a_payment("t-2")]))
        client.publish([an_outcome()])
    server.stop()
    count = registry.get_sample_value
    assert count("tapwatch_rpc_total", {"method": "Decide", "code": "OK"}) == 1
    assert count("tapwatch_rpc_total", {"method": "Decide", "code": "FAILED_PRECONDITION"}) == 1
    assert count("tapwatch_rpc_total", {"method": "DecideStream", "code": "OK"}) == 1
    assert count("tapwatch_rpc_total", {"method": "Publish", "code": "OK"}) == 1
    assert count("tapwatch_rpc_seconds_count", {"method": "Decide"}) == 2


def test_a_caller_that_is_not_listed_is_refused_before_anything_is_read(serve: Serve) -> None:
    port = serve(callers=CALLERS).port
    for token in (None, "guessed"):
        with GatewayClient(f"127.0.0.1:{port}", token=token) as client:
            for call in _calls(client, "shop"):
                assert _refusal(call) == ("UNAUTHENTICATED", "CALLER_UNKNOWN")


def test_a_listed_caller_acts_for_its_own_tenant_alone(serve: Serve) -> None:
    port = serve(callers=CALLERS).port
    with GatewayClient(f"127.0.0.1:{port}", token="shop-token") as client:
        client.decide(_of_tenant("shop"))
        assert client.get_decision("t-1", "shop").tenant == "shop"
        for call in _calls(client, "bank"):
            assert _refusal(call) == ("PERMISSION_DENIED", "TENANT_NOT_ALLOWED")


def test_market_prices_need_a_caller_of_all_tenants(serve: Serve) -> None:
    port = serve(callers=CALLERS).port
    with GatewayClient(f"127.0.0.1:{port}", token="shop-token") as client:
        summary = client.publish([TICK, Location("user-1", Position(50.0, 4.0), NOW, tenant="shop")])
        assert (summary.accepted, summary.rejected) == (1, 1)
        assert summary.problems[0][1].code == "PERMISSION_DENIED"
    with GatewayClient(f"127.0.0.1:{port}", token="operator-token") as client:
        assert client.publish([TICK]).accepted == 1


def _of_tenant(tenant: str) -> Payment:
    return replace(a_payment(), tenant=tenant)


def _calls(client: GatewayClient, tenant: str) -> list[Callable[[], object]]:
    return [
        lambda: client.decide(_of_tenant(tenant)),
        lambda: client.get_decision("t-1", tenant),
        lambda: client.explain("t-1", tenant),
        lambda: client.report_outcome(replace(an_outcome(), tenant=tenant)),
    ]


def _refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value.problem.code, caught.value.problem.reason


def _reflected(port: int) -> set[str]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        replies = list(
            stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        )
    return {service.name for service in replies[0].list_services_response.service}
