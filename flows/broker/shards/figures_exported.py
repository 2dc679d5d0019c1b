"""The figures of a shard process on Kafka, as metrics of its server."""

from collections.abc import Callable
from operator import attrgetter

from flows.broker.shards.figures import Figures, ShardFigures
from flows.metrics import Metrics

_GAUGES = (
    ("shard_position", "Position of a shard's last log record.", "position"),
    ("shard_lag_records", "Messages of a shard's partition that the flow has not taken.", "lag_records"),
    ("shard_lag_seconds", "How long the record last taken had waited, while there are more.", "lag_seconds"),
    ("shard_unpublished_records", "Log records of a shard that are not published.", "unpublished"),
)
_COUNTERS = (
    ("shard_decisions", "Decisions of the shards of this process, whoever asked.", "decided"),
    ("published_records", "Records that were published.", "published"),
    ("publish_aborts", "Transactions that were given up and done again.", "transactions_aborted"),
    ("publish_fenced", "Times that the brokers refused a transaction of a former owner.", "fenced"),
)


def export_figures(metrics: Metrics, read: Callable[[], Figures]) -> None:
    """Export what ``read`` returns, at each scrape; a shard that is not owned has no series."""
    for name, text, field in _GAUGES:
        get: Callable[[ShardFigures], float] = attrgetter(field)
        metrics.gauges(
            name,
            text,
            "shard",
            lambda get=get: {n: get(f) for n, f in read().shards.items()},  # type: ignore[misc]
        )
    for name, text, field in _COUNTERS:
        count: Callable[[Figures], float] = attrgetter(field)
        metrics.counter(name, text, lambda count=count: count(read()))  # type: ignore[misc]
