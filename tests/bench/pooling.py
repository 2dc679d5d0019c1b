"""What pooling costs: `python tests/bench/pooling.py`. Trust the ratios within one run.

Two tasks decide the same payments, piece by piece in turn: one is alone, the other one of several shards that
notes and tells what it learns. Then a third merges what was told.
"""

import time
from statistics import median
from typing import Final

from flows.codec import encode_event
from flows.log import LogRecord
from flows.outputs import Shared
from flows.sharding import ShardPlace
from flows.store import MemoryStore
from flows.task import ShardTask
from replay.bench.overhead import first_policy
from replay.simulator import SimulatorParams, simulate

PIECE: Final = 128
COMMIT_EVERY: Final = 16
WARM_UP: Final = 4_096


def a_task(place: ShardPlace | None) -> ShardTask:
    task = ShardTask(MemoryStore(), lambda _: None, place=place)
    task.apply(LogRecord(1, first_policy()))
    return task


def main() -> None:
    """Print a table."""
    events = [
        event for event in simulate(SimulatorParams(seed=7, users=500, days=21)) if event.kind == "payment"
    ]
    records = [LogRecord(number, event) for number, event in enumerate(events, start=2)]
    alone, sharded = a_task(None), a_task(ShardPlace(0, 4))
    spent: dict[ShardTask, list[int]] = {alone: [], sharded: []}
    told = []
    for at in range(0, len(records), PIECE):
        turns = (alone, sharded) if at // PIECE % 2 else (sharded, alone)
        for task in turns:
            begun = time.thread_time_ns()
            for record in records[at : at + PIECE]:
                told += [output.event for output in task.apply(record) if isinstance(output, Shared)]
                if record.position % COMMIT_EVERY == 0:
                    task.changes()
            spent[task].append(time.thread_time_ns() - begun)
    skip = WARM_UP // PIECE
    pairs = list(zip(spent[alone][skip:-1], spent[sharded][skip:-1], strict=True))
    other, merging = a_task(ShardPlace(1, 4)), []
    for number, event in enumerate(told, start=2):
        begun = time.thread_time_ns()
        other.apply(LogRecord(number, event))
        merging.append(time.thread_time_ns() - begun)
    size = sum(len(encode_event(event)) for event in told)
    print(f"{median(one for one, _ in pairs) / PIECE / 1e3:8.2f} us  one payment, decided and learned")
    print(f"{median(two / one for one, two in pairs):8.3f}     times that where it is told to other shards")
    print(f"{sum(merging) / len(events) / 1e3:8.2f} us  to merge one payment of another shard")
    print(f"{size / len(events):8.0f} bytes told for each payment")
    print(f"{len(events) / len(told):8.0f} payments told at once")


if __name__ == "__main__":
    main()
