"""Counts what becomes of alerts on their way to subscribers, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter


class AlertMetrics:
    """What the subscribers of this process were sent and have done with."""

    def __init__(self, registry: CollectorRegistry) -> None:
        delivered = Counter(
            "tapwatch_alert_deliveries", "Alerts sent to subscribers.", ("attempt",), registry=registry
        )
        self.first = delivered.labels("first")
        self.again = delivered.labels("again")
        self.acked = Counter(
            "tapwatch_alerts_acked", "Alerts that subscribers acknowledged.", registry=registry
        )
        self.expired = Counter(
            "tapwatch_alerts_expired",
            "Alerts whose time was over before a subscriber acknowledged them.",
            registry=registry,
        )
        self.gaps = Counter(
            "tapwatch_alert_gaps", "Subscriptions that could not go on where they were to.", registry=registry
        )
        self.silent = Counter(
            "tapwatch_alert_peers_silent", "Subscribers that answered no heartbeat.", registry=registry
        )
