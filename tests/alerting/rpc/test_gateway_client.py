"""What the client makes of a server that is not there, and of a call that ends without an answer."""

from collections.abc import Callable
from queue import SimpleQueue

import grpc
import pytest

from detectors.events import Payment
from replay.gateway import GatewayClient, GatewayError, problem_of
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import a_payment, an_outcome


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.decide(a_payment()),
        lambda client: list(client.decide_stream([a_payment()])),
        lambda client: client.get_decision("t-1"),
        lambda client: client.explain("t-1"),
        lambda client: client.report_outcome(an_outcome()),
        lambda client: client.publish([an_outcome()]),
    ],
)
def test_a_server_that_has_stopped_is_a_problem_without_a_reason(
    serve: Serve, call: Callable[[GatewayClient], object]
) -> None:
    server = serve()
    server.stop(0.0)
    with GatewayClient(f"127.0.0.1:{server.port}") as client, pytest.raises(GatewayError) as caught:
        call(client)
    assert (caught.value.problem.code, caught.value.problem.reason) == ("UNAVAILABLE", "")


def test_a_stream_that_stays_open_too_long_ends_at_its_own_deadline(client: GatewayClient) -> None:
    never: SimpleQueue[Payment | None] = SimpleQueue()
    with pytest.raises(GatewayError) as caught:
        list(client.decide_stream(iter(never.get, None), timeout_s=0.01))
    never.put(None)
    assert caught.value.problem.code == "DEADLINE_EXCEEDED"


def test_an_error_that_is_no_call_keeps_its_text() -> None:
    assert problem_of(grpc.RpcError("broken")).message == "broken"
