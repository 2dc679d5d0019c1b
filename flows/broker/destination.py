"""Where events can be sent; apart from what sends them, so that a command line need not load that."""

from enum import StrEnum


class Destination(StrEnum):
    """Where events are sent."""

    EVENTS = "events"  # the topic that takes every kind, so that the order between kinds is kept
    TOPICS = "topics"  # each kind to its own topic
    SHARD_LOG = "shard-log"  # past the ingest, into the log of the shards
