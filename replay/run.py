"""Replay: the same shard flow over event streams, its decisions written to a folder.

The streams take the place of the live log. Batches change how much is handed on at once and nothing else.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from alerting.decision import Action, PolicyActivated, Source
from detectors.checks import EARLIEST
from detectors.scoring import ModelParams
from flows.alert_params import AlertParams
from flows.codec import BadRecord, Event
from flows.dataflow import run_flow, run_plain
from flows.habit_stage import WatchVisits
from flows.policy_file import parse_policy
from flows.sharding import ShardPlace
from flows.sqlite_shard import SHARD_FILE, SqliteShard
from flows.task import ShardTask
from replay.alerts import AlertWriter
from replay.damage import StreamDamage
from replay.dead_letters import DeadLetterWriter
from replay.decisions import DecisionWriter, OutcomeWriter
from replay.errors import RunError
from replay.run_effects import OutputCounts, RunEffects
from replay.sharded_run import ReplayedShard, ShardedFeed
from replay.stream_feed import FeedCounts, Pace, Progress, StreamFeed
from replay.streams import Placed, merge_placed, origin_of
from replay.summary import SUMMARY_FILE, write_summary
from replay.visits import VisitWriter

_NOWHERE: Final = 0
"""The place of what stands in no file; lines and rows count from 1."""


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
    shards
        By how many shards to decide, and whether they tell each other what they learn (``pooled``). With
        more than one, ``batch_size``, ``speed`` and ``plain`` mean nothing.
    keep_shard
        Leave the shard file (about a kilobyte per payment) in the run's folder, for `tapwatch explain`.
    """

    policy_text: str
    override_policy: bool = False
    batch_size: int = 256
    speed: float | None = None
    models: ModelParams = field(default_factory=ModelParams)
    alerts: AlertParams = field(default_factory=AlertParams)
    plain: bool = False
    keep_shard: bool = False
    shards: int = 1
    pooled: bool = True


_Ran = tuple[FeedCounts, ShardTask, dict[str, Any]]
"""What came in, a task whose model and policy are those of all, and what else a summary is to hold."""


def replay(
    streams: Sequence[Path], out: Path, params: ReplayParams, progress: Progress | None = None
) -> dict[str, Any]:
    """Replay ``streams``, merged by event time, into the folder ``out``; returns the summary.

    Where a file turns out damaged, what could be read is decided; ``damage`` in the summary says where.

    Raises
    ------
    StreamError
        When a stream can't be read at all.
    RunError
        When ``out`` holds a run already.
    """
    _refuse_existing(out)  # before any stream is opened
    return _run(merge_placed(streams), out, params, progress, streams)


def run_events(
    events: Iterator[Event], out: Path, params: ReplayParams, progress: Progress | None = None
) -> dict[str, Any]:
    """Replay ``events`` that are in no file into the folder ``out``; see :func:`replay`."""
    return _run(enumerate(events, start=1), out, params, progress, [])


def _run(
    events: Iterator[Placed],
    out: Path,
    params: ReplayParams,
    progress: Progress | None,
    streams: Sequence[Path],
) -> dict[str, Any]:
    _refuse_existing(out)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / name for name in _shard_files(params.shards)]
    for path in files:
        path.unlink(missing_ok=True)
    outputs = OutputCounts()
    started = time.perf_counter()
    with (
        ExitStack() as stack,
        DecisionWriter(out) as decisions,
        OutcomeWriter(out) as outcomes,
        AlertWriter(out) as alerts,
        VisitWriter(out) as visits,
        DeadLetterWriter(out) as dead_letters,
    ):
        shards = [stack.enter_context(closing(SqliteShard(path, durable=False))) for path in files]
        effects = [
            RunEffects(decisions, outcomes, alerts, dead_letters, outputs, shard.find) for shard in shards
        ]
        said = (
            visits.write,
            partial(_refuse, dead_letters, outputs),
            progress or _silent,
            partial(_origin_of, streams),
        )
        run = _run_sharded if params.shards > 1 else _run_single
        counts, task, more = run(_with_policy(events, params), params, shards, effects, *said)
    for path in () if params.keep_shard else files:
        path.unlink()
        path.with_name(f"{path.name}.lock").unlink()
    seconds = time.perf_counter() - started
    names = [path.name for path in streams]
    summary = _summary(names, counts, outputs, decisions.decisions_sha256, dead_letters.count, task)
    summary |= (
        alerts.summary()
        | {"visits": visits.count}
        | more
        | _speed(counts.read, outputs.actions.total(), seconds)
    )
    write_summary(out, summary)
    return summary


