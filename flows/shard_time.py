"""The time of a shard as state: what its users' events and the market agree on."""

from datetime import UTC, datetime, timedelta
from typing import Final, Self

from alerting.decision import PolicyActivated
from detectors.events import Merchant
from detectors.knowledge import ShardKnowledge
from detectors.shard_clock import ShardClock
from flows import keys
from flows.codec import Event
from flows.state import State

_TIMELESS: Final = (PolicyActivated, Merchant, ShardKnowledge)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class ShardTime:
    """A :class:`~detectors.shard_clock.ShardClock` that is stored."""

    def __init__(self, clock: ShardClock | None = None) -> None:
        self.clock = clock or ShardClock()

    @property
    def now(self) -> datetime:
        """The shard's time; 1970 before its first event."""
        return _EPOCH + timedelta(seconds=self.clock.now_s)

    def see(self, event: Event, state: State) -> None:
        """Take note of an event that has a time of its own."""
        if not isinstance(event, _TIMELESS):
            self.clock.see((event.event_time - _EPOCH) // _SECOND)
            state.put(keys.CLOCK, self)

    def pack(self) -> bytes:
        """The state as bytes."""
        return b"\x01" + self.clock.pack()

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """The state that :meth:`pack` wrote."""
        return cls(ShardClock.unpack(raw[1:]))
