"""What an operator can set of the engine on Kafka."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class KafkaParams:
    """How to reach the brokers, and how the shards are laid out on them.

    Parameters
    ----------
    bootstrap
        Brokers to ask first, host:port; empty means that log and state are in one local file.
    prefix
        What all topic and group names begin with.
    shards
        Partitions of the shard log. Fixed on day one: another number sends users to other shards.
    """

    bootstrap: tuple[str, ...] = ()
    prefix: str = "tapwatch"
    shards: int = 4
    replication: int = 1
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca: Path | None = None
