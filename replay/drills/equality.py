"""Replay equals live: one digest for every way to decide the same stream."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

from detectors.events import Outcome, Payment
from flows.codec import Event
from flows.policy_file import default_policy_text
from replay.gateway import GatewayClient, GatewayError, RpcProblem
from replay.record import record
from replay.run import ReplayParams, replay
from replay.server_process import ServerProcess
from replay.streams import StreamWriter

PATIENT: Final = {"TAPWATCH_EDGE__DEFAULT_DEADLINE_S": "60"}
"""No answer may be a fallback here: that would be another log, as it should be."""
Say = Callable[[str], None]


@dataclass(slots=True)
class EqualityReport:
    """The digest of each way, and how many kills the live run survived."""

    digests: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {"digests": self.digests, "kills": self.kills, "problems": self.problems}


def equality_drill(
    events: Sequence[Event], folder: Path, kills: int = 20, seed: int = 1, say: Say = lambda _: None
) -> EqualityReport:
    """Decide ``events`` by replay at three batch sizes, live, and live under ``kills`` times kill -9.

    Only payments and outcomes are sent; each live run is recorded and the recording replayed.
    """
    report = EqualityReport()
    sent = [event for event in events if isinstance(event, Payment | Outcome)]
    stream = folder / "sent.jsonl"
    with StreamWriter(stream) as writer:
        for event in sent:
            writer.write(event)
    for batch_size in (1, 16, 256):
        name = f"replay at batch {batch_size}"
        report.digests[name] = _replay(stream, folder / f"batch-{batch_size}", batch_size)
        say(f"{name}: {report.digests[name]}")
    for name, planned in (("live", 0), (f"live, {kills} times kill -9", kills)):
        data = folder / f"data-{planned}"
        report.kills += _serve(sent, data, planned, seed, report.problems)
        recording = folder / f"recorded-{planned}.jsonl.zst"
        record(data, recording)
        report.digests[name] = _replay(recording, folder / f"recorded-{planned}", 256)
        say(f"{name}: {report.digests[name]}")
    if len(set(report.digests.values())) != 1:
        report.problems.append("the digests differ")
    return report


def _replay(stream: Path, out: Path, batch_size: int) -> str:
    params = ReplayParams(default_policy_text(), batch_size=batch_size)
    return str(replay([stream], out, params)["decisions_sha256"])


def _serve(events: Sequence[Event], data: Path, kills: int, seed: int, problems: list[str]) -> int:
    """Send ``events`` in order to a server that is killed ``kills`` times; returns how often it was."""
    server = ServerProcess(data, environment=PATIENT)
    server.start()
    assassin = _Assassin(server, kills, seed)
    assassin.start()
    try:
        _send_all(events, server, assassin, problems)
    finally:
        assassin.stop()
        server.stop()
    return assassin.done


def _send_all(
    events: Sequence[Event], server: ServerProcess, assassin: "_Assassin", problems: list[str]
) -> None:
    at = 0
    while at < len(events):
        with GatewayClient(server.target) as client:
            try:
                for answered in _send(client, events[at:], problems):
                    at += answered
                    assassin.progress = at / len(events)
            except GatewayError:
                pass  # the server died: what has no answer is sent again to the next one
        if at < len(events):
            assassin.wait_for_restart()


def _send(client: GatewayClient, events: Sequence[Event], problems: list[str]) -> Iterator[int]:
    """Send in order, payments pipelined; yields how many more events are done."""
    for is_payment, group in groupby(events, key=lambda event: isinstance(event, Payment)):
        if is_payment:
            for answer in client.decide_stream(event for event in group if isinstance(event, Payment)):
                if isinstance(answer, RpcProblem):
                    problems.append(f"{answer.code} {answer.message}")
                elif answer.fallback_cause is not None:
                    problems.append(f"{answer.transaction_id}: fallback, {answer.fallback_cause}")
                yield 1
        else:
            for event in group:
                if isinstance(event, Outcome):
                    client.report_outcome(event)
                yield 1


class _Assassin(Thread):
    """Kills the server at random points of the run and starts it again."""

    def __init__(self, server: ServerProcess, kills: int, seed: int) -> None:
        super().__init__(name="assassin", daemon=True)
        chance = random.Random(seed)
        self._points = sorted(chance.uniform(0.02, 0.98) for _ in range(kills))
        self._server = server
        self._ended = Flag()
        self._up = Flag()
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
