"""The subscribers of the alerts drill: processes of theirs, some killed, and one that stands still."""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from alerting.alerts import BUCKETS
from replay.drills.alert_subscriber import Plan, arguments_of, read_journal
from replay.server_process import ServerProcess

HEARTBEAT_S: Final = 1.0
"""Of the subscriber that stands still."""


class Crowd(threading.Thread):
    """The processes of all subscribers; kills some of them at random points of the run."""

    def __init__(self, commands: Sequence[list[str]], mortal: int, kills: int, seed: int) -> None:
        super().__init__(name="crowd", daemon=True)
        self._commands = commands
        self._mortal = mortal
        chance = random.Random(seed)
        self._points = sorted(chance.uniform(0.02, 0.98) for _ in range(kills if mortal else 0))
        self._running = [subprocess.Popen(command) for command in commands]
        self._ended = threading.Event()
        self.progress = 0.0
        self.kills = 0

    def run(self) -> None:
        """Kill one process of mortals after the other when the run has come to each point."""
        for number, point in enumerate(self._points):
            while self.progress < point:
                if self._ended.wait(0.005):
                    return
            at = number % self._mortal
            self._running[at].kill()
            self._running[at].wait()
            self._running[at] = subprocess.Popen(self._commands[at])
            self.kills += 1

    def stop(self) -> None:
        """End them all."""
        self._ended.set()
        self.join()
        for process in self._running:
            process.kill()
            process.wait()


def silent_peer_noticed_s(server: ServerProcess, journals: Path) -> float:
    """After how long the server notices a subscriber that stands still while its connection is open."""
    plan = Plan("frozen", (0, BUCKETS), heartbeat_s=HEARTBEAT_S)
    before = _metric(server, "tapwatch_alert_peers_silent_total")
    process = subprocess.Popen(arguments_of([plan], server.target, journals))
    try:
        while not read_journal(plan.journal(journals)):
            time.sleep(0.05)  # it is connected once it has seen an alert
        process.send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        while _metric(server, "tapwatch_alert_peers_silent_total") <= before:
            if time.monotonic() > frozen + 20 * HEARTBEAT_S:
                break
            time.sleep(0.01)
        noticed_s = round(time.monotonic() - frozen, 2)
    finally:
        process.kill()
        process.wait()
    return noticed_s


def _metric(server: ServerProcess, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{server.operator_port}/metrics", timeout=10.0) as page:
        lines = page.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))
