"""What an operator can set of `tapwatch ingest`."""

from dataclasses import dataclass
from math import isfinite
from typing import Final

from flows.address import parse_address

_RANGES: Final = {
    "alarm_after": (1, 1_000_000_000),
    "stop_after": (1, 1_000_000_000),
    "max_batch": (1, 100_000),
    "max_ahead_s": (0.0, 3_153_600_000.0),
    "max_device_ahead_s": (0.0, 3_153_600_000.0),
    "commit_every_s": (0.0, 60.0),
    "progress_every_s": (0.1, 86_400.0),
    "drain_s": (0.0, 600.0),
}


@dataclass(frozen=True, slots=True)
class IngestParams:
    """How input topics are read.

    Parameters
    ----------
    alarm_after
        So many bad records in a row on one partition raise an alarm: an error in the log, and a metric.
    stop_after
        So many stop the process: whoever writes there has another idea of an event, and a dead-letter topic
        is no place for a whole stream.
    max_batch
        Records that are read, written and acknowledged at a time.
    max_ahead_s
        How far an event time may be ahead of the clock.
    max_device_ahead_s
        How far that of a location or a visit may be: one phone with a fast clock would make the positions of
        all others look late.
    commit_every_s
        How often it is noted which records are done. After a crash those since then are read again.
    progress_every_s
        How often the log says how far it is, while there is work.
    drain_s
        How long SIGTERM waits for brokers that don't answer. What they have not acknowledged is read again.
    operator_listen
        Address of /livez, /readyz and /metrics; port 0 picks one.

    Raises
    ------
    ValueError
        When a value is out of its range, or values don't go together.
    """

    alarm_after: int = 100
    stop_after: int = 10_000
    max_batch: int = 5_000
    max_ahead_s: float = 86_400.0
    max_device_ahead_s: float = 120.0
    commit_every_s: float = 1.0
    progress_every_s: float = 10.0
    drain_s: float = 10.0
    operator_listen: str = "127.0.0.1:50553"

    def __post_init__(self) -> None:
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not (isfinite(value) and lowest <= value <= highest):
                raise ValueError(f"{name}: {value!r} is out of range; allowed: {lowest} to {highest:,}")
        if self.alarm_after > self.stop_after:
            raise ValueError(
                f"alarm_after: {self.alarm_after} is more than stop_after; allowed: 1..{self.stop_after}"
            )
        try:
            parse_address(self.operator_listen)
        except ValueError as error:
            raise ValueError(f"operator_listen: {error}") from None
