"""Inline latency: a real server process, an open-loop client in this one, several rates.

Beside each figure stands its floor: the same client and rate against a gRPC server that answers with nothing.
Machines differ and days differ; what the engine adds is the distance between the two.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detectors.events import Payment
from flows.garbage import calm_garbage_collector
from replay.bench.open_loop import Load, OpenLoop, OpenStream
from replay.gateway import GatewayClient
from replay.server_process import ServerProcess


@dataclass(frozen=True, slots=True)
class Row:
    """One rate's figures; latencies in milliseconds, CPU as a share of one core."""

    rate_per_s: float
    answered_per_s: float
    floor_p50_ms: float
    floor_p99_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float
    fallbacks: int
    errors: int
    server_cpu: float
    server_peak_mb: float

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values."""
        return asdict(self)


def measure_inline(
    payments: Sequence[Payment],
    rates: Sequence[float],
    seconds: float,
    warm_up: int,
    report: Callable[[Row], None],
    *,
    stream: bool = False,
) -> list[Row]:
    """Latency at each of ``rates`` for ``seconds``, behind ``warm_up`` payments that build profiles.

    With ``stream`` all payments go through one `DecideStream` instead of a `Decide` each.
    """
    kind = OpenStream if stream else OpenLoop
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="tapwatch-bench-") as folder,
        ServerProcess(Path(folder) / "data") as server,
        closing(kind(server.target)) as loop,
        _echo_server() as echo_target,
        closing(kind(echo_target)) as echo,
    ):
        with GatewayClient(server.target) as client:
            for _ in client.decide_stream(payments[:warm_up]):
                pass
        at = warm_up
        # The client's own collections would count as latency.
        calm_garbage_collector()
        for rate in rates:
            count = int(rate * seconds)
            floor = echo.run(payments[at : at + count // 3], rate, read=False)
            cpu = server.cpu_seconds()
            load = loop.run(payments[at : at + count], rate)
            at += count
            rows.append(_row(load, floor, server.cpu_seconds() - cpu, server.peak_memory_mb()))
            report(rows[-1])
    return rows


def payments_needed(rates: Sequence[float], seconds: float, warm_up: int) -> int:
    """How many different payments a measurement sends."""
    return warm_up + sum(int(rate * seconds) for rate in rates)


@contextmanager
def _echo_server() -> Iterator[str]:
    command = [sys.executable, "-m", "replay.bench.echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


def _row(load: Load, floor: Load, cpu_seconds: float, peak_mb: float) -> Row:
    fallbacks = sum(count for source, count in load.sources.items() if source.startswith("FALLBACK"))
    p50, p95, p99, p999, longest = (load.percentile_ms(s) for s in (0.5, 0.95, 0.99, 0.999, 1.0))
    return Row(
        rate_per_s=load.rate_per_s,
        answered_per_s=round(load.answered_per_s, 1),
        floor_p50_ms=round(floor.percentile_ms(0.5), 2),
        floor_p99_ms=round(floor.percentile_ms(0.99), 2),
        p50_ms=round(p50, 2),
        p95_ms=round(p95, 2),
        p99_ms=round(p99, 2),
        p99_9_ms=round(p999, 2),
        max_ms=round(longest, 2),
        fallbacks=fallbacks,
        errors=sum(load.errors.values()),
        server_cpu=round(cpu_seconds / load.seconds, 2),
        server_peak_mb=round(peak_mb, 1),
    )
