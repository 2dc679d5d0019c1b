"""Bad records in a row, partition by partition: when to raise the alarm, and when to stop."""

from enum import Enum, auto

Partition = tuple[str, int]


class Step(Enum):
    """What a bad record asks for besides its dead letter."""

    NOTHING = auto()
    ALARM = auto()
    STOP = auto()


class BadRuns:
    """Counts how many bad records have come in a row on each partition.

    >>> runs = BadRuns(alarm_after=2, stop_after=3)
    >>> [runs.bad(("payments", 0)).name for _ in range(3)]
    ['NOTHING', 'ALARM', 'STOP']
    >>> runs.good(("payments", 0))
    >>> runs.bad(("payments", 0)).name
    'NOTHING'
    """

    def __init__(self, alarm_after: int, stop_after: int) -> None:
        self._alarm_after = alarm_after
        self._stop_after = stop_after
        self._runs: dict[Partition, int] = {}

    def good(self, partition: Partition) -> None:
        """A record of the partition could be used, or the partition is somebody else's now."""
        if self._runs:
            self._runs.pop(partition, None)

    def bad(self, partition: Partition) -> Step:
        """A record of the partition could not be used."""
        length = self._runs[partition] = self._runs.get(partition, 0) + 1
        if length >= self._stop_after:
            return Step.STOP
        return Step.ALARM if length == self._alarm_after else Step.NOTHING

    def longest(self) -> int:
        """How many bad records stand in the longest run that has not ended."""
        return max(list(self._runs.values()), default=0)
