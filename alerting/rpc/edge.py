"""The gRPC server on its event loop: services, health, reflection, credentials and limits put together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from alerting.alert_source import AlertSource
from alerting.decision import Reason
from alerting.engine import Health, RiskEngine
from alerting.rpc.alert_metrics import AlertMetrics
from alerting.rpc.alert_service import AlertService
from alerting.rpc.alerts_elsewhere import AlertsElsewhere
from alerting.rpc.callers import Callers
from alerting.rpc.calls import Calls
from alerting.rpc.door import Door
from alerting.rpc.ingest_service import IngestService
from alerting.rpc.metrics import CallMetrics
from alerting.rpc.params import EdgeParams, TlsFiles
from alerting.rpc.risk_service import RiskService
from alerting.rpc.routes import Routes
from tapwatch.v1 import alert_pb2, ingest_pb2, risk_pb2

RISK_SERVICE: Final = risk_pb2.DESCRIPTOR.services_by_name["RiskService"].full_name
INGEST_SERVICE: Final = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
ALERT_SERVICE: Final = alert_pb2.DESCRIPTOR.services_by_name["AlertService"].full_name
_HEALTHY: Final = (Health.SERVING, Health.DEGRADED)


class Edge:
    """A server bound to its port; must be made and used on its loop, whose default executor it sets."""

    def __init__(
        self,
        engine: RiskEngine,
        address: str,
        params: EdgeParams,
        describe: Callable[[Reason], str],
        tls: TlsFiles | None,
        callers: Callers | None,
        registry: CollectorRegistry | None,
        alerts: AlertSource | None = None,
    ) -> None:
        self._engine = engine
        self._poll_s = params.health_poll_s
        self._health = health.aio.HealthServicer()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(params.reader_threads, thread_name_prefix="edge-reader"))
        self._grace_s: asyncio.Future[float] = loop.create_future()
        calls = Calls(engine, params)
        door = Door(params, callers, by_certificate=tls is not None and tls.client_ca is not None)
        registry = registry or CollectorRegistry()
        routes = Routes(params, door, CallMetrics(registry))
        self._services = [RISK_SERVICE, INGEST_SERVICE]
        self._alerts: AlertService | None = None
        routes.add(RISK_SERVICE, RiskService(calls, describe).methods())
        routes.add(INGEST_SERVICE, IngestService(calls).methods())
        if alerts is None:
            routes.add(ALERT_SERVICE, AlertsElsewhere().methods(), subscribers=True)
        else:
            self._alerts = AlertService(alerts, params, AlertMetrics(registry), engine.now)
            routes.add(ALERT_SERVICE, self._alerts.methods(), subscribers=True)
            self._services.append(ALERT_SERVICE)
        routes.add_foreign(health.SERVICE_NAME, self._health)
        if params.reflection:
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            routes.add_foreign(reflection.SERVICE_NAME, reflection.aio.ReflectionServicer(names))
        self._server = grpc.aio.server(
            handlers=[routes], options=_options(params), maximum_concurrent_rpcs=params.max_calls
        )
        self.port = _bind(self._server, address, tls)

    async def start(self) -> None:
        """Answer calls from now on."""
        await self.refresh_health()
        self._engine.hear_on(asyncio.get_running_loop())
        await self._server.start()

    async def refresh_health(self) -> None:
        """Tell the health service what the engine says of itself now."""
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if self._engine.health() in _HEALTHY else kinds.NOT_SERVING
        for service in ("", *self._services):
            await self._health.set(service, status)

    async def live(self) -> None:
        """Keep the health service up to date until the server is asked to stop, then drain."""
        poller = asyncio.create_task(self._poll_health())
        grace_s = await self._grace_s
        poller.cancel()
        await self._health.enter_graceful_shutdown()
        if self._alerts is not None:
            await self._alerts.end()
        await self._server.stop(grace_s)
        self._engine.hear_alone()

    def ask_to_stop(self, grace_s: float) -> None:
        """End :meth:`live`; calls under way have ``grace_s`` to end."""
        if not self._grace_s.done():
            self._grace_s.set_result(grace_s)

    async def _poll_health(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self.refresh_health()


def _bind(server: grpc.aio.Server, address: str, tls: TlsFiles | None) -> int:
    if tls is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, _credentials(tls))


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    client_ca = None if tls.client_ca is None else tls.client_ca.read_bytes()
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)


def _options(params: EdgeParams) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", params.max_message_bytes),
        ("grpc.so_reuseport", 0),
        # One connection alone must not be able to hold more than its caller's share.
        ("grpc.max_concurrent_streams", max(64, params.max_calls_per_caller)),
        ("grpc.server_handshake_timeout_ms", _ms(params.handshake_timeout_s)),
        ("grpc.max_connection_idle_ms", _ms(params.max_connection_idle_s)),
        ("grpc.max_connection_age_ms", _ms(params.max_connection_age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(params.max_connection_grace_s)),
        ("grpc.keepalive_time_ms", _ms(params.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", _ms(params.keepalive_timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(params.min_ping_interval_s)),
    ]


def _ms(seconds: float) -> int:
    """Whole milliseconds, at most what an option can hold."""
    return min(int(seconds * 1_000), 2**31 - 1)
