"""Metrics of one engine, in the Prometheus text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from alerting.decision import Decision

_SCORE_BUCKETS = (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100)


class Metrics:
    """Counters of what the flow decided; gauges are asked for when somebody looks."""

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

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Export a value that ``read`` returns at each scrape."""
        Gauge(f"tapwatch_{name}", text, registry=self.registry).set_function(read)

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self._decisions.labels(decision.action, decision.source).inc()
        if decision.fallback_cause is not None:
            self._fallbacks.labels(decision.fallback_cause).inc()
        else:
            self._scores.observe(decision.score)

    def faulted(self) -> None:
        """Count one record that could not be applied."""
        self._faults.inc()

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
