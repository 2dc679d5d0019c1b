"""What time it is on a shard: the event time that its events agree on, not the farthest that one claims."""

import struct
from typing import Final

TOLERANCE_S: Final = 86_400
"""Up to a day ahead of the others an event is believed: time zones get mixed up, clocks run ahead."""
CONFIRMING: Final = 6
"""So many events in a row that are elsewhere move the clock there."""
_CLOCK = struct.Struct("<IbII")


class ShardClock:
    """The highest event time seen, except that a leap of more than a day needs several events that agree.

    An event whose time leaps ahead is *ahead*. It becomes the time of the shard when the events that follow
    it are ahead as well, as after a night, a month of silence or the end of an old recording; between events
    of the usual time it does not. The same holds for a leap back: a clock that was led astray returns. Of the
    events that agree the second highest time is taken, so that one of them may be wrong.

    Attributes
    ----------
    now_s
        The shard's time; 0 before its first event.

    Examples
    --------
    >>> clock = ShardClock()
    >>> clock.see(1_000_000), clock.see(1_000_060), clock.see(9_000_000)
    (0, 60, 0)
    >>> clock.now_s, clock.is_ahead(9_000_000)
    (1000060, True)
    """

    __slots__ = ("_highest_s", "_run", "_second_s", "now_s")

    SIZE: Final = _CLOCK.size

    def __init__(self) -> None:
        self.now_s = 0
        self._run = 0  # events in a row that are elsewhere: above 0 ahead, below 0 behind
        self._highest_s = 0  # of those events
        self._second_s = 0

    def is_ahead(self, time_s: int) -> bool:
        """Whether an event of this time is too far ahead to be believed by itself."""
        return time_s - TOLERANCE_S > self.now_s > 0

    def see(self, time_s: int) -> int:
        """Take note of an event; by how many seconds, at most the tolerance, the shard's time went on."""
        now_s = self.now_s
        if not now_s:
            self.now_s = time_s
            return 0
        step_s = time_s - now_s
        if -TOLERANCE_S <= step_s <= TOLERANCE_S:
            self._run = 0
            if step_s > 0:
                self.now_s = time_s
                return step_s
            return 0
        return self._leap(time_s, 1 if step_s > 0 else -1)

    def pack(self) -> bytes:
        """The state as ``SIZE`` bytes."""
        return _CLOCK.pack(self.now_s, self._run, self._highest_s, self._second_s)

    @classmethod
    def unpack(cls, packed: bytes) -> "ShardClock":
        """The state that :meth:`pack` wrote."""
        self = cls()
        self.now_s, self._run, self._highest_s, self._second_s = _CLOCK.unpack(packed)
        return self

    def _leap(self, time_s: int, side: int) -> int:
        if self._run * side <= 0:
            self._run = self._highest_s = self._second_s = 0
        self._run += side
        if time_s >= self._highest_s:
            self._highest_s, self._second_s = time_s, self._highest_s
        elif time_s > self._second_s:
            self._second_s = time_s
        if abs(self._run) < CONFIRMING:
            return 0
        before_s, self.now_s, self._run = self.now_s, self._second_s, 0
        return min(max(0, self.now_s - before_s), TOLERANCE_S)
