"""Bad records in a row, partition by partition: when to raise the alarm, and when to stop."""

from collections.abc import Collection
from enum import Enum, auto

Partition = tuple[str, int]


class Step(Enum):
    """What a bad record asks for besides its dead letter."""

    NOTHING = auto()
    ALARM = auto()
    STOP = auto()


class BadRuns:
    """Counts how many bad records have come in a row on each partition.

    A record that is read again, after the group has dealt out its partitions anew, is not counted again.

    >>> runs = BadRuns(alarm_after=2, stop_after=3)
    >>> [runs.bad(("payments", 0), offset).name for offset in (7, 8, 8, 9)]
    ['NOTHING', 'ALARM', 'NOTHING', 'STOP']
    >>> runs.good(("payments", 0))
    >>> runs.bad(("payments", 0), 11).name
    'NOTHING'
    """

    def __init__(self, alarm_after: int, stop_after: int) -> None:
        self._alarm_after = alarm_after
        self._stop_after = stop_after
        self._runs: dict[Partition, tuple[int, int]] = {}

    def good(self, partition: Partition) -> None:
        """A record of the partition could be used."""
        if self._runs:
            self._runs.pop(partition, None)

    def bad(self, partition: Partition, offset: int) -> Step:
        """A record of the partition could not be used."""
        length, last = self._runs.get(partition, (0, -1))
        if offset <= last:
            return Step.NOTHING
        length += 1
        self._runs[partition] = length, offset
        if length >= self._stop_after:
            return Step.STOP
        return Step.ALARM if length == self._alarm_after else Step.NOTHING

    def keep(self, partitions: Collection[Partition]) -> None:
        """Forget all partitions but these: others read them now."""
        self._runs = {each: run for each, run in self._runs.items() if each in partitions}

    def longest(self) -> int:
        """How many bad records stand in the longest run that has not ended."""
        return max((length for length, _ in list(self._runs.values())), default=0)
