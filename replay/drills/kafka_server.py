"""A real Apache Kafka broker in a process of its own, for drills and tests: one node, KRaft, a free port."""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from flows.broker.connection import BrokerError, make_admin
from flows.broker.params import KafkaParams
from replay.drills.kafka_jars import kafka_jars
from replay.errors import ReplayError

_START_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 60.0
_JAVA: Final = (
    "-Xmx512m",
    "-Xms128m",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dorg.apache.logging.log4j.level=WARN",
)
_PLAIN_LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM_LOGIN: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
_SMALL: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Groups form at once, and a member may be declared dead soon.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.threads": "1",
    "background.threads": "2",
    # A file that is mapped at its full length for each partition would make hundreds of topics slow.
    "log.index.size.max.bytes": "1048576",
    "auto.create.topics.enable": "false",
    # A broker that was killed is let in again only when the controller has missed it for so long.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class KafkaStartError(ReplayError):
    """The broker did not come up; the message holds what it said."""


class KafkaServer:
    """A broker that can be stopped, killed and paused; a context manager that stops it at the end.

    Parameters
    ----------
    folder
        Where its data and its log file go; the same object started again continues with the same data on
        the same port.
    properties
        Settings of the broker beside those that keep it small and quick.
    users
        Names and passwords (mechanism PLAIN) that a second port asks for, see ``guarded``.
    port
        Where it listens on 127.0.0.1; a free port without.
    """

    def __init__(
        self,
        folder: Path,
        properties: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self.start_seconds = 0.0
        free, self._guarded_port, controller = _free_ports(3)
        self._port = port or free
        known = " ".join(f'user_{name}="{password}"' for name, password in (users or {}).items())
        self._properties = {
            **_SMALL,
            "log.dir": str(folder / "data"),
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},GUARDED://127.0.0.1:{self._guarded_port}"
            f",CONTROLLER://127.0.0.1:{controller}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.name.guarded.plain.sasl.jaas.config": f"{_PLAIN_LOGIN} required {known};",
            "listener.name.guarded.scram-sha-512.sasl.jaas.config": f"{_SCRAM_LOGIN} required;",
            **(properties or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._said_from = 0

    @property
    def bootstrap(self) -> str:
        """Where clients connect, host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def guarded(self) -> str:
        """Where clients connect that show a name and a password (SASL_PLAINTEXT), host:port."""
        return f"127.0.0.1:{self._guarded_port}"

    @property
    def running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the broker; returns once it answers clients.

        Raises
        ------
        KafkaMissingError
            When this machine can't run one.
        KafkaStartError
            When folder or port are in use, when it ends, or when it does not answer within two minutes.
        """
        assert not self.running, "the broker runs already"
        self._require_free()
        begun = time.monotonic()
        classes = f"{kafka_jars()}/*"
        file = self._write_properties()
        if not (self.folder / "data").exists():
            self._format(classes, file)
        with self._log.open("ab") as log:
            self._said_from = log.tell()
            self._process = subprocess.Popen(
                ["java", *_JAVA, "-cp", classes, "kafka.Kafka", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for whoever started this; the broker is stopped by its owner.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(begun + _START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise
        self.start_seconds = time.monotonic() - begun
        return self

    def stop(self) -> None:
        """Stop it as an operator would, with SIGTERM; a paused one goes on first."""
        if self.running:
            self.resume()
            self._end(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it ends by itself.

        Raises
        ------
        KafkaStartError
            When it does, with what it said.
        """
        self._running().wait()
        raise KafkaStartError(f"the broker ended; it said:\n{self._said()}")

    def kill(self) -> None:
        """Pull the plug: SIGKILL, nothing is flushed."""
        if self.running:
            self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Start it with the same data on the same port; one that still runs is stopped before."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._running().send_signal(signal.SIGCONT)

    @property
    def _log(self) -> Path:
        return self.folder / "broker.log"

    def _write_properties(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        return file

    def _format(self, classes: str, file: Path) -> None:
        tool = ["java", *_JAVA, "-XX:TieredStopAtLevel=1", "-cp", classes, "kafka.tools.StorageTool"]
        # A cluster id is sixteen bytes in Base64; there is no second cluster that it could be mixed up with.
        command = [*tool, "format", "-t", "dGFwd2F0Y2gtZHJpbGxzMQ", "-c", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaStartError(f"the broker's folder could not be made: {done.stdout}{done.stderr}")

    def _wait_until_ready(self, deadline: float) -> None:
        params = KafkaParams(bootstrap=(self.bootstrap,))
        while True:
            if not self.running:
                raise KafkaStartError(f"the broker ended before it answered; it said:\n{self._said()}")
            try:
                # A port that nobody listens on would only fill the client's back-off.
                socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
                admin = make_admin(params, bootstrap_timeout_ms=2_000, request_timeout_ms=10_000)
            except (OSError, BrokerError):
                if time.monotonic() > deadline:
                    raise KafkaStartError(f"the broker does not answer; it said:\n{self._said()}") from None
                time.sleep(0.05)
            else:
                admin.close()
                return

    def _said(self) -> str:
        """The end of what this start of it said."""
        with self._log.open("rb") as log:
            log.seek(self._said_from)
            return log.read().decode("utf-8", "replace")[-4_000:].strip()

    def _require_free(self) -> None:
        """Nobody may use the folder or the port: a second broker would damage what the first one writes."""
        with suppress(FileNotFoundError), (self.folder / "data" / ".lock").open("r+b") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise KafkaStartError(
                    f"{self.folder}: another broker works with this folder; end it first"
                ) from None
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
            raise KafkaStartError(f"{self.bootstrap}: something else listens there already")

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the broker was not started"
        return self._process

    def _end(self, number: int) -> None:
        process = self._running()
        os.kill(process.pid, number)
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, each another one."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
