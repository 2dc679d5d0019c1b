"""Which shard an event belongs to. The answer is schema: it must never change for a running log."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from alerting.decision import PolicyActivated
from detectors.events import Merchant, Tick
from detectors.knowledge import ShardKnowledge
from flows.codec import Event

BROADCAST: Final = (Tick, Merchant, PolicyActivated, ShardKnowledge)
"""Kinds that stand in every shard's log, so that each shard sees them in its own total order.

What a shard knows stands in all logs but its own.
"""


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """Which of how many shards: ``number`` from 0 to ``count - 1``."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"number: {self.number!r} is out of range; allowed: 0..{self.count - 1}")


def shard_of(tenant: str, user_id: str, shards: int) -> int:
    """The shard that owns a user, 0 to ``shards - 1``: the same on every machine and in every version.

    >>> shard_of("default", "u-1", 1)
    0
    >>> [shard_of("default", f"u-{number}", 4) for number in range(8)]
    [0, 0, 0, 1, 2, 1, 1, 0]
    """
    digest = blake2b(f"{tenant}\x00{user_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % shards


def shards_of(event: Event, shards: int) -> Sequence[int]:
    """The shards whose logs hold an event: its user's, or all of them (of knowledge all but the sender)."""
    if isinstance(event, ShardKnowledge):
        return [shard for shard in range(shards) if shard != event.shard]
    if isinstance(event, BROADCAST):
        return range(shards)
    return (shard_of(event.tenant, event.user_id, shards),)
