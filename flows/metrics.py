"""Metrics of one engine, in the Prometheus text format."""

import platform
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from alerting.decision import Decision

_SCORE_BUCKETS = (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100)


class Metrics:
    """Counters of what the flow decided; other values are asked for when somebody looks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decisions = Counter(
            "tapwatch_decisions",
            "Decisions by action and source.",
            ["action", "source"],
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "tapwatch_fallbacks", "Fallback answers by cause.", ["cause"], registry=self.registry
        )
        self._faults = Counter(
            "tapwatch_record_faults", "Log records that could not be applied.", registry=self.registry
        )
        self._scores = Histogram(
            "tapwatch_score", "Scores of engine decisions.", buckets=_SCORE_BUCKETS, registry=self.registry
        )
        build = Gauge(
            "tapwatch_build_info", "What runs: always 1.", ["version", "python"], registry=self.registry
        )
        build.labels(version("tapwatch"), platform.python_version()).set(1)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Export a value that ``read`` returns at each scrape."""
        Gauge(f"tapwatch_{name}", text, registry=self.registry).set_function(read)

    def gauges(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Export a value for each of what ``read`` returns at each scrape, by the value of ``label``."""

        def family() -> Metric:
            found = GaugeMetricFamily(f"tapwatch_{name}", text, labels=[label])
            for value, number in read().items():
                found.add_metric([value], number)
            return found

        self.registry.register(_Asked(family))

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Export a count that only grows; ``read`` returns it at each scrape."""
        self.registry.register(_Asked(lambda: CounterMetricFamily(f"tapwatch_{name}", text, value=read())))

    def state(self, name: str, text: str, kind: type[StrEnum], read: Callable[[], StrEnum]) -> None:
        """Export which of the values of ``kind`` holds: one series for each, 1 for the one that does."""

        def states() -> Metric:
            now = read()
            return StateSetMetricFamily(f"tapwatch_{name}", text, {each.value: each is now for each in kind})

        self.registry.register(_Asked(states))

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self._decisions.labels(decision.action, decision.source).inc()
        if decision.fallback_cause is not None:
            self._fallbacks.labels(decision.fallback_cause).inc()
        else:
            self._scores.observe(decision.score)

    def faulted(self, records: int) -> None:
        """Count records that could not be applied."""
        self._faults.inc(records)

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)


class _Asked(Collector):
    def __init__(self, ask: Callable[[], Metric]) -> None:
        self._ask = ask

    @override
    def collect(self) -> Iterator[Metric]:
        yield self._ask()
