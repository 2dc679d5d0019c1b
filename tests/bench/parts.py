"""What single parts cost, in microseconds: `python tests/bench/parts.py`. Trust ratios within one run."""

import timeit
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from detectors.events import Payment
from detectors.population import Population
from detectors.profile import UserProfile
from detectors.velocity import Velocity
from flows.codec import decode_decision, decode_event, encode_decision, encode_event
from flows.log import LogRecord, NewRecord
from flows.outputs import Decided
from flows.store import MemoryStore
from flows.task import ShardTask
from replay.bench.overhead import first_policy
from replay.demo import sample_events

ROUNDS: Final = 5


def microseconds(work: Callable[[], object], times: int) -> float:
    """The best of some rounds: noise only ever adds."""
    return min(timeit.repeat(work, number=times, repeat=ROUNDS)) / times * 1e6


def main() -> None:
    """Print a table."""
    payments = [event for event in sample_events() if isinstance(event, Payment)]
    task = ShardTask(MemoryStore(), lambda _: None)
    task.apply(LogRecord(1, first_policy()))
    decided = [o for n, p in enumerate(payments, start=2) for o in task.apply(LogRecord(n, p))]
    decision = next(o.decision for o in decided if isinstance(o, Decided) and o.decision.reasons)
    payment, raw, answer = payments[0], encode_event(payments[0]), encode_decision(decision)
    velocity, busiest = Velocity(), UserProfile()
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    for hour in range(60):
        velocity.add(start + 3_600 * hour, 1_000)
    now = start + 3_600 * 60
    packed, population = busiest.pack(), Population()
    month = timedelta(days=30)
    later = [
        LogRecord(n, replace(p, transaction_id=f"again-{n}", event_time=p.event_time + month))
        for n, p in enumerate(payments, start=len(payments) + 2)
    ]
    rows: list[tuple[str, Callable[[], object], int]] = [
        ("event: decode a line", lambda: decode_event(raw, "x"), 5_000),
        ("event: encode", lambda: encode_event(payment), 5_000),
        ("event: encode and hash for the log", lambda: NewRecord.of(payment), 5_000),
        ("decision with reasons: encode", lambda: encode_decision(decision), 5_000),
        ("decision with reasons: decode", lambda: decode_decision(answer), 5_000),
        ("velocity, 60 payments: all windows", lambda: velocity.windows(now), 5_000),
        ("velocity, 60 payments: pack", velocity.pack, 5_000),
        ("new user: unpack", lambda: UserProfile.unpack(packed), 5_000),
        ("population: pack", population.pack, 5_000),
    ]
    for name, work, times in rows:
        print(f"{microseconds(work, times):8.2f} us  {name}")
    each = min(timeit.repeat(lambda: [task.apply(record) for record in later], number=1, repeat=ROUNDS))
    print(f"{each / len(later) * 1e6:8.2f} us  shard task: one payment, decided and learned")


if __name__ == "__main__":
    main()
