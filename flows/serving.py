"""The serving process put together: engine, gRPC services, operator endpoints."""

import sqlite3
import threading

from prometheus_client import disable_created_metrics

from alerting.engine import Health, Receipt
from alerting.policy import policy_version
from alerting.rpc.callers import Callers
from alerting.rpc.params import TlsFiles
from alerting.rpc.server import EdgeServer, build_server
from alerting.wording import reason_line
from flows.address import listening_problem, parse_address, system_words
from flows.engine import Engine, EngineParams
from flows.fault_injection import Faults
from flows.operator import OperatorServer
from flows.settings import CallerSettings, Settings, TlsSettings
from flows.settings_words import shown
from flows.shard_alerts import ShardAlerts
from flows.sqlite_shard import SHARD_FILE, ShardFileError
from flows.startup_checks import startup_problems
from flows.supervision import Spawn


class ServingError(Exception):
    """The process can't start; ``problems`` has one line for each reason: setting, value, what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Serving:
    """One serving process, from its settings.

    Raises
    ------
    ServingError
        When the folder, an address, the shard or the certificates can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        policy_text: str,
        faults: Faults | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        self._settings = settings
        self._answering = threading.Event()
        self._edge: EdgeServer | None = None
        self._alerts: ShardAlerts | None = None
        if problems := startup_problems(settings):
            raise ServingError(problems)
        self._operator = self._bind_operator()
        try:
            self.engine = self._open_engine(policy_text, faults, spawn)
        except ServingError:
            if self._operator is not None:
                self._operator.stop()
            raise
        # When a series began says nothing that its first scrape does not.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics = self.engine.metrics
        metrics.state("health", "What the process says of itself.", Health, self.health)

    def _bind_operator(self) -> OperatorServer | None:
        text = self._settings.operator_listen
        if problem := listening_problem(parse_address(self._settings.listen)):
            raise ServingError([_unusable("listen", self._settings.listen, problem)])
        if text is None:
            return None
        try:
            return OperatorServer(parse_address(text), self.health, lambda: self.engine.metrics.text())
        except OSError as error:
            raise ServingError([_unusable("operator_listen", text, system_words(error))]) from None

    def _open_engine(self, policy_text: str, faults: Faults | None, spawn: Spawn | None) -> Engine:
        settings = self._settings
        params = EngineParams(
            path=settings.data_dir / SHARD_FILE,
            policy_text=policy_text,
            models=settings.models,
            intake=settings.engine.intake(),
            cached_objects=settings.engine.cached_objects,
            log_format=settings.log_format,
            faults=faults,
            kafka=settings.kafka if settings.kafka.bootstrap else None,
            alerts=settings.alerts,
        )
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            return Engine(params, spawn=spawn)
        except OSError as error:
            raise self._unusable_folder(system_words(error)) from None
        except ShardFileError as error:
            raise self._unusable_folder(str(error)) from None

    def _unusable_folder(self, problem: str) -> ServingError:
        if self._settings.kafka.bootstrap:
            return ServingError([problem])
        folder = shown(self._settings.data_dir)
        return ServingError(
            [f"data_dir: {folder}: {problem}; allowed: a folder that this process alone can write"]
        )

    def start(self) -> None:
        """Say that the process lives, start the engine, then answer calls; ready is who answers."""
        if self._operator is not None:
            self._operator.start()
        try:
            self.engine.start()
        except (OSError, sqlite3.Error, ShardFileError) as error:
            if self._operator is not None:
                self._operator.stop()
            raise self._unusable_folder(str(error)) from None
        try:
            self._alerts = self._open_alerts()
            self._edge = self._build_edge()
            self._edge.start()
        except BaseException as error:
            self.stop()  # the flow's thread would keep the process alive
            if isinstance(error, sqlite3.Error):
                raise self._unusable_folder(str(error)) from None
            if isinstance(error, OSError | RuntimeError | ValueError):
                raise ServingError([_unusable("listen", self._settings.listen, str(error))]) from None
            raise
        self._answering.set()

    def _open_alerts(self) -> ShardAlerts | None:
        """The alerts of the embedded shard; shards on Kafka are owned by turns."""
        if self._settings.kafka.bootstrap:
            return None
        return ShardAlerts(self._settings.data_dir / SHARD_FILE, lambda: self.engine.log_position)

    def _build_edge(self) -> EdgeServer:
        settings = self._settings
        return build_server(
            self.engine,
            settings.listen,
            settings.edge,
            describe=reason_line,
            tls=_tls(settings.tls),
            callers=_callers(settings.callers),
            registry=self.engine.metrics.registry,
            alerts=self._alerts,
        )

    def stop(self) -> None:
        """Drain: refuse new calls, answer those in flight, commit, close."""
        self._answering.clear()
        if self._edge is not None:
            self._edge.stop()
        self.engine.stop()
        if self._alerts is not None:
            self._alerts.close()
        if self._operator is not None:
            self._operator.stop()

    def health(self) -> Health:
        """What the process says of itself: the engine's health, once the gRPC port answers."""
        if self._answering.is_set():
            return self.engine.health()
        return Health.STARTING if self._edge is None else Health.NOT_SERVING

    def change_policy(self, text: str) -> Receipt | None:
        """Put a policy in force from the next log position on; None when it is in force already.

        Raises
        ------
        EngineUnavailableError
            When the flow can't take it now; the policy in force stays.
        """
        if policy_version(text) == self.engine.policy_version:
            return None
        return self.engine.change_policy(text)

    @property
    def port(self) -> int:
        """The gRPC port."""
        return 0 if self._edge is None else self._edge.port

    @property
    def operator_port(self) -> int:
        """The operator port, 0 when there is none."""
        return 0 if self._operator is None else self._operator.port


def _unusable(name: str, address: str, problem: str) -> str:
    return f"{name}: {shown(address)}: {problem}; allowed: an address of this machine with a free port"


def _tls(tls: TlsSettings) -> TlsFiles | None:
    if tls.certificate is None or tls.key is None:
        return None
    return TlsFiles(tls.certificate, tls.key, tls.client_ca)


def _callers(callers: CallerSettings) -> Callers | None:
    if not callers.by_identity and not callers.by_token_sha256:
        return None
    return Callers(
        {name: frozenset(tenants) for name, tenants in callers.by_identity.items()},
        {digest: frozenset(tenants) for digest, tenants in callers.by_token_sha256.items()},
    )
