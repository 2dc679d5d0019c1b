"""Counts and times every call, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class CallMetrics:
    """Counts calls by method and status, and times those that are no streams."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("tapwatch_rpc", "Calls answered.", ("method", "code"), registry=registry)
        self._times = Histogram(
            "tapwatch_rpc_seconds",
            "Time from reading the request until its reply.",
            ("method",),
            registry=registry,
            buckets=_BOUNDS_S,
        )

    def count_of(self, method: str, code: str) -> Counter:
        """The counter of the method's calls that ended with ``code``."""
        return self._calls.labels(method, code)

    def times_of(self, method: str) -> Histogram:
        """The times of the method's calls."""
        return self._times.labels(method)
