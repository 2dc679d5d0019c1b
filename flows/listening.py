"""Reading a line to a shard process: on a thread that waits, or on an event loop that is lent for it."""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from alerting.engine import Loop
from flows.frames import Frame, Line

_log = structlog.get_logger(__name__)
_LOOK_UP_S: Final = 0.05
"""How soon a waiting thread sees that a loop was lent."""


class Listener:
    """Hands what comes on a line to ``hear``.

    An answer that arrives on the loop which waits for it need not change threads: that costs as much as the
    decision. So the edge lends its loop while it serves.
    """

    def __init__(self, hear: Callable[[Frame], None]) -> None:
        self._hear = hear
        self._lent: _Lent | None = None

    def listen(self, line: Line) -> None:
        """Read ``line`` until it ends; for the one thread that looks after it."""
        while not line.closed:
            lent = self._lent
            if lent is not None and not lent.over:
                lent.read(line)
            else:
                self._hear_all(line.receive(_LOOK_UP_S))

    def lend(self, loop: Loop) -> None:
        """Read on ``loop`` from now on."""
        self._lent = _Lent(loop, self._hear_all)

    def take_back(self) -> None:
        """Read on the thread again; to be called on the loop that was lent."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.end()

    def _hear_all(self, frames: list[Frame]) -> None:
        for came in frames:
            try:
                self._hear(came)
            except Exception as error:  # noqa: BLE001  # one bad answer must not cost the others theirs
                _log.error("answer_not_heard", kind=came.kind, ticket=came.ticket, error=repr(error))


class _Lent:
    def __init__(self, loop: Loop, hear_all: Callable[[list[Frame]], None]) -> None:
        self._loop = loop
        self._hear_all = hear_all
        self._line: Line | None = None
        self._done = threading.Event()
        self.over = False

    def read(self, line: Line) -> None:
        """Wait until the loop has read all of ``line``, or is taken back."""
        self._done = done = threading.Event()
        if self.over:  # looked at behind the new event: whoever ends it from now on sets this one
            return
        try:
            self._loop.call_soon_threadsafe(self._start, line)
        except RuntimeError:  # the loop is closed
            self.over = True
            return
        done.wait()

    def end(self) -> None:
        """Let go of the loop."""
        self.over = True
        self._let_go()

    def _start(self, line: Line) -> None:
        if not self.over:
            self._line = line
            self._loop.add_reader(line.fileno(), self._read, line)

    def _read(self, line: Line) -> None:
        self._hear_all(line.receive_now())
        if line.closed:
            self._let_go()

    def _let_go(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._loop.remove_reader(line.fileno())
        self._done.set()
