"""What Kafka carries: events per second through ingest, decision and publication, and inline latency.

Broker, ingest, servers and client share the machine: what more processes bring depends on the cores left.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from detectors.events import Payment
from flows.broker.destination import Destination
from flows.broker.params import KafkaParams
from flows.broker.read_topic import read_topic
from flows.broker.topic_specs import DECISIONS, SHARD_LOG
from flows.codec import Event
from flows.garbage import calm_garbage_collector
from replay.bench.open_loop import Load, OpenLoop
from replay.drills.kafka_rig import KafkaRig
from replay.send import send_events
from replay.server_process import ServerProcess

SHARDS: Final = 4
WARM_UP_S: Final = 10.0
"""How long the same load is carried before it is measured: a broker that has just begun compiles its code."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast events that had piled up were worked off.

    ``ingested_per_s`` is for the first leg alone, from the input topic into the shard logs, which runs beside
    the others: where it is no more than ``events_per_s``, more servers bring nothing.
    """

    processes: int
    events: int
    decisions: int
    seconds: float
    ingested_per_s: float
    events_per_s: float

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Latency:
    """Inline latency in milliseconds, counted from when a request was due."""

    processes: int
    rate_per_s: float
    answered_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    fallbacks: int
    errors: int

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


Row = Throughput | Latency


def payments_needed(rate_per_s: float, seconds: float) -> int:
    """How many different payments :func:`measure_latency` sends to the servers of one run."""
    return int(rate_per_s * WARM_UP_S) + int(rate_per_s * seconds)


def measure_throughput(
    events: Sequence[Event],
    processes: Sequence[int],
    bootstrap: str | None,
    report: Callable[[Throughput], None],
) -> list[Throughput]:
    """Work off ``events`` that wait in the input topic, by one ingest and so many servers."""
    found = []
    with _rig(bootstrap) as rig:
        for count in processes:
            params, servers = _start(rig, count)
            send_events(events, params, Destination.EVENTS)
            with rig.ingest(params):
                rig.wait_until_idle(params)
            for server in servers:
                server.stop()
            found.append(_throughput(params, count, len(events)))
            report(found[-1])
    return found


@contextmanager
def _rig(bootstrap: str | None) -> Iterator[KafkaRig]:
    with (
        tempfile.TemporaryDirectory(prefix="tapwatch-bench-") as folder,
        KafkaRig(Path(folder), bootstrap) as rig,
    ):
        yield rig


def _start(rig: KafkaRig, processes: int) -> tuple[KafkaParams, list[ServerProcess]]:
    params = rig.lay_out(SHARDS)
    servers = [rig.server(params, f"process-{number}") for number in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(ServerProcess.start, servers))
    rig.wait_until_shared_out(params, processes)
    return params, servers


def _throughput(params: KafkaParams, processes: int, events: int) -> Throughput:
    # The brokers' own times, so that neither start nor end of a process counts.
    out = [record.timestamp_ms for record in read_topic(params, DECISIONS)]
    logged = [record.timestamp_ms for record in read_topic(params, SHARD_LOG)]
    begun = sorted(logged)[SHARDS]  # behind the policy that each log begins with
    seconds, ingesting = (max(out) - begun) / 1_000, (max(logged) - begun) / 1_000
    return Throughput(
        processes=processes,
        events=events,
        decisions=len(out),
        seconds=round(seconds, 2),
        ingested_per_s=round(events / ingesting, 1),
        events_per_s=round(events / seconds, 1),
    )


def measure_latency(
    payments: Sequence[Payment],
    processes: Sequence[int],
    rate_per_s: float,
    seconds: float,
    bootstrap: str | None,
    report: Callable[[Latency], None],
) -> list[Latency]:
    """Latency of Decide at the first of so many servers; what the others own is asked for over the log."""
    found = []
    with _rig(bootstrap) as rig:
        for count in processes:
            _, servers = _start(rig, count)
            left = iter(payments)
            # The client's own collections would count as latency.
            calm_garbage_collector()
            with closing(OpenLoop(servers[0].target)) as loop:
                loop.run(list(islice(left, int(rate_per_s * WARM_UP_S))), rate_per_s)
                load = loop.run(list(islice(left, int(rate_per_s * seconds))), rate_per_s)
            for server in servers:
                server.stop()
            found.append(_latency(load, count))
            report(found[-1])
    return found


def _latency(load: Load, processes: int) -> Latency:
    fallbacks = sum(count for source, count in load.sources.items() if source.startswith("FALLBACK"))
    p50, p95, p99, longest = (round(load.percentile_ms(share), 2) for share in (0.5, 0.95, 0.99, 1.0))
    return Latency(
        processes=processes,
        rate_per_s=load.rate_per_s,
        answered_per_s=round(load.answered_per_s, 1),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=longest,
        fallbacks=fallbacks,
        errors=sum(load.errors.values()),
    )
