"""The ingest flow: records of all input topics in, shard logs and dead letters out.

One blocking source reads all topics with one consumer: a second one would wait while the first has nothing.
No key and no state: what an event means is the shard task's business, and a duplicate drops out where the
shard's owner gives positions. Bytewax hands a batch on in the order in which it was read, so that the order
of a partition is kept from end to end. Its own recovery stays off: the group's offsets say what is done.

No error may leave a callback: Bytewax would panic and write a backtrace to standard error, past our log. The
first error ends the flow as if the topics had ended, and :func:`run_ingest_flow` raises it.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from typing_extensions import override

from flows.broker.ingest.inputs import Received, Refusal
from flows.codec import Event

FLOW_ID: Final = "tapwatch-ingest"

A = TypeVar("A")
R = TypeVar("R")


class Read(NamedTuple):
    """A record, and what it turned out to be."""

    received: Received
    result: Event | Refusal


class Stage(Protocol):
    """What the flow is made of: topics in, a look at each record, logs out."""

    def next_batch(self) -> Sequence[Received]:
        """The next records, maybe none after a while; raises StopIteration at the end."""
        ...

    def read(self, batch: list[Received]) -> list[Read]:
        """What these records are, in their order."""
        ...

    def write(self, batch: list[Read]) -> None:
        """Write them where they belong."""
        ...


def build(stage: Stage, guard: "_Guard") -> Dataflow:
    """The dataflow; run it with exactly one worker."""
    flow = Dataflow(FLOW_ID)
    received = op.input("topics", flow, _Topics(stage, guard))
    # Received
    read = op.flat_map_batch("read", received, lambda batch: guard.call(stage.read, batch) or [])
    # Read: an event, or why it is none
    op.output("logs", read, _Logs(stage, guard))
    return flow


def run_ingest_flow(stage: Stage) -> None:
    """Run the flow on this thread until the topics end; raises what a stage raised."""
    guard = _Guard()
    run_main(build(stage, guard))  # type: ignore[no-untyped-call]
    if guard.error is not None:
        raise guard.error


class _Guard:
    """The first error of a run; once there is one, nothing more is read or written."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def call(self, work: Callable[[A], R], batch: A) -> R | None:
        if self.error is None:
            try:
                return work(batch)
            except BaseException as error:  # noqa: BLE001  (raised again by run_ingest_flow)
                self.error = error
        return None


class _Topics(DynamicSource[Received]):
    def __init__(self, stage: Stage, guard: _Guard) -> None:
        self._stage, self._guard = stage, guard

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_TopicsPartition":
        if worker_count != 1:
            raise RuntimeError(f"the ingest flow runs with one worker, not {worker_count}")
        return _TopicsPartition(self._stage, self._guard)


class _TopicsPartition(StatelessSourcePartition[Received]):
    def __init__(self, stage: Stage, guard: _Guard) -> None:
        self._stage, self._guard = stage, guard

    @override
    def next_batch(self) -> Sequence[Received]:
        if self._guard.error is None:
            try:
                return self._stage.next_batch()
            except StopIteration:
                raise
            except BaseException as error:  # noqa: BLE001  (raised again by run_ingest_flow)
                self._guard.error = error
        raise StopIteration


class _Logs(DynamicSink[Read]):
    def __init__(self, stage: Stage, guard: _Guard) -> None:
        self._stage, self._guard = stage, guard

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_LogsPartition":
        return _LogsPartition(self._stage, self._guard)


class _LogsPartition(StatelessSinkPartition[Read]):
    def __init__(self, stage: Stage, guard: _Guard) -> None:
        self._stage, self._guard = stage, guard

    @override
    def write_batch(self, items: list[Read]) -> None:
        self._guard.call(self._stage.write, items)
