"""What a shard process says of itself once a second, for the metrics of its server."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class ShardFigures:
    """A shard that the process owns.

    Parameters
    ----------
    position
        The position of the last log record.
    lag_records
        Messages of the partition that the flow has not taken.
    lag_seconds
        How long the last record that it took had been waiting, while there are more; 0 otherwise.
    unpublished
        Log records that are applied and not published.
    """

    position: int
    lag_records: int
    lag_seconds: float
    unpublished: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All of the process; counts are since its start."""

    shards: Mapping[str, ShardFigures] = field(default_factory=dict)
    decided: int = 0
    published: int = 0
    transactions_aborted: int = 0
    fenced: int = 0

    def encode(self) -> bytes:
        """The figures as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Figures":
        """The figures that :meth:`encode` wrote."""
        members = json.loads(raw)
        shards = {name: ShardFigures(**each) for name, each in members.pop("shards").items()}
        return cls(shards=shards, **members)
