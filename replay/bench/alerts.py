"""What subscribers of alerts cost `Decide`, and how long an alert takes to reach one.

A real server, an open-loop client in this process, the subscribers in another one; they share out the users.
Rounds without and with subscribers take turns, so that a machine that slows down slows both. All of it runs
on the same cores, so some of what the subscribers' own process takes is part of what is measured, although it
gives way to the server.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from alerting.alerts import AlertKind, alert_id
from alerting.decision import decision_id
from detectors.events import Payment
from flows.garbage import calm_garbage_collector
from flows.policy_file import default_policy_text
from replay.bench.open_loop import OpenLoop
from replay.gateway import GatewayClient
from replay.server_process import ServerProcess

RULE: Final = """
[[rules]]
id = "sampled"
when = "amount % 1 < {share}"
action = "STEP_UP"
"""
SETTLE_S: Final = 0.5


@dataclass(slots=True)
class AlertFigures:
    """Latencies in milliseconds; each a median over the rounds.

    Attributes
    ----------
    p99_change
        How much the 99th percentile of `Decide` moved with subscribers, as a share.
    cpu_without, cpu_with
        What the server takes, as a share of a core: less at the mercy of the machine than latencies are.
    to_subscriber_p50_ms, to_subscriber_p99_ms
        From the moment when the gateway had its answer until a subscriber had the alert.
    """

    rate_per_s: float = 0.0
    subscribers: int = 0
    alerts: int = 0
    p50_without_ms: float = 0.0
    p50_with_ms: float = 0.0
    p99_without_ms: float = 0.0
    p99_with_ms: float = 0.0
    p99_change: float = 0.0
    cpu_without: float = 0.0
    cpu_with: float = 0.0
    to_subscriber_p50_ms: float = 0.0
    to_subscriber_p99_ms: float = 0.0
    rounds: list[dict[str, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


def measure_alerts(
    payments: Sequence[Payment],
    rate: float,
    seconds: float,
    rounds: int,
    subscribers: int,
    warm_up: int,
    say: Callable[[str], None],
) -> AlertFigures:
    """Latency at ``rate`` with and without ``subscribers``, ``rounds`` of each, behind a warm-up."""
    figures = AlertFigures(rate, subscribers)
    count = int(rate * seconds)
    lags: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tapwatch-bench-") as name:
        folder = Path(name)
        policy = folder / "policy.toml"
        policy.write_text(default_policy_text() + RULE.format(share=0.05))
        with ServerProcess(folder / "data", ("--policy", str(policy))) as server:
            with GatewayClient(server.target) as client:
                for _ in client.decide_stream(payments[:warm_up]):
                    pass
            calm_garbage_collector()
            at = warm_up
            for number in range(rounds):
                row: dict[str, float] = {}
                with closing(_Gateway(server.target, seed=number)) as gateway:
                    row |= _round("without", gateway, server, payments[at : at + count], rate)
                    at += count
                    with _crowd(server.target, subscribers, folder / "came") as came:
                        row |= _round("with", gateway, server, payments[at : at + count], rate)
                        at += count
                        time.sleep(SETTLE_S)
                    lags += _lags(gateway.answered, came(), figures)
                figures.rounds.append(row)
                said = ", ".join(f"{key} {value:.2f}" for key, value in row.items())
                say(f"round {number + 1}: {said}")
    return _summed_up(figures, lags)


def payments_needed(rate: float, seconds: float, rounds: int, warm_up: int) -> int:
    """How many different payments a measurement sends."""
    return warm_up + 2 * rounds * int(rate * seconds)


class _Gateway(OpenLoop):
    """Notes when each step-up was answered, by the alert that it causes."""

    def __init__(self, target: str, seed: int) -> None:
        super().__init__(target, seed)
        self.answered: dict[str, float] = {}

    def run_timed(self, payments: Sequence[Payment], rate: float) -> tuple[float, float]:
        """The median and the 99th percentile of a run, in milliseconds."""
        self.answered = {}
        load = self.run(payments, rate, on_answer=lambda at: self._note(payments[at]))
        return load.percentile_ms(0.5), load.percentile_ms(0.99)

    def _note(self, payment: Payment) -> None:
        cause = decision_id(payment.tenant, payment.transaction_id)
        name = alert_id(AlertKind.STEP_UP_REQUEST, payment.tenant, payment.user_id, cause)
        self.answered[name] = time.monotonic()


@contextmanager
def _crowd(target: str, count: int, out: Path) -> Iterator[Callable[[], dict[str, float]]]:
    command = [sys.executable, "-m", "replay.bench.alert_crowd", target, str(count), str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()

    def came() -> dict[str, float]:
        lines = (line.split() for line in out.read_text(encoding="ascii").splitlines())
        return {name: float(at) for name, at in lines}

    try:
        yield came
    finally:
        process.stdin.write("\n")
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _lags(answered: dict[str, float], came: dict[str, float], figures: AlertFigures) -> list[float]:
    figures.alerts += len(came)
    return [(at - answered[name]) * 1e3 for name, at in came.items() if name in answered]


def _round(
    side: str, gateway: _Gateway, server: ServerProcess, payments: Sequence[Payment], rate: float
) -> dict[str, float]:
    cpu_s, begun = server.cpu_seconds(), time.monotonic()
    p50, p99 = gateway.run_timed(payments, rate)
    cpu = (server.cpu_seconds() - cpu_s) / (time.monotonic() - begun)
    return {f"p50_{side}_ms": p50, f"p99_{side}_ms": p99, f"cpu_{side}": cpu}


def _summed_up(figures: AlertFigures, lags: list[float]) -> AlertFigures:
    for name in figures.rounds[0]:
        setattr(figures, name, round(median(row[name] for row in figures.rounds), 2))
    figures.p99_change = round(figures.p99_with_ms / figures.p99_without_ms - 1.0, 3)
    if lags:
        lags.sort()
        figures.to_subscriber_p50_ms = round(lags[len(lags) // 2], 1)
        figures.to_subscriber_p99_ms = round(lags[int(0.99 * (len(lags) - 1))], 1)
    return figures
