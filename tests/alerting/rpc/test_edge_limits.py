"""What one caller or one connection may hold, and for how long, over the real port."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from alerting.decision import Decision, Source
from alerting.rpc import EdgeParams, build_server
from alerting.rpc.convert import PAYMENT, write_event
from detectors.events import Payment
from replay.gateway import GatewayClient, GatewayError, RpcProblem, problem_of
from tapwatch.v1 import risk_pb2
from tests.alerting.rpc.callers_made import CALLERS
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import FakeEngine, a_payment, an_outcome, describe
from tests.alerting.rpc.raw_http2 import (
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    REFUSED_STREAM,
    RST_STREAM,
    RawHttp2,
)

DECIDE = "/tapwatch.v1.RiskService/Decide"
DECIDE_STREAM = "/tapwatch.v1.RiskService/DecideStream"
PUBLISH = "/tapwatch.v1.IngestService/Publish"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
OF_ONE_MESSAGE = [
    DECIDE,
    "/tapwatch.v1.RiskService/GetDecision",
    "/tapwatch.v1.RiskService/ReportOutcome",
    "/tapwatch.v1.RiskService/ExplainDecision",
    CHECK,
    WATCH,
]
# An address of this machine that other callers of the test do not call from.
ELSEWHERE = "127.0.0.2"
FOREVER_S = 3_600.0
# Longer than a caller ever takes to send what it has, on a machine that is busy.
PAUSE_S = 0.3


class Held:
    """Calls of one channel that stay open, silent after their first messages, until the end of the test."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._sent: list[SimpleQueue[bytes | None]] = []
        self._calls: list[Any] = []

    def open(self, method: str, *messages: bytes, token: str | None = None) -> Any:
        """An open call; iterate over it for its replies."""
        queue: SimpleQueue[bytes | None] = SimpleQueue()
        for message in messages:
            queue.put(message)
        self._sent.append(queue)
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        call: Any = self.channel.stream_stream(method)
        # A call that nobody holds on to is cancelled.
        self._calls.append(call(iter(queue.get, None), timeout=20.0, metadata=metadata))
        return self._calls[-1]

    def close(self) -> None:
        """End them all."""
        for queue in self._sent:
            queue.put(None)
        self.channel.close()


@pytest.fixture
def hold() -> Iterator[Callable[[int], Held]]:
    with ExitStack() as stack:

        def start(port: int) -> Held:
            held = Held(port)
            stack.callback(held.close)
            return held

        yield start


Hold = Callable[[int], Held]


@pytest.mark.parametrize(("max_calls_per_caller", "most"), [(1_024, 1_024), (1, 64)])
def test_a_connection_is_told_how_many_calls_it_may_open(
    serve: Serve, max_calls_per_caller: int, most: int
) -> None:
    with RawHttp2(serve(EdgeParams(max_calls_per_caller=max_calls_per_caller)).port) as connection:
        assert connection.settings()[MAX_CONCURRENT_STREAMS] == most


def test_a_connection_that_opens_more_calls_is_refused_the_next(serve: Serve) -> None:
    with RawHttp2(serve(EdgeParams(max_calls_per_caller=65)).port) as connection:
        most = connection.settings()[MAX_CONCURRENT_STREAMS]
        streams = [connection.open_call(DECIDE) for _ in range(most + 1)]
        end = connection.end_of(streams[-1])
    assert (end.kind, int.from_bytes(end.payload)) == (RST_STREAM, REFUSED_STREAM)


@pytest.mark.parametrize("method", OF_ONE_MESSAGE)
def test_a_call_whose_message_never_comes_is_ended(serve: Serve, hold: Hold, method: str) -> None:
    problem = _end_of(hold(serve(EdgeParams(message_timeout_s=0.01)).port).open(method))
    assert (problem.code, problem.reason) == ("DEADLINE_EXCEEDED", "MESSAGE_MISSING")
    assert problem.metadata == {"limit": "message_timeout_s"}


@pytest.mark.parametrize("method", OF_ONE_MESSAGE)
def test_a_call_that_ends_without_its_message_is_a_bad_request(client: GatewayClient, method: str) -> None:
    call: Any = client.channel.stream_stream(method)
    assert _end_of(call(iter(()), timeout=20.0)).reason == "INVALID_REQUEST"


@pytest.mark.parametrize("method", [DECIDE_STREAM, PUBLISH, REFLECTION])
def test_a_stream_that_sends_nothing_is_ended(serve: Serve, hold: Hold, method: str) -> None:
    problem = _end_of(hold(serve(EdgeParams(stream_idle_s=0.01)).port).open(method))
    assert (problem.code, problem.reason) == ("DEADLINE_EXCEEDED", "STREAM_IDLE")
    assert problem.metadata["limit"] == "stream_idle_s"


