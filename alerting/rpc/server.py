"""The gRPC server: services, health, reflection, credentials and limits put together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from alerting.decision import Reason
from alerting.engine import Health, RiskEngine
from alerting.rpc.callers import Callers
from alerting.rpc.calls import new_calls
from alerting.rpc.ingest_service import IngestService
from alerting.rpc.metrics import CallMetrics
from alerting.rpc.params import EdgeParams, TlsFiles
from alerting.rpc.risk_service import RiskService
from tapwatch.v1 import ingest_pb2, ingest_pb2_grpc, risk_pb2, risk_pb2_grpc

RISK_SERVICE: Final = risk_pb2.DESCRIPTOR.services_by_name["RiskService"].full_name
INGEST_SERVICE: Final = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
_WATCHED: Final = ("", RISK_SERVICE, INGEST_SERVICE)
_HEALTHY: Final = (Health.SERVING, Health.DEGRADED)


class EdgeServer:
    """A server that is bound to its port; :meth:`start` opens it, :meth:`stop` drains and closes it."""

    def __init__(
        self, server: grpc.Server, pool: ThreadPoolExecutor, port: int, engine: RiskEngine, poll_s: float
    ) -> None:
        self.port = port
        self._server = server
        self._pool = pool
        self._engine = engine
        self._poll_s = poll_s
        self._health = health.HealthServicer()
        self._stopping = Event()
        self._poller = Thread(target=self._poll_health, name="edge-health", daemon=True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)

    def start(self) -> None:
        """Answer calls from now on."""
        self.refresh_health()
        self._poller.start()
        self._server.start()

    def refresh_health(self) -> None:
        """Tell the health service what the engine says of itself now."""
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if self._engine.health() in _HEALTHY else kinds.NOT_SERVING
        for service in _WATCHED:
            self._health.set(service, status)

    def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, let those under way end within ``grace_s``, then close."""
        self._stopping.set()
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False)
        if self._poller.is_alive():
            self._poller.join()

    def _poll_health(self) -> None:
        while not self._stopping.wait(self._poll_s):
            self.refresh_health()


def build_server(
    engine: RiskEngine,
    address: str,
    params: EdgeParams | None = None,
    *,
    describe: Callable[[Reason], str],
    tls: TlsFiles | None = None,
    callers: Callers | None = None,
    registry: CollectorRegistry | None = None,
) -> EdgeServer:
    """A server for ``engine``, bound to ``address`` (``"127.0.0.1:0"`` takes any free port).

    Without ``tls`` it speaks plain text; without ``callers`` everyone may act for every tenant; with
    ``registry`` its calls are counted there. ``describe`` puts a reason into words.
    """
    params = params or EdgeParams()
    pool = ThreadPoolExecutor(params.threads, thread_name_prefix="edge")
    server = grpc.server(
        pool,
        interceptors=[] if registry is None else [CallMetrics(registry)],
        options=_options(params),
        maximum_concurrent_rpcs=params.threads + params.max_queued_calls,
    )
    calls = new_calls(engine, params, callers)
    risk_pb2_grpc.add_RiskServiceServicer_to_server(RiskService(calls, describe), server)
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(IngestService(calls), server)
    if params.reflection:
        names = (RISK_SERVICE, INGEST_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    if tls is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, _credentials(tls))
    return EdgeServer(server, pool, port, engine, params.health_poll_s)


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    client_ca = None if tls.client_ca is None else tls.client_ca.read_bytes()
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)


def _options(params: EdgeParams) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", params.max_message_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", int(params.keepalive_time_s * 1_000)),
        ("grpc.keepalive_timeout_ms", int(params.keepalive_timeout_s * 1_000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", int(params.min_ping_interval_s * 1_000)),
    ]
