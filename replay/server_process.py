"""Real `tapwatch` processes for the demo, benchmarks and drills: servers, and the ingest of input topics."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from replay.errors import ReplayError

_CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ServerStartError(ReplayError):
    """The server process did not come up; the message holds what it said."""


class TapwatchProcess:
    """A command that runs until it is told to end; a context manager that drains it at the end.

    It must print one line of JSON when it is up. What it logs is appended to the file ``log``.

    Parameters
    ----------
    arguments
        The command line behind `tapwatch`.
    environment
        Settings, by the names of environment variables.
    """

    def __init__(
        self, log: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self.up: dict[str, Any] = {}
        """What the process said when it was up."""

    def start(self) -> Self:
        """Start the process; returns once it is up.

        Raises
        ------
        ServerStartError
            When it ends before.
        """
        command = [sys.executable, "-m", "replay", *self._arguments]
        with self.log.open("a", encoding="utf-8") as log:
            begins = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._end(signal.SIGTERM)
            said = self.log.read_bytes()[begins:].decode("utf-8", "replace").strip()
            raise ServerStartError(f"the server ended with code {code} before it served; it said:\n{said}")
        self.up = json.loads(line)
        return self

    @property
    def operator_port(self) -> int:
        """The port of /livez, /readyz and /metrics."""
        return int(self.up["operator_port"])

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    def kill(self) -> None:
        """Pull the plug: SIGKILL, nothing is flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Drain with SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def stop_if_running(self) -> None:
        """Drain it unless it has ended; a paused one goes on first."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self.stop()

    def pause(self) -> None:
        """Freeze it with its children: nothing ends and nothing answers."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def kill_children(self) -> int:
        """SIGKILL to the processes that it has started; says how many there were."""
        children = self._pids()[1:]
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(children)

    def cpu_seconds(self) -> float:
        """User and system time that the server has used, its shard process included."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _CLOCK_TICKS

    def peak_memory_mb(self) -> float:
        """The most memory that the server's processes have held, added up."""
        lines = [
            line for pid in self._pids() for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [self.pid, *(int(pid) for file in children for pid in file.read_text().split())]

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the server was not started"
        return self._process

    def _end(self, number: int) -> int:
        process = self._running()
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ServerProcess(TapwatchProcess):
    """A server on a free port.

    Parameters
    ----------
    data_dir
        Folder of the shard file; the same folder again continues the same log.
    arguments
        Further arguments of `tapwatch serve`.
    """

    def __init__(
        self,
        data_dir: Path,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        addresses = ("--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
        command = ("serve", "--data-dir", str(data_dir), *addresses, *arguments)
        super().__init__(data_dir.parent / f"{data_dir.name}.log", command, environment)
        self.data_dir = data_dir

    @property
    def port(self) -> int:
        """The port of the gRPC services."""
        return int(self.up["port"])

    @property
    def target(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"
