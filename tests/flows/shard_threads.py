"""A shard process on a thread of the test's own, so that a test can reach into its flow."""

import contextlib
import socket
import threading
from collections.abc import Callable

from flows.frames import Line
from flows.shard_process import ShardStart, run_shard
from flows.supervision import Running, Spawn


class _Thread(threading.Thread):
    def __init__(self, line: Line, start: ShardStart, before_batch: Callable[[int], None] | None) -> None:
        super().__init__(name="shard-flow")
        self._line, self._start_with, self._before_batch = line, start, before_batch
        self.code = 3

    def run(self) -> None:
        with contextlib.suppress(BaseException):
            run_shard(self._line, self._start_with, self._before_batch)
            self.code = 0
        self._line.close()

    def kill(self) -> None:
        raise AssertionError("a thread can't be killed")

    def wait(self) -> int:
        self.join()
        return self.code


def on_threads(before_batch: Callable[[int], None] | None = None) -> Spawn:
    def spawn(start: ShardStart) -> tuple[Line, Running]:
        ours, theirs = socket.socketpair()
        thread = _Thread(Line(theirs), start, before_batch)
        thread.start()
        return Line(ours), thread

    return spawn
