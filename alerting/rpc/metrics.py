"""Counts and times every call, for Prometheus."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerting.rpc.errors import LIMITS, LimitError

_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class CallMetrics:
    """Counts calls by method and status, and times those that are no streams; says what is open."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("tapwatch_rpc", "Calls answered.", ("method", "code"), registry=registry)
        self._times = Histogram(
            "tapwatch_rpc_seconds",
            "Time from reading the request until its reply.",
            ("method",),
            registry=registry,
            buckets=_BOUNDS_S,
        )

        self._calls_open = Gauge("tapwatch_rpc_calls_open", "Calls open now.", registry=registry)
        self._streams_open = Gauge(
            "tapwatch_rpc_streams_open",
            "Streams open now: of payments and events, of subscribers, or of tools (health, reflection).",
            ("kind",),
            registry=registry,
        )
        self._limits = Counter(
            "tapwatch_rpc_limit",
            "Calls refused or ended because a limit was reached, by the name of its setting.",
            ("limit",),
            registry=registry,
        )
        for limit in LIMITS:
            self._limits.labels(limit)

    def watch(
        self,
        calls: Callable[[], float],
        streams: Callable[[], float],
        subscribers: Callable[[], float],
        tools: Callable[[], float],
    ) -> None:
        """Ask these, whenever the metrics are read, how many are open."""
        self._calls_open.set_function(calls)
        self._streams_open.labels("service").set_function(streams)
        self._streams_open.labels("subscriber").set_function(subscribers)
        self._streams_open.labels("tool").set_function(tools)

    def count_limit(self, error: Exception) -> None:
        """Count ``error`` if it tells of a limit."""
        if isinstance(error, LimitError):
            self._limits.labels(error.limit).inc()

    def count_of(self, method: str, code: str) -> Counter:
        """The counter of the method's calls that ended with ``code``."""
        return self._calls.labels(method, code)

    def times_of(self, method: str) -> Histogram:
        """The times of the method's calls."""
        return self._times.labels(method)
