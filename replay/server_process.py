"""A real `tapwatch serve` in a process of its own, for the demo, the benchmark and crash drills."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from replay.errors import ReplayError

_CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ServerStartError(ReplayError):
    """The server process did not come up; the message holds what it said."""


class ServerProcess:
    """A server on a free port; a context manager that drains it at the end.

    Parameters
    ----------
    data_dir
        Folder of the shard file; the same folder again continues the same log.
    arguments
        Further arguments of `tapwatch serve`.
    environment
        Settings, by the names of environment variables.
    """

    def __init__(
        self,
        data_dir: Path,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.operator_port = 0

    def start(self) -> Self:
        """Start the process; returns once it serves."""
        data_dir = str(self.data_dir)
        command = [sys.executable, "-m", "replay", "serve", "--data-dir", data_dir]
        command += ["--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", *self._arguments]
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("a", encoding="utf-8")
        with log:
            begins = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._end(signal.SIGTERM)
            said = Path(log.name).read_bytes()[begins:].decode("utf-8", "replace").strip()
            raise ServerStartError(f"the server ended with code {code} before it served; it said:\n{said}")
        ports = json.loads(line)
        self.port, self.operator_port = ports["port"], ports["operator_port"]
        return self

    @property
    def target(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

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
