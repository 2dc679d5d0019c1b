"""What the commands that run servers are given, streams or simulated events, and how their errors end."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from detectors.events import Payment
from flows.cli import Exit, fail
from flows.codec import BadRecord, Event
from replay.errors import ReplayError
from replay.server_process import ServerStartError


@contextmanager
def errors_in_words() -> Iterator[None]:
    """What a drill or a benchmark can't work with ends the command in words."""
    try:
        yield
    except ReplayError as error:
        raise fail(error, Exit.FAULT if isinstance(error, ServerStartError) else Exit.BAD_INPUT) from None


def payments_or_stream(stream: Path | None, payments: int) -> list[Event]:
    """The first events of a stream, or so many simulated payments without one."""
    return list(simulated_payments(payments)) if stream is None else _first(stream, payments)


def counts_in(option: str, text: str) -> list[int]:
    """The numbers in an option's text, with commas between."""
    counts = [int(count) if count.strip().isdecimal() else 0 for count in text.split(",")]
    if not all(0 < count <= 10_000_000 for count in counts):
        raise fail(
            f"{option}: {text!r}; allowed: whole numbers from 1 with commas between, such as 10000,100000"
        )
    return counts


def lives_or_stream(stream: Path | None, payments: int) -> list[Event]:
    """The first events of a stream, or of simulated users up to so many payments, with the ways to them."""
    if stream is not None:
        return _first(stream, payments)
    from replay.simulator import SimulatorParams, simulate

    users = max(50, payments // 80)
    found: list[Event] = []
    for event in simulate(SimulatorParams(seed=1, users=users, days=400, tick_interval_s=0, ways=True)):
        found.append(event)
        payments -= isinstance(event, Payment)
        if payments <= 0:
            break
    return found


def events_or_stream(stream: Path | None, events: int) -> list[Event]:
    """The first events of a stream, or of simulated users without one."""
    if stream is not None:
        return _first(stream, events)
    from replay.simulator import SimulatorParams, simulate

    # A user makes about three events a day; merchants and market come on top.
    users = max(50, events // 100)
    return list(islice(simulate(SimulatorParams(seed=1, users=users, days=60)), events))


def simulated_payments(count: int) -> list[Payment]:
    """Payments of simulated users, about forty each."""
    from replay.simulator import SimulatorParams, simulate

    users = max(50, count // 40)
    days = 60
    found: list[Payment] = []
    while len(found) < count:
        stream = simulate(SimulatorParams(seed=1, users=users, days=days))
        found = list(islice((event for event in stream if isinstance(event, Payment)), count))
        days *= 2
    return found


def _first(stream: Path, count: int) -> list[Event]:
    from replay.streams import read_stream

    with errors_in_words():
        events = (event for event in read_stream(stream) if not isinstance(event, BadRecord))
        return list(islice(events, count))
