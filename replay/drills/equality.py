"""Replay equals live: one digest for every way to decide the same stream."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectors.events import Payment
from flows.codec import Event
from flows.policy_file import default_policy_text
from replay.diff import diff_runs
from replay.drills.assassin import PATIENT, Assassin, Say, payments_needed
from replay.drills.needs import require_payments
from replay.gateway import GatewayClient, GatewayError
from replay.ledger import decisions_in
from replay.play import PLAYED, Played, play
from replay.record import record
from replay.run import ReplayParams, replay
from replay.server_process import ServerProcess
from replay.streams import StreamWriter


@dataclass(slots=True)
class EqualityReport:
    """The digests (decisions, alerts) of each way, and how many kills the live run survived."""

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

    Each live run is recorded and the recording replayed, which must give what the server kept, too.

    Raises
    ------
    TooFewPaymentsError
        When so many kills would leave no server to ask.
    """
    report = EqualityReport()
    sent = [event for event in events if isinstance(event, PLAYED)]
    require_payments("equality", sum(isinstance(event, Payment) for event in sent), payments_needed(kills))
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
        with decisions_in(data) as served:
            if not diff_runs(served, folder / f"recorded-{planned}").identical:
                report.problems.append(f"{name}: what was served and kept differs from its replay")
    del report.problems[10:]
    if len(set(report.digests.values())) != 1:
        report.problems.append("the digests differ")
    return report


def _replay(stream: Path, out: Path, batch_size: int) -> str:
    params = ReplayParams(default_policy_text(), batch_size=batch_size)
    summary = replay([stream], out, params)
    return f"{summary['decisions_sha256']}/{summary['alerts_sha256']}"


def _serve(events: Sequence[Event], data: Path, kills: int, seed: int, problems: list[str]) -> int:
    """Send ``events`` in order to a server that is killed ``kills`` times; returns how often it was."""
    server = ServerProcess(data, environment=PATIENT)
    server.start()
    assassin = Assassin(server, kills, seed)
    assassin.start()
    try:
        _send_all(events, server, assassin, problems)
    finally:
        assassin.stop()
        server.stop()
    return assassin.done


def _send_all(
    events: Sequence[Event], server: ServerProcess, assassin: Assassin, problems: list[str]
) -> None:
    at, played = 0, Played()
    while at < len(events):
        with GatewayClient(server.target) as client:
            try:
                for answered in play(client, events[at:], played):
                    at += answered
                    assassin.progress = at / len(events)
            except GatewayError:
                pass  # the server died: what has no answer is sent again to the next one
        if at < len(events):
            assassin.wait_for_restart()
    problems += played.problems
    if played.fallbacks:
        problems.append(f"{played.fallbacks} answers came from the fallback")
