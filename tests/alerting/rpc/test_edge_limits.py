"""What one connection may hold, over the real port."""

import pytest

from alerting.rpc import EdgeParams
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.raw_http2 import MAX_CONCURRENT_STREAMS, REFUSED_STREAM, RST_STREAM, RawHttp2

DECIDE = "/tapwatch.v1.RiskService/Decide"


@pytest.mark.parametrize(("max_calls", "most"), [(4_096, 1_024), (1, 64)])
def test_a_connection_is_told_how_many_calls_it_may_open(serve: Serve, max_calls: int, most: int) -> None:
    with RawHttp2(serve(EdgeParams(max_calls=max_calls)).port) as connection:
        assert connection.settings()[MAX_CONCURRENT_STREAMS] == most


def test_a_connection_that_opens_more_calls_is_refused_the_next(serve: Serve) -> None:
    with RawHttp2(serve(EdgeParams(max_calls=256)).port) as connection:
        most = connection.settings()[MAX_CONCURRENT_STREAMS]
        streams = [connection.open_call(DECIDE) for _ in range(most + 1)]
        end = connection.end_of(streams[-1])
    assert (end.kind, int.from_bytes(end.payload)) == (RST_STREAM, REFUSED_STREAM)