def test_a_stream_that_falls_silent_gets_its_replies_before_it_is_ended(serve: Serve, hold: Hold) -> None:
    server = serve(EdgeParams(stream_idle_s=PAUSE_S, default_deadline_s=20.0))
    call = hold(server.port).open(DECIDE_STREAM, *(_stream_request(f"t-{n}") for n in range(3)))
    replies = [risk_pb2.DecideStreamResponse.FromString(next(call)) for _ in range(3)]
    assert [reply.decision.transaction_id for reply in replies] == ["t-0", "t-1", "t-2"]
    assert _end_of(call).reason == "STREAM_IDLE"


def test_events_that_fall_silent_are_told_what_became_of_them(
    serve: Serve, hold: Hold, engine: FakeEngine
) -> None:
    call = hold(serve(EdgeParams(stream_idle_s=PAUSE_S)).port).open(
        PUBLISH, write_event(an_outcome()).SerializeToString()
    )
    problem = _end_of(call)
    assert (problem.reason, problem.metadata["accepted"]) == ("STREAM_IDLE", "1")
    assert list(engine.events.values()) == [an_outcome()]


def test_a_stream_that_takes_no_replies_gives_its_place_back(serve: Serve) -> None:
    server = serve(EdgeParams(stream_idle_s=PAUSE_S, max_streams=1))
    with RawHttp2(server.port, ELSEWHERE, {INITIAL_WINDOW_SIZE: 0}) as connection:
        stream = connection.open_call(DECIDE_STREAM)
        connection.send_message(stream, _stream_request("t-1"))
        assert any(frame.kind == HEADERS and frame.stream == stream for frame in connection.frames())
        with GatewayClient(f"127.0.0.1:{server.port}") as client:
            assert _id(_first_when_free(client, a_payment("t-2"))) == "t-2"
        connection.widen(stream, 65_535)
        assert connection.end_of(stream).kind == HEADERS


@pytest.mark.parametrize("method", [DECIDE, DECIDE_STREAM, PUBLISH])
@pytest.mark.parametrize("token", [None, "guessed"])
def test_a_caller_that_is_not_listed_is_refused_before_it_sends_a_message(
    serve: Serve, hold: Hold, method: str, token: str | None
) -> None:
    params = EdgeParams(message_timeout_s=FOREVER_S, stream_idle_s=FOREVER_S)
    call = hold(serve(params, CALLERS).port).open(method, token=token)
    assert _end_of(call).reason == "CALLER_UNKNOWN"


def test_one_caller_has_its_share_of_streams_and_others_have_theirs(serve: Serve, hold: Hold) -> None:
    server = serve(EdgeParams(max_streams=3, max_streams_per_caller=2, stream_idle_s=FOREVER_S))
    with RawHttp2(server.port, ELSEWHERE) as connection:
        streams = [connection.open_call(DECIDE_STREAM) for _ in range(3)]
        connection.end_of(streams[-1])
        held = hold(server.port)
        mine = held.open(DECIDE_STREAM, _stream_request("t-1"))
        assert next(mine)
        full = _end_of(held.open(DECIDE_STREAM))
        assert (full.reason, full.metadata["limit"]) == ("TOO_MANY_STREAMS", "max_streams")
    own = _end_of_one_too_many(serve, hold, DECIDE_STREAM)
    assert (own.reason, own.metadata["limit"]) == ("TOO_MANY_STREAMS", "max_streams_per_caller")


def test_a_caller_that_watches_health_keeps_its_streams_of_payments(serve: Serve, hold: Hold) -> None:
    server = serve(EdgeParams(max_streams_per_caller=1))
    held = hold(server.port)
    assert next(held.open(WATCH, b""))
    assert _end_of(held.open(WATCH, b"")).reason == "TOO_MANY_STREAMS"
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        assert len(list(client.decide_stream([a_payment()]))) == 1


def test_health_and_payments_are_answered_while_one_address_holds_all_it_can_get(serve: Serve) -> None:
    params = EdgeParams(
        max_calls=256, max_calls_per_caller=64, message_timeout_s=FOREVER_S, stream_idle_s=FOREVER_S
    )
    server = serve(params)
    with ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(RawHttp2(server.port, ELSEWHERE))
            _open_everything(connection)
        _expect_service(server.port)


