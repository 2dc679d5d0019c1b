"""How often and how much: counts and sums of payments over sliding windows of event time."""

import struct
from array import array
from bisect import bisect_right
from typing import Final

WINDOWS: Final = (60, 600, 3_600, 86_400, 604_800, 2_592_000)
"""The windows in seconds: 1 min, 10 min, 1 h, 1 day, 7 days, 30 days."""
WINDOW_NAMES: Final = ("1m", "10m", "1h", "1d", "7d", "30d")
HORIZON_S: Final = WINDOWS[-1]
MAX_EXACT: Final = 256
MAX_AMOUNT: Final = 10**13
"""A single amount counts for at most this much, so that sums stay inside 64 bits."""

_COARSEST = 8
_AFTER_MERGE = MAX_EXACT * 3 // 4
_MAX_TOTAL = 2**63 - 1
_NARROW = 2**32
_HEADER = struct.Struct("<BHq")
_WIDE, _MERGED = 1, 2
_LENGTH: Final = len(WINDOWS)


class Velocity:
    """Counts and sums over the windows ``(t - w, t]`` for ``w`` in :data:`WINDOWS`, in whole seconds.

    Each entry is a time and the running total up to it, so a window is two bisections. Late events are
    put at their place while they are within 30 days of the newest; older ones are ignored, and so is
    what lies more than 30 days before the newest event when a query looks back from a late time.

    Exact while a key has at most :data:`MAX_EXACT` entries in 30 days. Beyond that neighbours are merged:
    an entry then stands for all events after the entry before it, up to its own time, and spans at most
    an eighth of its age (usually less). An answer can be off by the one entry that crosses the window's
    edge: it is never below the true count of ``(t - w, t]`` and never above that of ``(t - 9/8 w, t]``,
    asked at the newest time or later. Memory stays below 5 kB whatever the traffic.

    Examples
    --------
    >>> velocity = Velocity()
    >>> for time_s, amount in ((1_000_000, 500), (1_000_050, 700), (1_000_090, 100)):
    ...     velocity.add(time_s, amount)
    >>> velocity.count(1_000_090, 60), velocity.total(1_000_090, 60), velocity.total(1_000_090, 600)
    (2, 800, 1300)
    """

    __slots__ = ("_base", "_counts", "_times", "_totals")

    def __init__(self) -> None:
        self._times = array("I")
        self._totals = array("I")  # running totals; wider items once they need them
        self._counts: array[int] | None = None  # running counts, once an entry is more than one event
        self._base = 0  # the running total before the first entry

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time_s: int, amount: int) -> None:
        """Count one payment of ``amount`` minor units at ``time_s``."""
        if not 0 <= amount <= MAX_AMOUNT:
            amount = 0 if amount < 0 else MAX_AMOUNT
        times = self._times
        if not times:
            self._base = 0
            self._append(time_s, amount)
            return
        newest = times[-1]
        if time_s < newest:
            if time_s > newest - HORIZON_S:
                self._insert(time_s, amount)
            return
        if time_s == newest and self._counts is not None:
            self._raise_from(len(times) - 1, amount)
            return
        totals = self._totals
        total = totals[-1] + amount
        if total < _NARROW and self._counts is None:
            totals.append(total)
            times.append(time_s)
        else:
            self._append(time_s, total)
        if times[0] <= time_s - HORIZON_S:
            self._drop(bisect_right(times, time_s - HORIZON_S))
        if len(times) > MAX_EXACT:
            self._merge()

    def count(self, time_s: int, window_s: int) -> int:
        """The number of payments in ``(time_s - window_s, time_s]``."""
        last = bisect_right(self._times, time_s)
        first = bisect_right(self._times, time_s - window_s, 0, last)
        if self._counts is None:
            return last - first
        return self._count_before(last) - self._count_before(first)

    def total(self, time_s: int, window_s: int) -> int:
        """The sum of the amounts in ``(time_s - window_s, time_s]``."""
        last = bisect_right(self._times, time_s)
        first = bisect_right(self._times, time_s - window_s, 0, last)
        return self._total_before(last) - self._total_before(first)

    def counts(self, time_s: int, more: float = 0.0) -> tuple[float, ...]:
        """:meth:`count` for every window of :data:`WINDOWS`, shortest first, and ``more`` added to each."""
        times = self._times
        if not times:
            return (more,) * _LENGTH
        first = len(times) if time_s >= times[-1] else bisect_right(times, time_s)
        counts = self._counts
        until = more + (first if counts is None else self._count_before(first))
        age = time_s - times[first - 1] if first else HORIZON_S
        count, found = more, []
        for window_s in WINDOWS:
            # A longer window begins no later than a shorter one: look only before the last place.
            if age < window_s:
                first = bisect_right(times, time_s - window_s, 0, first - 1)
                age = time_s - times[first - 1] if first else HORIZON_S
                count = until - (first if counts is None else self._count_before(first))
            found.append(count)
        return tuple(found)

    def windows(
        self, time_s: int, more: float = 0.0, amount: int = 0
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Counts and sums in major units for every window of :data:`WINDOWS`, shortest first.

        ``more`` payments of together ``amount`` minor units are added to each window: the one in hand.
        """
        times = self._times
        if not times:
            return (more,) * _LENGTH, (amount / 100.0,) * _LENGTH
        totals, counts, base = self._totals, self._counts, self._base
        first = len(times) if time_s >= times[-1] else bisect_right(times, time_s)
        all_totals = amount + (totals[first - 1] if first else base)
        all_counts = more + (first if counts is None else self._count_before(first))
        # How long ago the last entry outside of the window was: a longer window may reach back to it.
        age = time_s - times[first - 1] if first else HORIZON_S
        count, total = more, amount / 100.0
        found_counts, found_totals = [], []
        for window_s in WINDOWS:
            if age < window_s:
                first = bisect_right(times, time_s - window_s, 0, first - 1)
                age = time_s - times[first - 1] if first else HORIZON_S
                total = (all_totals - (totals[first - 1] if first else base)) / 100.0
                count = all_counts - (first if counts is None else self._count_before(first))
            found_counts.append(count)
            found_totals.append(total)
        return tuple(found_counts), tuple(found_totals)

    def pack(self) -> bytes:
        """The state as bytes; :meth:`unpack` restores it exactly."""
        counts = self._counts
        shape = (_WIDE if self._totals.typecode == "q" else 0) | (0 if counts is None else _MERGED)
        packed = _HEADER.pack(shape, len(self._times), self._base)
        packed += self._times.tobytes() + self._totals.tobytes()
        return packed if counts is None else packed + counts.tobytes()

    @classmethod
    def unpack(cls, packed: bytes | memoryview, start: int = 0) -> tuple["Velocity", int]:
        """The state in ``packed`` from ``start`` on, and where it ends."""
        shape, length, base = _HEADER.unpack_from(packed, start)
        self = cls.__new__(cls)
        at = start + _HEADER.size
        end = at + 4 * length
        self._base = base
        self._times = array("I", packed[at:end])
        at = end
        if shape & _WIDE:
            end += 8 * length
            self._totals = array("q", packed[at:end])
        else:
            end += 4 * length
            self._totals = array("I", packed[at:end])
        self._counts = None
        if shape & _MERGED:
            at = end
            end += 4 * length
            self._counts = array("I", packed[at:end])
        return self, end

    def _count_before(self, index: int) -> int:
        if self._counts is None:
            return index
        return self._counts[index - 1] if index else 0

    def _total_before(self, index: int) -> int:
        return self._totals[index - 1] if index else self._base

    def _append(self, time_s: int, total: int) -> None:
        try:
            self._totals.append(total)
        except OverflowError:
            total -= self._base
            self._rebase()
            self._widen(total)
            self._totals.append(min(total, _MAX_TOTAL))
        self._times.append(time_s)
        if self._counts is not None:
            self._counts.append(self._count_before(len(self._counts)) + 1)

    def _rebase(self) -> None:
        base, self._base = self._base, 0
        self._totals = array(self._totals.typecode, [total - base for total in self._totals])

    def _widen(self, total: int) -> None:
        if total >= _NARROW and self._totals.typecode == "I":
            self._totals = array("q", self._totals)

    def _insert(self, time_s: int, amount: int) -> None:
        times, counts = self._times, self._counts
        index = bisect_right(times, time_s)
        if counts is not None:
            if index and times[index - 1] == time_s:
                self._raise_from(index - 1, amount)
                return
            if self._is_inside(index):
                self._raise_from(index, amount)
                return
            counts.insert(index, self._count_before(index))
        before = self._total_before(index)
        times.insert(index, time_s)
        self._totals.insert(index, before)
        self._raise_from(index, amount)
        if len(times) > MAX_EXACT:
            self._merge()

    def _is_inside(self, index: int) -> bool:
        """Whether a late event just before the entry may have fallen inside it.

        An entry of several seconds was made only when it and the gap before it span an eighth of its age
        at most, so a wider gap means that the entry is one second.
        """
        times = self._times
        if self._count_before(index + 1) - self._count_before(index) == 1:
            return False
        begin = times[index - 1] if index else times[-1] - HORIZON_S
        return (times[index] - begin) * _COARSEST <= times[-1] - times[index]

    def _raise_from(self, index: int, amount: int) -> None:
        totals, counts = self._totals, self._counts
        if totals[-1] + amount >= _NARROW:
            top = totals[-1] + amount - self._base
            self._rebase()
            self._widen(top)
            totals = self._totals
        for place in range(index, len(totals)):
            totals[place] = min(totals[place] + amount, _MAX_TOTAL)
        if counts is not None:
            for place in range(index, len(counts)):
                counts[place] += 1

    def _drop(self, length: int) -> None:
        self._base = self._totals[length - 1]
        del self._times[:length]
        del self._totals[:length]
        counts = self._counts
        if counts is not None:
            gone = counts[length - 1]
            self._counts = array("I", [count - gone for count in counts[length:]])

    def _merge(self) -> None:
        """Keep fewer entries: the running totals of those kept already hold the ones between them."""
        if self._counts is None:
            self._counts = array("I", range(1, len(self._times) + 1))
        for share in (64, 32, 16, _COARSEST):
            kept = _ends_of_groups(self._times, share)
            if len(kept) <= _AFTER_MERGE:
                break
        times, totals, counts = self._times, self._totals, self._counts
        self._times = array("I", [times[i] for i in kept])
        self._totals = array(totals.typecode, [totals[i] for i in kept])
        self._counts = array("I", [counts[i] for i in kept])


def _ends_of_groups(times: "array[int]", share: int) -> list[int]:
    """The last entries of groups that each span at most ``1/share`` of their age."""
    now = times[-1]
    kept = [0]  # where the oldest entry begins is not known: it stays alone
    begin = times[0]
    for index in range(1, len(times) - 1):
        here, following = times[index], times[index + 1]
        if following != here and (following - begin) * share > now - following:
            kept.append(index)
            begin = here
    kept.append(len(times) - 1)
    return kept
