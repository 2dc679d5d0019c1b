"""Replay: the same shard flow over event streams, its decisions written to a folder.

The streams take the place of the live log. Batches change how much is handed on at once and nothing else.
"""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from alerting.decision import PolicyActivated, Source
from detectors.events import EARLIEST
from detectors.scoring import ModelParams
from flows.codec import BadRecord, Event
from flows.dataflow import run_flow, run_plain
from flows.log import LogRecord, NewRecord
from flows.outputs import Decided, OutcomeNoted, Output
from flows.policy_file import parse_policy
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.task import ShardTask
from replay.dead_letters import DeadLetterWriter
from replay.decisions import DecisionWriter, OutcomeWriter
from replay.errors import RunError
from replay.streams import merge_streams

SUMMARY_FILE: Final = "summary.json"
APPEND_AT_ONCE: Final = 2_048
COMMIT_EVERY: Final = 16_384
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class ReplayParams:
    """How to replay.

    Parameters
    ----------
    policy_text
        The policy, unless the stream begins with one of its own (a recording does).
    override_policy
        Use ``policy_text`` in place of all policies in the stream: "what if".
    batch_size
        Records that the flow takes at once.
    speed
        Event seconds per second; None is as fast as possible.
    plain
        Run without Bytewax, as an oracle.
    """

    policy_text: str
    override_policy: bool = False
    batch_size: int = 256
    speed: float | None = None
    models: ModelParams = field(default_factory=ModelParams)
    plain: bool = False


@dataclass(slots=True)
class _Counts:
    read: int = 0
    duplicates: int = 0
    conflicts: int = 0
    faults: int = 0
    outcomes: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)


