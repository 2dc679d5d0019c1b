"""What the ingest flow has done so far, for its log and for /metrics."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override


@dataclass(slots=True)
class Lag:
    """How far behind: records that are not read yet, and how long the last one read had waited."""

    records: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Counts:
    """Written by the flow's thread, read by any."""

    accepted: Counter[str] = field(default_factory=Counter)
    """Events by input topic."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Refused records by input topic and trouble."""
    written: int = 0
    """Records in shard logs: an event that all shards get counts once for each."""
    alarms: int = 0
    lag: Lag = field(default_factory=Lag)

    @property
    def read(self) -> int:
        """All records that were read; those of the last batch may still be on their way."""
        return self.accepted.total() + self.refused.total()


class IngestMetrics(Collector):
    """The counts as metrics in the Prometheus text format."""

    def __init__(self, counts: Counts, bad_run: Callable[[], int]) -> None:
        self._counts = counts
        self._bad_run = bad_run
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)

    @override
    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        accepted = CounterMetricFamily(
            "tapwatch_ingest_accepted", "Events written into shard logs.", labels=["topic"]
        )
        for topic, count in list(counts.accepted.items()):
            accepted.add_metric([topic], count)
        yield accepted
        refused = CounterMetricFamily(
            "tapwatch_ingest_refused", "Records that became dead letters.", labels=["topic", "error"]
        )
        for labels, count in list(counts.refused.items()):
            refused.add_metric(list(labels), count)
        yield refused
        yield CounterMetricFamily(
            "tapwatch_ingest_written", "Records in shard logs.", value=float(counts.written)
        )
        yield CounterMetricFamily(
            "tapwatch_ingest_bad_run_alarms",
            "Times that too many bad records came in a row.",
            value=counts.alarms,
        )
        yield GaugeMetricFamily(
            "tapwatch_ingest_bad_run",
            "Bad records in a row now, on the worst partition.",
            value=self._bad_run(),
        )
        yield GaugeMetricFamily(
            "tapwatch_ingest_lag_records", "Records that are not read yet.", value=counts.lag.records
        )
        yield GaugeMetricFamily(
            "tapwatch_ingest_lag_seconds",
            "How long the last record waited to be read.",
            value=counts.lag.seconds,
        )
