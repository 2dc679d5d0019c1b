"""What log, dataflow and store cost on top of the shard task, in one run, back to back."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from flows.codec import Event
from flows.dataflow import run_flow
from flows.log import LogRecord
from flows.outputs import Output
from flows.policy_file import default_policy_text, parse_policy
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.store import MemoryStore
from flows.task import ShardTask
from replay.stream_feed import StreamFeed


@dataclass(frozen=True, slots=True)
class Overhead:
    """Microseconds per event, medians over the rounds, and the ratio of the two."""

    events: int
    rounds: int
    bare_task_us: float
    whole_flow_us: float
    ratio: float

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


def measure_overhead(events: Sequence[Event], rounds: int = 3) -> Overhead:
    """Apply ``events`` by a bare loop over the task, then through log, dataflow and store, in turn."""
    pairs = [(_bare(events), _whole(events)) for _ in range(rounds)]
    bare, whole = (sorted(times)[rounds // 2] for times in zip(*pairs, strict=True))
    ratios = sorted(whole / bare for bare, whole in pairs)
    per_event = 1e6 / len(events)
    return Overhead(
        len(events),
        rounds,
        round(bare * per_event, 1),
        round(whole * per_event, 1),
        round(ratios[rounds // 2], 3),
    )


def first_policy() -> PolicyActivated:
    """The shipped policy, as a fresh log begins with it."""
    text = default_policy_text()
    return PolicyActivated(text, parse_policy(text).version, EARLIEST)


def _bare(events: Sequence[Event]) -> float:
    task = ShardTask(MemoryStore(), _nowhere)
    task.apply(LogRecord(1, first_policy()))
    begun = time.perf_counter()
    for position, event in enumerate(events, start=2):
        task.apply(LogRecord(position, event))
    return time.perf_counter() - begun


def _whole(events: Sequence[Event]) -> float:
    with tempfile.TemporaryDirectory(prefix="tapwatch-bench-") as folder:
        shard = SqliteShard(Path(folder) / SHARD_FILE, durable=False)
        task = ShardTask(shard, shard.find)
        stream: Iterator[Event] = chain((first_policy(),), events)
        begun = time.perf_counter()
        run_flow(StreamFeed(shard, task, enumerate(stream)), _Dropped())
        seconds = time.perf_counter() - begun
        shard.close()
    return seconds


def _nowhere(_event_id: str) -> int | None:
    return None


class _Dropped:
    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
