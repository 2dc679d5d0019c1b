"""Decisions in a stream: order, errors in their place, a bounded window, and its ends."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event

import grpc
import pytest

from alerting.decision import Decision, Source
from alerting.rpc import EdgeParams
from alerting.rpc.convert import PAYMENT, read_decision, write_budget
from detectors.events import Payment
from replay.gateway import GatewayClient, GatewayError, RpcProblem
from tapwatch.v1 import risk_pb2, risk_pb2_grpc
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import FakeEngine, a_payment
from tests.alerting.rpc.raw_http2 import INITIAL_WINDOW_SIZE, RawHttp2

PATIENT = EdgeParams(default_deadline_s=30.0)


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Runs a caller beside the test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_answers_come_in_the_order_of_the_requests(client: GatewayClient) -> None:
    payments = [a_payment(f"t-{n}") for n in range(300)]
    answers = list(client.decide_stream(payments))
    assert [_id(answer) for answer in answers] == [payment.transaction_id for payment in payments]


def test_a_bad_request_is_answered_in_its_place_and_the_stream_goes_on(serve: Serve) -> None:
    bad = PAYMENT.write(a_payment("t-2"))
    bad.currency_code = "???"
    requests = [
        risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment("t-1"))),
        risk_pb2.DecideStreamRequest(payment=bad),
        risk_pb2.DecideStreamRequest(),
        risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment("t-3"))),
    ]
    with grpc.insecure_channel(f"127.0.0.1:{serve().port}") as channel:
        replies = list(risk_pb2_grpc.RiskServiceStub(channel).DecideStream(iter(requests)))
    assert [reply.index for reply in replies] == [0, 1, 2, 3]
    assert [reply.WhichOneof("result") for reply in replies] == ["decision", "error", "error", "decision"]


def test_a_conflict_and_a_fault_are_answered_in_their_places(
    client: GatewayClient, engine: FakeEngine
) -> None:
    def fail(payment: Payment) -> None:
        if payment.transaction_id == "t-bad":
            raise RuntimeError

    engine.fault = fail
    payments = [a_payment("t-1"), a_payment("t-1", 99), a_payment("t-bad"), a_payment("t-2")]
    answers = list(client.decide_stream(payments))
    assert [_id(answer) for answer in answers] == ["t-1", "PAYLOAD_CONFLICT", "INTERNAL", "t-2"]


def test_many_payments_are_under_way_before_the_first_answer(
    engine: FakeEngine, serve: Serve, beside: ThreadPoolExecutor
) -> None:
    engine.gate.clear()
    payments: SimpleQueue[Payment | None] = SimpleQueue()
    reached = Event()

    def count(_payment: Payment) -> None:
        if len(engine.payments) == 9:
            reached.set()

    engine.fault = count
    with GatewayClient(f"127.0.0.1:{serve(PATIENT).port}") as client:
        for n in range(10):
            payments.put(a_payment(f"t-{n}"))
        payments.put(None)
        answers = beside.submit(list, client.decide_stream(iter(payments.get, None)))
        assert reached.wait(20.0)
        assert not answers.done()
        engine.gate.set()
        assert [_id(answer) for answer in answers.result(20.0)] == [f"t-{n}" for n in range(10)]


def test_a_sender_that_is_too_fast_is_held_back_at_the_window(
    engine: FakeEngine, serve: Serve, beside: ThreadPoolExecutor
) -> None:
    under_way: list[int] = []
    engine.fault = lambda _payment: under_way.append(len(engine.payments) - len(engine.decisions))
    engine.gate.clear()
    params = EdgeParams(default_deadline_s=30.0, stream_window=4)
    with GatewayClient(f"127.0.0.1:{serve(params).port}") as client:
        payments = [a_payment(f"t-{n}") for n in range(50)]
        answers = beside.submit(list, client.decide_stream(payments))
        engine.gate.set()
        assert [_id(answer) for answer in answers.result(20.0)] == [p.transaction_id for p in payments]
    # One more than the window at most: the one that waits for room in it.
    assert max(under_way) <= 5


def test_the_end_of_the_requests_lets_those_under_way_end(
    engine: FakeEngine, serve: Serve, beside: ThreadPoolExecutor
) -> None:
    engine.gate.clear()
    sent = Event()

    def payments() -> Iterator[Payment]:
        yield a_payment("t-1")
        yield a_payment("t-2")
        sent.set()

    with GatewayClient(f"127.0.0.1:{serve(PATIENT).port}") as client:
        answers = beside.submit(list, client.decide_stream(payments()))
        assert sent.wait(20.0)
        engine.gate.set()
        assert [_id(answer) for answer in answers.result(20.0)] == ["t-1", "t-2"]


def test_late_payments_of_a_stream_get_the_fallback(engine: FakeEngine, serve: Serve) -> None:
    engine.gate.clear()
    params = EdgeParams(default_deadline_s=0.01)
    with GatewayClient(f"127.0.0.1:{serve(params).port}") as client:
        answers = list(client.decide_stream([a_payment("t-1"), a_payment("t-2")]))
    assert [isinstance(a, Decision) and a.source for a in answers] == [Source.FALLBACK] * 2


def test_a_short_budget_is_not_made_late_by_a_long_one_before_it(
    engine: FakeEngine, serve: Serve, beside: ThreadPoolExecutor
) -> None:
    engine.gate.clear()
    requests = [
        risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment("t-1")), budget=write_budget(3_600.0)),
        risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment("t-2")), budget=write_budget(0.02)),
    ]
    params = EdgeParams(default_deadline_s=3_600.0)
    with grpc.insecure_channel(f"127.0.0.1:{serve(params).port}") as channel:
        call = risk_pb2_grpc.RiskServiceStub(channel).DecideStream(iter(requests))
        try:
            replies = beside.submit(list, call).result(20.0)
        finally:
            engine.gate.set()
    assert [read_decision(reply.decision).source for reply in replies] == [Source.FALLBACK] * 2


def test_answers_are_made_in_time_though_the_caller_takes_none(engine: FakeEngine, serve: Serve) -> None:
    engine.gate.clear()
    all_answered = Event()

    def count_answered(_decision: Decision) -> None:
        if len(engine.decisions) == 3:
            all_answered.set()

    engine.answered = count_answered
    server = serve(EdgeParams(default_deadline_s=0.02))
    with RawHttp2(server.port, settings={INITIAL_WINDOW_SIZE: 0}) as connection:
        stream = connection.open_call("/tapwatch.v1.RiskService/DecideStream")
        for n in range(3):
            request = risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment(f"t-{n}")))
            connection.send_message(stream, request.SerializeToString(), last=n == 2)
        assert all_answered.wait(20.0)
        # Answers that come too late change nothing any more.
        engine.gate.set()
        connection.widen(stream, 65_535)
        sent = connection.messages_of(stream)
    replies = [risk_pb2.DecideStreamResponse.FromString(message) for message in sent]
    assert [read_decision(reply.decision).source for reply in replies] == [Source.FALLBACK] * 3


def test_a_burst_at_an_engine_that_stalls_is_answered_whole(engine: FakeEngine, serve: Serve) -> None:
    engine.gate.clear()

    def open_late(_decision: Decision) -> None:
        if len(engine.decisions) == 500:
            engine.gate.set()

    engine.answered = open_late
    payments = [a_payment(f"t-{n}") for n in range(2_000)]
    with GatewayClient(f"127.0.0.1:{serve(EdgeParams(default_deadline_s=0.05)).port}") as client:
        answers = list(client.decide_stream(payments))
    assert [_id(answer) for answer in answers] == [payment.transaction_id for payment in payments]
    sources = [answer.source for answer in answers if isinstance(answer, Decision)]
    # What was under way when the engine came back may have either answer.
    assert sources[:500] == [Source.FALLBACK] * 500
    assert sources[-1] is Source.ENGINE


def test_a_caller_that_goes_away_frees_its_place(serve: Serve) -> None:
    server = serve(EdgeParams(max_streams=1))
    gone: SimpleQueue[Payment | None] = SimpleQueue()
    gone.put(a_payment("t-1"))
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        assert isinstance(next(client.decide_stream(iter(gone.get, None))), Decision)
    gone.put(None)
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        assert _id(_retry_while_full(client, a_payment("t-2"))) == "t-2"


def test_one_stream_too_many_is_refused_and_decide_still_answers(serve: Serve) -> None:
    server = serve(EdgeParams(max_streams=2))
    ends: list[SimpleQueue[Payment | None]] = [SimpleQueue(), SimpleQueue()]
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        open_streams = [client.decide_stream(iter(end.get, None)) for end in ends]
        for n, (end, stream) in enumerate(zip(ends, open_streams, strict=True)):
            end.put(a_payment(f"t-{n}"))
            next(stream)
        with pytest.raises(GatewayError) as caught:
            list(client.decide_stream([a_payment("t-8")]))
        assert caught.value.problem.code == "RESOURCE_EXHAUSTED"
        assert caught.value.problem.reason == "TOO_MANY_STREAMS"
        assert client.decide(a_payment("t-9")).source is Source.ENGINE
        for end in ends:
            end.put(None)


def _id(answer: Decision | RpcProblem) -> str:
    return answer.transaction_id if isinstance(answer, Decision) else answer.reason


def _retry_while_full(client: GatewayClient, payment: Payment) -> Decision | RpcProblem:
    for _ in range(1_000):
        try:
            return next(client.decide_stream([payment]))
        except GatewayError as error:
            assert error.problem.reason == "TOO_MANY_STREAMS"  # noqa: PT017  # the place is not free yet
    raise AssertionError("the place was never freed")
