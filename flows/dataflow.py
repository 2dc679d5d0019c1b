"""The shard flow: log records in, outputs out, through one step that holds the shard tasks.

Bytewax groups a batch by key and emits it sorted by key, so state shared across users would depend on where
batches end. One constant key per shard keeps arrival order exact: a task sees one record after the other,
whatever the batch size; shards have nothing in common. Bytewax's own recovery stays off; a task's state is
committed by our own store.

No error may leave a callback: Bytewax would panic and write a backtrace to standard error, past our log. The
first error ends the flow as if the feed had ended, and :func:`run_flow` raises it.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from typing_extensions import override

from flows.log import LogRecord
from flows.outputs import Output

FLOW_ID: Final = "tapwatch-shard"
ONLY_SHARD: Final = "shard"
"""The name of a shard that is alone."""


class Applies(Protocol):
    """A shard task, or what stands before one."""

    def apply(self, record: LogRecord) -> list[Output]:
        """See :meth:`flows.task.ShardTask.apply`."""
        ...


Work = tuple[str, tuple[Applies, LogRecord]]
"""The name of a shard; its task, and the record to apply next."""


class Feed(Protocol):
    """Where records come from. A feed blocks until there is work, for a bounded time."""

    def next_batch(self) -> list[Work]:
        """The next records, each shard's in log order, maybe none; raises StopIteration at the end."""
        ...


class Effects(Protocol):
    """Where outputs go."""

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        """Act on outputs, each shard's in log order; they come with the name of their shard."""
        ...


class _Guard:
    """The first error of a run; once there is one, nothing more is read, applied or given out."""

    def __init__(self) -> None:
        self.error: BaseException | None = None


def build(feed: Feed, effects: Effects, guard: _Guard) -> Dataflow:
    """The dataflow of a process's shards; run it with exactly one worker."""
    flow = Dataflow(FLOW_ID)
    work = op.input("log", flow, _FeedSource(feed, guard))
    # (shard, (task, LogRecord))
    outputs = op.stateful_batch("task", work, lambda _resume: _TaskLogic(guard))
    # (shard, Output)
    op.output("effects", outputs, _EffectsSink(effects, guard))
    return flow


def run_flow(feed: Feed, effects: Effects) -> None:
    """Run the shard flow on this thread until the feed ends; raises what feed, task or effects raised."""
    guard = _Guard()
    run_main(build(feed, effects, guard))  # type: ignore[no-untyped-call]
    if guard.error is not None:
        raise guard.error


def run_plain(feed: Feed, effects: Effects) -> None:
    """The same without Bytewax: what the flow must equal, and what speed is compared with."""
    while True:
        try:
            work = feed.next_batch()
        except StopIteration:
            return
        outputs = [(shard, output) for shard, (task, record) in work for output in task.apply(record)]
        if outputs:
            effects.take(outputs)


class _TaskLogic(StatefulBatchLogic[tuple[Applies, LogRecord], Output, None]):
    def __init__(self, guard: _Guard) -> None:
        self._guard = guard

    @override
    def on_batch(self, values: list[tuple[Applies, LogRecord]]) -> tuple[list[Output], bool]:
        outputs: list[Output] = []
        if self._guard.error is None:
            try:
                outputs = [output for task, record in values for output in task.apply(record)]
            except BaseException as error:  # noqa: BLE001  (raised again by run_flow)
                self._guard.error = error
        return outputs, StatefulBatchLogic.RETAIN

    @override
    def snapshot(self) -> None:
        return None


class _FeedSource(DynamicSource[Work]):
    def __init__(self, feed: Feed, guard: _Guard) -> None:
        self._feed = feed
        self._guard = guard

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_FeedPartition":
        if worker_count != 1:
            raise RuntimeError(f"a shard flow runs with one worker, not {worker_count}")
        return _FeedPartition(self._feed, self._guard)


class _FeedPartition(StatelessSourcePartition[Work]):
    def __init__(self, feed: Feed, guard: _Guard) -> None:
        self._feed = feed
        self._guard = guard

    @override
    def next_batch(self) -> list[Work]:
        if self._guard.error is None:
            try:
                return self._feed.next_batch()
            except StopIteration:
                raise
            except BaseException as error:  # noqa: BLE001  (raised again by run_flow)
                self._guard.error = error
        raise StopIteration


class _EffectsSink(DynamicSink[Any]):
    def __init__(self, effects: Effects, guard: _Guard) -> None:
        self._effects = effects
        self._guard = guard

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_EffectsPartition":
        return _EffectsPartition(self._effects, self._guard)


class _EffectsPartition(StatelessSinkPartition[tuple[str, Output]]):
    def __init__(self, effects: Effects, guard: _Guard) -> None:
        self._effects = effects
        self._guard = guard

    @override
    def write_batch(self, items: list[tuple[str, Output]]) -> None:
        if self._guard.error is None:
            try:
                self._effects.take(items)
            except BaseException as error:  # noqa: BLE001  (raised again by run_flow)
                self._guard.error = error
