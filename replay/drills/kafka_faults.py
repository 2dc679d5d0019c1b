"""What is done to a running engine on Kafka at random moments: processes killed or frozen, the broker too."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Event, Thread
from typing import Final

from replay.drills.assassin import Say
from replay.drills.kafka_rig import KafkaRig
from replay.server_process import ServerProcess

_RESTART_S: Final = 10.0


class Sabotage(StrEnum):
    """One kind of fault."""

    KILL = "server killed"  # the server, and its shard process with it
    KILL_CHILD = "shard process killed"  # the server starts it again
    BROKER = "broker killed"
    PAUSE = "server frozen"  # with its shard process; another takes over and it wakes up later


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what is done."""

    kills: int = 20
    broker_kills: int = 3
    pauses: int = 3
    pause_s: float = 30.0

    @property
    def count(self) -> int:
        """How many faults there are in all."""
        return self.kills + self.broker_kills + self.pauses

    @property
    def seconds(self) -> float:
        """About how long they take, one after the other."""
        return (self.kills + self.broker_kills) * _RESTART_S + self.pauses * (self.pause_s + _RESTART_S)

    def plan(self, seed: int) -> list[tuple[float, Sabotage]]:
        """Random moments of the run (0..1), each with its fault, in order."""
        chance = random.Random(seed)
        kinds = [chance.choice((Sabotage.KILL, Sabotage.KILL_CHILD)) for _ in range(self.kills)]
        kinds += [Sabotage.BROKER] * self.broker_kills + [Sabotage.PAUSE] * self.pauses
        chance.shuffle(kinds)
        return list(zip(sorted(chance.uniform(0.02, 0.95) for _ in kinds), kinds, strict=True))


class Saboteur(Thread):
    """Does all that is planned, each fault when the run has come so far; who was killed is started again.

    Parameters
    ----------
    progress
        How far the run is (0..1).
    """

    def __init__(
        self,
        rig: KafkaRig,
        servers: Sequence[ServerProcess],
        faults: Faults,
        seed: int,
        progress: Callable[[], float],
        say: Say = lambda _: None,
    ) -> None:
        super().__init__(name="saboteur", daemon=True)
        self._rig = rig
        self._servers = servers
        self._faults = faults
        self._plan = faults.plan(seed)
        self._chance = random.Random(seed + 1)
        self._progress = progress
        self._say = say
        self._ended = Event()
        self.done: Counter[str] = Counter()
        self.error: Exception | None = None

    def run(self) -> None:
        """Do each fault in its turn."""
        try:
            for point, kind in self._plan:
                while not self._ended.is_set() and self._progress() < point:
                    self._ended.wait(0.002)
                if self._ended.is_set():
                    return
                begun = time.monotonic()
                self._do(kind)
                self.done[kind] += 1
                self._say(f"{point:.0%}: {kind}, {time.monotonic() - begun:.1f} s")
        except Exception as error:  # noqa: BLE001  (the edge of the thread; the drill raises it)
            self.error = error

    def _do(self, kind: Sabotage) -> None:
        victim = self._chance.choice(self._servers)
        if kind is Sabotage.KILL:
            victim.kill()
            victim.start()
        elif kind is Sabotage.KILL_CHILD:
            victim.kill_children()
        elif kind is Sabotage.PAUSE:
            victim.pause()
            self._ended.wait(self._faults.pause_s)
            victim.resume()
        elif self._rig.broker is not None:
            self._rig.broker.kill()
            self._rig.broker.start()

    def stop(self) -> None:
        """End the thread; raises what went wrong in it."""
        self._ended.set()
        self.join()
        if self.error is not None:
            raise self.error
