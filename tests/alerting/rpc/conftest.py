"""A server over the fake engine on a real port, and a client of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from alerting.rpc import Callers, EdgeParams, EdgeServer, build_server
from replay.alert_client import AlertClient
from replay.gateway import GatewayClient
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine, describe
from tests.alerting.rpc.raw_subscriber import Raw

Serve = Callable[..., EdgeServer]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def alerts() -> FakeAlerts:
    return FakeAlerts()


@pytest.fixture
def serve(engine: FakeEngine, alerts: FakeAlerts) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(params: EdgeParams | None = None, callers: Callers | None = None) -> EdgeServer:
            server = build_server(
                engine, "127.0.0.1:0", params, describe=describe, callers=callers, alerts=alerts
            )
            server.start()
            stack.callback(server.stop, 0.0)
            return server

        yield start
        engine.gate.set()


@pytest.fixture
def client(serve: Serve) -> Iterator[GatewayClient]:
    with GatewayClient(f"127.0.0.1:{serve().port}") as client:
        yield client


@pytest.fixture
def alert_client(serve: Serve) -> Iterator[AlertClient]:
    with AlertClient(f"127.0.0.1:{serve().port}") as client:
        yield client


@pytest.fixture
def raw(serve: Serve) -> Iterator[Raw]:
    made = Raw(serve().port)
    yield made
    made.end()
    made.channel.close()
