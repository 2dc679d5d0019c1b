"""The shard flow: log records in, outputs out, through one step that holds the shard task.

Bytewax groups a batch by key and emits it sorted by key, so state shared across users would depend on where
batches end. One constant key per shard keeps arrival order exact: the task sees one record after the other,
whatever the batch size. Bytewax's own recovery stays off; the task's state is committed by our own store.

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
from flows.task import ShardTask

FLOW_ID: Final = "tapwatch-shard"
SHARD_KEY: Final = "shard"


class Feed(Protocol):
    """Where records come from. A feed blocks until there is work, for a bounded time."""

    def next_batch(self) -> list[LogRecord]:
        """The next records in log order, maybe none; raises StopIteration at the end."""
        ...


class Effects(Protocol):
    """Where outputs go."""

    def take(self, outputs: Sequence[Output]) -> None:
        """Act on outputs, in log order."""
        ...


class _Guard:
    """The first error of a run; once there is one, nothing more is read, applied or given out."""

    def __init__(self) -> None:
        self.error: BaseException | None = None


def build(feed: Feed, task: ShardTask, effects: Effects, guard: _Guard) -> Dataflow:
    """The dataflow of one shard; run it with exactly one worker."""
    flow = Dataflow(FLOW_ID)
    records = op.input("log", flow, _FeedSource(feed, guard))
    # LogRecord
    keyed = op.key_on("one_key_per_shard", records, _shard_key)
    # (shard, LogRecord)
    outputs = op.stateful_batch("task", keyed, lambda _resume: _TaskLogic(task, guard))
    # (shard, Output)
    op.output("effects", outputs, _EffectsSink(effects, guard))
    return flow


def run_flow(feed: Feed, task: ShardTask, effects: Effects) -> None:
    """Run the shard flow on this thread until the feed ends; raises what feed, task or effects raised."""
    guard = _Guard()
    run_main(build(feed, task, effects, guard))  # type: ignore[no-untyped-call]
    if guard.error is not None:
        raise guard.error


def run_plain(feed: Feed, task: ShardTask, effects: Effects) -> None:
    """The same without Bytewax: what the flow must equal, and what speed is compared with."""
    while True:
        try:
            records = feed.next_batch()
        except StopIteration:
            return
        outputs = [output for record in records for output in task.apply(record)]
        if outputs:
            effects.take(outputs)


def _shard_key(_record: LogRecord) -> str:
    return SHARD_KEY


class _TaskLogic(StatefulBatchLogic[LogRecord, Output, None]):
    def __init__(self, task: ShardTask, guard: _Guard) -> None:
        self._task = task
        self._guard = guard

    @override
    def on_batch(self, values: list[LogRecord]) -> tuple[list[Output], bool]:
        apply = self._task.apply
        outputs: list[Output] = []
        if self._guard.error is None:
            try:
                outputs = [output for record in values for output in apply(record)]
            except BaseException as error:  # noqa: BLE001  (raised again by run_flow)
                self._guard.error = error
        return outputs, StatefulBatchLogic.RETAIN

    @override
    def snapshot(self) -> None:
        return None


class _FeedSource(DynamicSource[LogRecord]):
    def __init__(self, feed: Feed, guard: _Guard) -> None:
        self._feed = feed
        self._guard = guard

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_FeedPartition":
        if worker_count != 1:
            raise RuntimeError(f"a shard flow runs with one worker, not {worker_count}")
        return _FeedPartition(self._feed, self._guard)


class _FeedPartition(StatelessSourcePartition[LogRecord]):
    def __init__(self, feed: Feed, guard: _Guard) -> None:
        self._feed = feed
        self._guard = guard

    @override
    def next_batch(self) -> list[LogRecord]:
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
                self._effects.take([output for _, output in items])
            except BaseException as error:  # noqa: BLE001  (raised again by run_flow)
                self._guard.error = error
