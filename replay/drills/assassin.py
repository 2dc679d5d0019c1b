"""Kill -9 at random moments, and start again."""

import random
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from replay.server_process import ServerProcess

PATIENT: Final = {"TAPWATCH_EDGE__DEFAULT_DEADLINE_S": "60"}
"""No answer may be a fallback here: that would be another log, as it should be."""
Say = Callable[[str], None]
PAYMENTS_PER_KILL: Final = 20
"""With fewer, the server would be gone more than it is there."""
FEWEST_PAYMENTS: Final = 100


def payments_needed(kills: int) -> int:
    """How many payments a run with so many kills needs."""
    return max(FEWEST_PAYMENTS, kills * PAYMENTS_PER_KILL)


class Assassin(Thread):
    """Kills the server at random points of the run and starts it again."""

    def __init__(self, server: ServerProcess, kills: int, seed: int) -> None:
        super().__init__(name="assassin", daemon=True)
        chance = random.Random(seed)
        self._points = sorted(chance.uniform(0.02, 0.98) for _ in range(kills))
        self._server = server
        self._ended = Event()
        self._up = Event()
        self._up.set()
        self.progress = 0.0
        self.done = 0

    def run(self) -> None:
        """Kill when the run has come to each point."""
        for point in self._points:
            while self.progress < point:
                if self._ended.wait(0.0005):
                    return
            self._up.clear()
            self._server.kill()
            self._server.start()
            self.done += 1
            self._up.set()

    def wait_for_restart(self) -> None:
        """Return once a server is up."""
        time.sleep(0.01)
        self._up.wait()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join()