def replay(
    streams: Sequence[Path], out: Path, params: ReplayParams, progress: Progress | None = None
) -> dict[str, Any]:
    """Replay ``streams``, merged by event time, into the folder ``out``; returns the summary.

    Raises
    ------
    StreamError
        When a stream can't be read at all.
    RunError
        When ``out`` holds a run already.
    """
    if (out / SUMMARY_FILE).exists():
        raise RunError(f"{out}: holds a run already; choose another folder or remove it")
    out.mkdir(parents=True, exist_ok=True)
    (out / SHARD_FILE).unlink(missing_ok=True)
    shard = SqliteShard(out / SHARD_FILE, durable=False)
    counts = _Counts()
    started = time.perf_counter()
    task = ShardTask(shard, shard.find, params.models)
    with (
        DecisionWriter(out) as decisions,
        OutcomeWriter(out) as outcomes,
        DeadLetterWriter(out) as dead_letters,
    ):
        events = _with_policy(merge_streams(streams), params)
        feed = _StreamFeed(shard, task, events, params, counts, dead_letters, progress)
        run = run_plain if params.plain else run_flow
        run(feed, task, _RunEffects(decisions, outcomes, dead_letters, counts, shard.find))
    shard.close()
    seconds = time.perf_counter() - started
    summary = _summary(streams, counts, decisions.decisions_sha256, dead_letters.count, seconds, task)
    (out / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _with_policy(events: Iterator[Event | BadRecord], params: ReplayParams) -> Iterator[Event | BadRecord]:
    """The events behind their policy, at the place where a fresh live log has it."""
    first = next(events, None)
    if params.override_policy or not isinstance(first, PolicyActivated):
        yield PolicyActivated(params.policy_text, parse_policy(params.policy_text).version, EARLIEST)
    for event in events if first is None else chain((first,), events):
        if not (params.override_policy and isinstance(event, PolicyActivated)):
            yield event


class _StreamFeed:
    """Gives the streams' events their log positions and hands them on."""

    def __init__(
        self,
        shard: SqliteShard,
        task: ShardTask,
        events: Iterator[Event | BadRecord],
        params: ReplayParams,
        counts: _Counts,
        dead_letters: DeadLetterWriter,
        progress: Progress | None,
    ) -> None:
        self._shard = shard
        self._task = task
        self._events = events
        self._batch_size = params.batch_size
        self._pace = None if params.speed is None else _Pace(params.speed)
        self._counts = counts
        self._dead_letters = dead_letters
        self._progress = progress
        self._ready: list[LogRecord] = []
        self._at = 0
        self._committed = 0

    def next_batch(self) -> list[LogRecord]:
        """See :meth:`flows.dataflow.Feed.next_batch`."""
        if self._at >= len(self._ready):
            self._append_more()
        batch = self._ready[self._at : self._at + self._batch_size]
        self._at += len(batch)
        if self._pace is not None and batch:
            batch = self._wait_for(batch)
        return batch

    def _wait_for(self, batch: list[LogRecord]) -> list[LogRecord]:
        """At a given speed, hand on one record when its time has come."""
        assert self._pace is not None
        self._at -= len(batch) - 1
        self._pace.wait(batch[0].event.event_time.timestamp())
        return batch[:1]

    def _append_more(self) -> None:
        events = list(islice(self._events, APPEND_AT_ONCE))
        if not events:
            self._shard.commit(self._task.changes())
            raise StopIteration
        self._counts.read += len(events)
        fresh = []
        for event in events:
            if isinstance(event, BadRecord):
                self._dead_letters.write(event)
            else:
                fresh.append(NewRecord.of(event))
        work = None
        if self._task.position - self._committed >= COMMIT_EVERY:
            work = self._task.changes()
            self._committed = self._task.position
        self._ready = [
            LogRecord(place.position, record.event)
            for record, place in zip(fresh, self._shard.append_and_commit(fresh, work), strict=True)
            if not self._is_known(record, place.duplicate, place.conflict)
        ]
        self._at = 0
        if self._progress is not None:
            self._progress(self._counts.read, None)

    def _is_known(self, record: NewRecord, duplicate: bool, conflict: bool) -> bool:
        self._counts.duplicates += duplicate and not conflict
        if conflict:
            self._counts.conflicts += 1
            reason = f"{record.event.event_id}: the id came before with other content"
            self._dead_letters.write(BadRecord(reason, "stream", record.payload))
        return duplicate


class _Pace:
    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun: tuple[float, float] | None = None

    def wait(self, event_s: float) -> None:
        """Sleep until the event's time has come at this speed."""
        now = time.monotonic()
        if self._begun is None or event_s < self._begun[1]:
            self._begun = (now, event_s)
        due = self._begun[0] + (event_s - self._begun[1]) / self._speed
        if due > now:
            time.sleep(due - now)


class _RunEffects:
    """Writes outputs to the run's folder."""

    def __init__(
        self,
        decisions: DecisionWriter,
        outcomes: OutcomeWriter,
        dead_letters: DeadLetterWriter,
        counts: _Counts,
        position_of: Callable[[str], int | None],
    ) -> None:
        self._position_of = position_of
        self._decisions = decisions
        self._outcomes = outcomes
        self._dead_letters = dead_letters
        self._counts = counts

    def _replaced_by(self, output: Decided) -> int | None:
        """The position of the engine's own decision that a fallback's stands above, if there is one."""
        if output.decision.source is Source.ENGINE:
            return None
        position = self._position_of(output.payment.event_id)
        return position if position != output.position else None

    def take(self, outputs: Sequence[Output]) -> None:
        """See :meth:`flows.dataflow.Effects.take`."""
        for output in outputs:
            if isinstance(output, Decided):
                self._decisions.write(output.decision, output.payment, self._replaced_by(output))
                self._counts.actions[output.decision.action] += 1
                self._counts.sources[output.decision.source] += 1
            elif isinstance(output, OutcomeNoted):
                self._counts.outcomes += 1
                self._outcomes.write(output.outcome, output.position)
            else:
                self._counts.faults += 1
                letter = BadRecord(output.reason, f"log position {output.position}", output.event_id.encode())
                self._dead_letters.write(letter)


def _summary(
    streams: Sequence[Path],
    counts: _Counts,
    sha256: str,
    dead_letters: int,
    seconds: float,
    task: ShardTask,
) -> dict[str, Any]:
    decisions = sum(counts.actions.values())
    return {
        "streams": [path.name for path in streams],
        "records_read": counts.read,
        "decisions": decisions,
        "outcomes": counts.outcomes,
        "duplicates": counts.duplicates,
        "dead_letters": dead_letters,
        "actions": dict(sorted(counts.actions.items())),
        "fallbacks": counts.sources[Source.FALLBACK],
        "share_not_approved": round(1 - counts.actions["APPROVE"] / decisions, 6) if decisions else 0.0,
        "policy_version": task.policy.version if task.policy is not None else None,
        "decisions_sha256": sha256,
        "seconds": round(seconds, 3),
        "records_per_s": round(counts.read / seconds, 1),
        "decisions_per_s": round(decisions / seconds, 1),
        "peak_memory_mb": round(_peak_memory_mb(), 1),
    }


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)
