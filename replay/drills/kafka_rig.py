"""What a drill on Kafka stands on: a broker, topics of its own, server processes, and what they publish."""

import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from flows.broker.params import KafkaParams
from flows.broker.status import read_status
from flows.broker.topics import apply_topics
from replay.drills.kafka_server import KafkaServer
from replay.errors import ReplayError
from replay.server_process import ServerProcess, TapwatchProcess

IDLE_TIMEOUT_S: Final = 300.0
_LOOK_EVERY_S: Final = 0.5


P = TypeVar("P", bound=TapwatchProcess)
Broker = KafkaServer | str | None
"""Which broker a drill uses: see :class:`KafkaRig`."""


class DrillTimeoutError(ReplayError):
    """What a drill waits for does not come; the message says what."""


class KafkaRig:
    """A broker for drills; a context manager that stops it, and all processes that were started through it.

    Parameters
    ----------
    folder
        Where data and logs of broker and processes go.
    broker
        One that runs already: ours, which may be killed, or the host:port of another's, which may not. Starts
        its own without.
    """

    def __init__(self, folder: Path, broker: Broker = None) -> None:
        self.folder = folder
        self._own = broker is None
        found = KafkaServer(folder / "broker") if broker is None else broker
        self.broker = found if isinstance(found, KafkaServer) else None
        self.bootstrap = found.bootstrap if isinstance(found, KafkaServer) else found
        self._started = ExitStack()

    def lay_out(self, shards: int, **settings: object) -> KafkaParams:
        """Topics under a prefix that nobody has used before."""
        prefix = f"drill-{uuid.uuid4().hex[:12]}"
        params = KafkaParams((self.bootstrap,), prefix, shards, **settings)  # type: ignore[arg-type]
        apply_topics(params)
        return params

    def server(
        self, params: KafkaParams, name: str, environment: Mapping[str, str] | None = None
    ) -> ServerProcess:
        """A server with a data folder of its own, not started yet; stopped at the end if it runs then."""
        settings = {**_environment(params), **(environment or {})}
        return self._kept(ServerProcess(self.folder / params.prefix / name, environment=settings))

    def ingest(self, params: KafkaParams, environment: Mapping[str, str] | None = None) -> TapwatchProcess:
        """The ingest of the input topics, not started yet; stopped at the end if it runs then."""
        arguments = ("ingest", "--operator-listen", "127.0.0.1:0")
        log = self.folder / params.prefix / "ingest.log"
        return self._kept(TapwatchProcess(log, arguments, {**_environment(params), **(environment or {})}))

    def wait_until_idle(self, params: KafkaParams, timeout_s: float = IDLE_TIMEOUT_S) -> None:
        """Return when the input topics are read, and all that the shard logs hold is decided and published.

        Raises
        ------
        DrillTimeoutError
            When nothing more happens for ``timeout_s``.
        """
        last: list[int] = []
        patient_until = 0.0
        while any(behind := _behind(params)):
            if behind != last:
                last, patient_until = behind, time.monotonic() + timeout_s
            elif time.monotonic() > patient_until:
                raise DrillTimeoutError(f"{sum(behind)} records wait, and nothing happens")
            time.sleep(_LOOK_EVERY_S)

    def wait_until_shared_out(self, params: KafkaParams, servers: int) -> None:
        """Return when so many servers share the shards, each with one or more.

        Raises
        ------
        DrillTimeoutError
            When that does not come to be.
        """
        patient_until = time.monotonic() + IDLE_TIMEOUT_S
        while len(owners := {each.owner for each in read_status(params).shards} - {None}) != servers:
            if time.monotonic() > patient_until:
                raise DrillTimeoutError(f"{len(owners)} of {servers} servers own shards")
            time.sleep(_LOOK_EVERY_S)

    def _kept(self, process: P) -> P:
        process.log.parent.mkdir(parents=True, exist_ok=True)
        self._started.callback(process.stop_if_running)
        return process

    def __enter__(self) -> Self:
        if self._own and self.broker is not None:
            self.broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.close()
        if self._own and self.broker is not None:
            self.broker.stop()


def _environment(params: KafkaParams) -> dict[str, str]:
    given = {
        "bootstrap": ",".join(params.bootstrap),
        "prefix": params.prefix,
        "shards": params.shards,
        "session_timeout_s": params.session_timeout_s,
        "snapshots": params.snapshots,
    }
    return {
        f"TAPWATCH_KAFKA__{name.upper()}": str(value) for name, value in given.items() if value is not None
    }


def _behind(params: KafkaParams) -> list[int]:
    status = read_status(params)
    return [each.lag_records for each in status.inputs] + [each.lag_records for each in status.shards]