def test_callers_are_served_while_one_address_never_reads_its_replies(serve: Serve) -> None:
    params = EdgeParams(max_calls=256, max_calls_per_caller=64)
    server = serve(params)
    with ExitStack() as stack:
        for n in range(6):
            connection = stack.enter_context(RawHttp2(server.port, ELSEWHERE, {INITIAL_WINDOW_SIZE: 0}))
            for m in range(64):
                request = risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment(f"t-{n}-{m}")))
                stream = connection.open_call(DECIDE)
                connection.send_message(stream, request.SerializeToString(), last=True)
            # Replies wait behind their headers; refusals end the call.
            assert any(frame.stream == stream for frame in connection.frames())
        _expect_service(server.port)


def test_a_reply_that_is_never_read_is_dropped_with_its_connection(serve: Serve) -> None:
    params = EdgeParams(max_calls_per_caller=1, max_connection_age_s=0.05, max_connection_grace_s=0.05)
    server = serve(params)
    with (
        RawHttp2(server.port, settings={INITIAL_WINDOW_SIZE: 0}) as connection,
        pytest.raises(ConnectionError),
    ):
        _decide_and_never_read(connection)


def _decide_and_never_read(connection: RawHttp2) -> None:
    request = risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment()))
    connection.send_message(connection.open_call(DECIDE), request.SerializeToString(), last=True)
    list(connection.frames())


def test_limits_and_what_is_open_can_be_read_as_metrics(engine: FakeEngine, hold: Hold) -> None:
    registry = CollectorRegistry()
    params = EdgeParams(max_streams_per_caller=1, message_timeout_s=0.01, stream_idle_s=FOREVER_S)
    server = build_server(engine, "127.0.0.1:0", params, describe=describe, registry=registry)
    server.start()
    held = hold(server.port)
    assert next(held.open(DECIDE_STREAM, _stream_request("t-1")))
    _end_of(held.open(DECIDE_STREAM))
    _end_of(held.open(DECIDE))
    value = registry.get_sample_value
    assert value("tapwatch_rpc_streams_open", {"kind": "service"}) == 1
    assert value("tapwatch_rpc_streams_open", {"kind": "tool"}) == 0
    assert (value("tapwatch_rpc_calls_open") or 0) >= 1
    count = partial(value, "tapwatch_rpc_limit_total")
    assert count({"limit": "max_streams_per_caller"}) == 1
    assert count({"limit": "message_timeout_s"}) == 1
    assert count({"limit": "stream_idle_s"}) == 0
    server.stop(0.0)
    assert value("tapwatch_rpc_calls_open") == 0
    assert value("tapwatch_rpc_streams_open", {"kind": "service"}) == 0


def _open_everything(connection: RawHttp2) -> None:
    """More calls than one connection may have, of every kind, none of which ever ends by itself."""
    most = connection.settings()[MAX_CONCURRENT_STREAMS]
    methods = (DECIDE_STREAM, PUBLISH, WATCH, REFLECTION, CHECK, DECIDE)
    # Some are refused at once and make room for others, so twice as many; then the last one is refused too.
    streams = [connection.open_call(methods[min(n // 5, len(methods) - 1)]) for n in range(2 * most)]
    connection.end_of(streams[-1])


def _expect_service(port: int) -> None:
    with GatewayClient(f"127.0.0.1:{port}") as client:
        assert client.decide(a_payment("t-1"), timeout_s=20.0).source is Source.ENGINE
        assert [_id(answer) for answer in client.decide_stream([a_payment("t-2")], 20.0)] == ["t-2"]
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        request = health_pb2.HealthCheckRequest()
        assert health.Check(request, timeout=20.0).status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(request, timeout=20.0)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def _end_of_one_too_many(serve: Serve, hold: Hold, method: str) -> RpcProblem:
    held = hold(serve(EdgeParams(max_streams=3, max_streams_per_caller=1, stream_idle_s=FOREVER_S)).port)
    assert next(held.open(method, _stream_request("t-1")))
    return _end_of(held.open(method))


def _end_of(call: Any) -> RpcProblem:
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    return problem_of(caught.value)


def _stream_request(transaction_id: str) -> bytes:
    request = risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment(transaction_id)))
    return request.SerializeToString()


def _id(answer: Decision | RpcProblem) -> str:
    return answer.transaction_id if isinstance(answer, Decision) else answer.reason


def _first_when_free(client: GatewayClient, payment: Payment) -> Decision | RpcProblem:
    for _ in range(10_000):
        try:
            return next(client.decide_stream([payment]))
        except GatewayError as error:
            assert error.problem.reason == "TOO_MANY_STREAMS"  # noqa: PT017  # the place is not free yet
    raise AssertionError("the place was never freed")
