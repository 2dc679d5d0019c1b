"""The shard process watched over: started, heard, started again when it dies, ended."""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from alerting.engine import Loop
from flows.frames import Frame, Kind, Line
from flows.listening import Listener
from flows.shard_process import ShardStart
from flows.sqlite_shard import ShardFileError

RESTART_WAIT_S: Final = (0.0, 0.1, 0.5, 2.0, 5.0)
CALM_S: Final = 30.0
"""A shard process that lived so long is started again at once."""
STOP_PATIENCE_S: Final = 20.0

_log = structlog.get_logger(__name__)


class Running(Protocol):
    """A shard process, or what stands for one."""

    def wait(self) -> int:
        """Wait for its end; gives its exit code."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


Spawn = Callable[[ShardStart], tuple[Line, Running]]


class Supervisor:
    """Keeps a shard process running, on a thread of its own.

    Parameters
    ----------
    spawn
        Starts a process.
    shard_start
        What a process is told; asked with True when one has run before.
    opened
        Called when a process has opened the shard: it takes requests from now on.
    hear
        Called with its answers and figures.
    ended
        Called when it is gone; another one follows, unless all is to end.
    """

    def __init__(
        self,
        spawn: Spawn,
        shard_start: Callable[[bool], ShardStart],
        opened: Callable[[Line], None],
        hear: Callable[[Frame], None],
        ended: Callable[[], None],
    ) -> None:
        self._spawn = spawn
        self._shard_start = shard_start
        self._tell_opened = opened
        self._tell_ended = ended
        self._hear_other = hear
        self._listener = Listener(self._hear)
        self._line: Line
        self._running: Running
        self._refused: str | None = None
        self._opened = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="shard-line")
        self.restarts = 0

    def start(self) -> None:
        """Start the first process; returns once it has opened the shard.

        Raises
        ------
        ShardFileError
            When the shard file can't be used.
        """
        self._thread.start()
        self._opened.wait()
        if self._refused is not None:
            self._thread.join()
            raise ShardFileError(self._refused)

    def stop(self) -> None:
        """Wait for the process to end, which its keeper has asked for; one that stands still is killed."""
        self._stopping.set()
        self._thread.join(STOP_PATIENCE_S)
        if self._thread.is_alive():
            _log.error("shard_process_killed", reason=f"it did not end within {STOP_PATIENCE_S:.0f} s")
            self._running.kill()
            self._thread.join()

    def lend(self, loop: Loop) -> None:
        """Hear the process on ``loop`` from now on."""
        self._listener.lend(loop)

    def take_back(self) -> None:
        """Hear it on the supervisor's thread again; called on the loop."""
        self._listener.take_back()

    def _supervise(self) -> None:
        failures = 0
        while True:
            begun = time.monotonic()
            code = self._converse()
            if not self._opened.is_set():
                self._refused = self._refused or f"the shard process ended with code {code}; its log says why"
                self._opened.set()
                return
            if self._stopping.is_set() and code == 0:
                return
            _log.error("shard_process_ended", exit_code=code, restarts=self.restarts)
            failures = 0 if time.monotonic() - begun > CALM_S else failures
            wait_s = RESTART_WAIT_S[min(failures, len(RESTART_WAIT_S) - 1)]
            failures += 1
            self.restarts += 1
            if self._stopping.wait(wait_s):
                return

    def _converse(self) -> int:
        """Start a process and hear it until it ends; gives its exit code."""
        try:
            self._line, self._running = self._spawn(self._shard_start(self.restarts > 0))
        except OSError as error:
            _log.error("shard_process_not_started", reason=str(error))
            return -1
        self._listener.listen(self._line)
        self._tell_ended()
        self._line.close()
        return self._running.wait()

    def _hear(self, came: Frame) -> None:
        if came.kind == Kind.OPENED:
            self._tell_opened(self._line)
            self._opened.set()
        elif came.kind == Kind.REFUSED:
            self._refuse(came.body.decode())
        else:
            self._hear_other(came)

    def _refuse(self, reason: str) -> None:
        """The shard file can't be used: at the start that is for the caller, later for the log."""
        if not self._opened.is_set():
            self._refused = reason
        else:
            _log.error("shard_file_refused", reason=reason)
