"""Deadline: a flow that stands still and three times too many requests; every request answered in time."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from detectors.events import Payment
from replay.bench.open_loop import Load, OpenLoop
from replay.drills.assassin import Say
from replay.drills.needs import require_payments
from replay.server_process import ServerProcess

DEADLINE_S: Final = 0.1
GRACE_MS: Final = 10.0
"""An answer may be this late at p99.9: the way back and the client's own scheduling."""
SHORTEST_S: Final = 6.0
"""Below this, a scenario sees its warm-up and no stall."""


@dataclass(slots=True)
class DeadlineReport:
    """What each scenario saw."""

    scenarios: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {"scenarios": self.scenarios, "problems": self.problems}


def deadline_drill(
    payments: Sequence[Payment],
    folder: Path,
    rate_per_s: float = 300.0,
    seconds: float = 12.0,
    slow_ms: float = 5.0,
    say: Say = lambda _: None,
) -> DeadlineReport:
    """Send at a fixed rate while the flow stalls, then at three times what a slowed flow can take.

    In each scenario every request must have an answer within its deadline and ten milliseconds at p99.9,
    each late one a labelled fallback, and health must say what goes on. With fewer payments than ``seconds``
    ask for, the scenarios are shorter.

    Raises
    ------
    TooFewPaymentsError
        When they would be too short to show anything.
    """
    report = DeadlineReport()
    rate = 3.0 * 1_000.0 / slow_ms
    require_payments("deadline", len(payments), ceil((rate_per_s + rate) * SHORTEST_S))
    seconds = min(seconds, len(payments) / (rate_per_s + rate))
    count = int(rate_per_s * seconds)
    stalled = ("--drill-stall", "0.5/4")
    _scenario("500 ms stall", payments[:count], folder / "stall", rate_per_s, stalled, report, say)
    rest = payments[count : count + int(rate * seconds)]
    slowed = ("--drill-slow-ms", str(slow_ms))
    _scenario("3x overload", rest, folder / "overload", rate, slowed, report, say)
    return report


def _scenario(
    name: str,
    payments: Sequence[Payment],
    data: Path,
    rate_per_s: float,
    arguments: tuple[str, ...],
    report: DeadlineReport,
    say: Say,
) -> None:
    # The first second only warms the process up; it is not judged.
    with (
        ServerProcess(data, arguments) as server,
        closing(OpenLoop(server.target)) as loop,
        _HealthWatch(server.operator_port) as watch,
    ):
        warm_up = int(rate_per_s)
        loop.run(payments[:warm_up], rate_per_s, timeout_s=DEADLINE_S * 5)
        load = loop.run(payments[warm_up:], rate_per_s, timeout_s=DEADLINE_S * 5)
        peak_mb = server.peak_memory_mb()
    seen = sorted(watch.seen)
    figures = _figures(load, peak_mb, seen)
    report.scenarios[name] = figures
    say(f"{name}: {json.dumps(figures)}")
    limit = DEADLINE_S * 1_000 + GRACE_MS
    if load.errors:
        report.problems.append(f"{name}: requests without an answer: {load.errors}")
    if load.percentile_ms(0.999) > limit:
        report.problems.append(f"{name}: p99.9 is {load.percentile_ms(0.999):.1f} ms, over {limit:g} ms")
    if not any(source.startswith("FALLBACK") for source in load.sources):
        report.problems.append(f"{name}: no fallback was needed, so nothing was tested")
    if "DEGRADED" not in seen:
        report.problems.append(f"{name}: health never said DEGRADED, only {seen}")


def _figures(load: Load, peak_mb: float, health: Sequence[str]) -> dict[str, Any]:
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p99_9_ms": 0.999, "max_ms": 1.0}
    return {
        "rate_per_s": load.rate_per_s,
        "answered": len(load.latencies_ms),
        **{name: round(load.percentile_ms(share), 1) for name, share in shares.items()},
        "sources": load.sources,
        "errors": load.errors,
        "server_peak_mb": round(peak_mb, 1),
        "health": list(health),
    }


class _HealthWatch:
    """Asks the operator endpoint for the server's health all the while."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/readyz"
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.seen: set[str] = set()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self.seen.add(_health(self._url))

    def __enter__(self) -> "_HealthWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _health(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5.0) as reply:
            return str(json.load(reply)["health"])
    except urllib.error.HTTPError as error:  # who is not ready says so with another status
        with error:
            return str(json.load(error)["health"])
