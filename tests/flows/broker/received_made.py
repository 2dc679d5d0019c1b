"""Records of input topics, made without a broker."""

from datetime import UTC, datetime
from typing import NamedTuple

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Made(NamedTuple):
    """A record as a consumer would give it."""

    topic: str = "tapwatch.payments.v1"
    value: bytes | None = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = b"default/u-1"
    partition: int = 0
    offset: int = 7
    timestamp: int = 1_772_452_800_000
