"""The serving process put together: engine, gRPC services, operator endpoints."""

from collections.abc import Callable

from alerting.rpc.callers import Callers
from alerting.rpc.params import TlsFiles
from alerting.rpc.server import EdgeServer, build_server
from alerting.wording import reason_line
from flows.engine import Engine, EngineParams
from flows.operator import OperatorServer
from flows.settings import CallerSettings, Settings, TlsSettings
from flows.sqlite_shard import SHARD_FILE, ShardFileError


class ServingError(Exception):
    """The process can't start; the message says why."""


class Serving:
    """One serving process, from its settings.

    Raises
    ------
    ServingError
        When the shard, the address or the certificates can't be used.
    """

    def __init__(
        self, settings: Settings, policy_text: str, before_batch: Callable[[int], None] | None = None
    ) -> None:
        self._settings = settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        params = EngineParams(
            path=settings.data_dir / SHARD_FILE,
            policy_text=policy_text,
            models=settings.models,
            intake=settings.engine.intake(),
            cached_objects=settings.engine.cached_objects,
        )
        try:
            self.engine = Engine(params, before_batch=before_batch)
        except ShardFileError as error:
            raise ServingError(str(error)) from None
        self._edge: EdgeServer | None = None
        self._operator: OperatorServer | None = None

    def start(self) -> None:
        """Start the engine, then open the ports."""
        self.engine.start()
        try:
            self._open_ports()
        except ServingError:
            self.engine.stop()
            raise
        except (OSError, RuntimeError, ValueError) as error:
            self.engine.stop()
            raise ServingError(f"{self._settings.listen}: {error}") from None

    def _open_ports(self) -> None:
        settings = self._settings
        self._edge = build_server(
            self.engine,
            settings.listen,
            settings.edge,
            describe=reason_line,
            tls=_tls(settings.tls),
            callers=_callers(settings.callers),
            registry=self.engine.metrics.registry,
        )
        if settings.operator_listen is not None:
            host, _, port = settings.operator_listen.rpartition(":")
            self._operator = OperatorServer(self.engine, host, int(port))
            self._operator.start()
        self._edge.start()

    def stop(self) -> None:
        """Drain: refuse new calls, answer those in flight, commit, close."""
        if self._edge is not None:
            self._edge.stop()
        self.engine.stop()
        if self._operator is not None:
            self._operator.stop()

    @property
    def port(self) -> int:
        """The gRPC port."""
        return 0 if self._edge is None else self._edge.port

    @property
    def operator_port(self) -> int:
        """The operator port, 0 when there is none."""
        return 0 if self._operator is None else self._operator.port


def _tls(tls: TlsSettings) -> TlsFiles | None:
    if tls.certificate is None and tls.key is None and tls.client_ca is None:
        return None
    if tls.certificate is None or tls.key is None:
        raise ServingError("tls: certificate and key go together; allowed: both, or no [tls] section")
    for file in (tls.certificate, tls.key, tls.client_ca):
        if file is not None and not file.is_file():
            raise ServingError(f"tls: {file}: no such file")
    return TlsFiles(tls.certificate, tls.key, tls.client_ca)


def _callers(callers: CallerSettings) -> Callers | None:
    if not callers.by_identity and not callers.by_token_sha256:
        return None
    return Callers(
        {name: frozenset(tenants) for name, tenants in callers.by_identity.items()},
        {digest: frozenset(tenants) for digest, tenants in callers.by_token_sha256.items()},
    )