def _run_single(
    events: Iterator[Placed],
    params: ReplayParams,
    shards: Sequence[SqliteShard],
    effects: Sequence[RunEffects],
    watch_visits: WatchVisits,
    refuse: Callable[[BadRecord], None],
    progress: Progress,
    origin_of: Callable[[int], str],
) -> _Ran:
    shard = shards[0]
    task = ShardTask(shard, shard.find, params.models, watch_visits=watch_visits, alerts=params.alerts)
    pace = None if params.speed is None else Pace(params.speed)
    feed = StreamFeed(
        shard,
        task,
        events,
        batch_size=params.batch_size,
        pace=pace,
        refuse=refuse,
        progress=progress,
        origin_of=origin_of,
    )
    run = run_plain if params.plain else run_flow
    run(feed, effects[0])
    return feed.counts, task, {}


def _run_sharded(
    events: Iterator[Placed],
    params: ReplayParams,
    shards: Sequence[SqliteShard],
    effects: Sequence[RunEffects],
    watch_visits: WatchVisits,
    refuse: Callable[[BadRecord], None],
    progress: Progress,
    origin_of: Callable[[int], str],
) -> _Ran:
    replayed = []
    for number, (file, its_effects) in enumerate(zip(shards, effects, strict=True)):
        place = ShardPlace(number, params.shards) if params.pooled else None
        task = ShardTask(
            file, file.find, params.models, place=place, watch_visits=watch_visits, alerts=params.alerts
        )
        replayed.append(ReplayedShard(str(number), file, task, its_effects))
    feed = ShardedFeed(replayed, events, refuse, progress, origin_of)
    feed.run()
    return feed.counts, replayed[0].task, {"shards": [shard.summary() for shard in replayed]}


def _shard_files(shards: int) -> list[str]:
    return [SHARD_FILE] if shards == 1 else [f"shard-{number:04}.db" for number in range(shards)]


def _refuse(dead_letters: DeadLetterWriter, outputs: OutputCounts, record: BadRecord) -> None:
    dead_letters.write(record)
    if isinstance(record, StreamDamage):
        outputs.damage.append(record.as_dict())


def _refuse_existing(out: Path) -> None:
    if (out / SUMMARY_FILE).exists():
        raise RunError(f"{out}: holds a run already; choose another folder or remove it")


def _with_policy(events: Iterator[Placed], params: ReplayParams) -> Iterator[Placed]:
    """The events behind their policy, at the place where a fresh live log has it."""
    first = next(events, None)
    if params.override_policy or first is None or not isinstance(first[1], PolicyActivated):
        policy = PolicyActivated(params.policy_text, parse_policy(params.policy_text).version, EARLIEST)
        yield _NOWHERE, policy
    for placed in events if first is None else chain((first,), events):
        if not (params.override_policy and isinstance(placed[1], PolicyActivated)):
            yield placed


def _origin_of(streams: Sequence[Path], place: int) -> str:
    if place == _NOWHERE:
        return "the policy of the replay"
    return origin_of(streams, place) if streams else f"event {place}"


def _silent(_done: int, _total: int | None) -> None:
    """Nobody watches."""


def _summary(
    names: Sequence[str],
    counts: FeedCounts,
    outputs: OutputCounts,
    sha256: str,
    dead_letters: int,
    task: ShardTask,
) -> dict[str, Any]:
    decisions = outputs.actions.total()
    not_approved = decisions - outputs.actions[Action.APPROVE]
    return {
        "streams": list(names),
        "records_read": counts.read,
        "decisions": decisions,
        "outcomes": outputs.outcomes,
        "duplicates": counts.duplicates,
        "dead_letters": dead_letters,
        "damage": outputs.damage,
        "actions": {str(action): count for action, count in sorted(outputs.actions.items())},
        "fallbacks": outputs.sources[Source.FALLBACK],
        "share_not_approved": round(not_approved / decisions, 6) if decisions else 0.0,
        "model_version": task.model_version,
        "policy_version": task.policy.version if task.policy is not None else None,
        "currencies": asdict(task.policy.currencies) if task.policy is not None else None,
        "decisions_sha256": sha256,
    }


def _speed(records: int, decisions: int, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "records_per_s": round(records / seconds, 1),
        "decisions_per_s": round(decisions / seconds, 1),
        "peak_memory_mb": round(_peak_memory_mb(), 1),
    }


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)
