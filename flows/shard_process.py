"""The shard process: one flow, its log and its store, away from the interpreter that talks to callers.

The gRPC edge and the shard task would share one interpreter lock: at 500 payments a second each waits for the
other longer than both work. So the flow has a process of its own, and one thread in it. It ends when its line
does, after it has logged and committed what came; when the server is killed, Linux kills it too.
"""

import copyreg
import pickle
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from detectors.scoring import ModelParams
from flows import keys
from flows.alert_params import AlertParams
from flows.answer_journal import log_left_answers
from flows.broker.params import KafkaParams
from flows.checkpointer import Checkpointer
from flows.dataflow import run_flow
from flows.fault_injection import BeforeBatch, Faults
from flows.frames import Frame, Kind, Line
from flows.garbage import calm_garbage_collector
from flows.inbox import Inbox
from flows.live_feed import LiveFeed
from flows.log import NewRecord
from flows.policy_file import parse_policy
from flows.process_log import configure_logging
from flows.sqlite_shard import ShardFileError, SqliteShard
from flows.task import ShardTask

PATIENCE_S: Final = 3.0
"""How long a shard process that is ending may still hold the file."""

_log = structlog.get_logger(__name__)


def _read_only(values: dict[str, float]) -> "MappingProxyType[str, float]":
    return MappingProxyType(values)


copyreg.pickle(MappingProxyType, lambda proxy: (_read_only, (dict(proxy),)))


@dataclass(frozen=True, slots=True)
class ShardStart:
    """All that a shard process is told.

    Parameters
    ----------
    path
        The shard file.
    policy_text
        The policy to put in force unless it is; None keeps what is in force.
    since
        When that policy is put in force.
    cached_objects
        State objects kept in memory.
    max_batch, max_batch_s
        See :class:`flows.live_feed.LiveFeed`.
    faults
        For drills; see :mod:`flows.fault_injection`.
    kafka
        Where the shard logs are, if they are partitions: then the process owns as many shards as the group
        gives it, each with a file beside ``path``.
    alerts
        The settings of alerts.
    """

    path: Path
    policy_text: str | None
    since: datetime
    models: ModelParams
    cached_objects: int
    max_batch: int
    max_batch_s: float
    log_format: str = "console"
    faults: Faults | None = None
    kafka: KafkaParams | None = None
    alerts: AlertParams = field(default_factory=AlertParams)


def run_shard(line: Line, start: ShardStart, before_batch: BeforeBatch | None = None) -> None:
    """Serve a line until it ends; raises what kills the flow."""
    inbox = Inbox(line)
    try:
        shard = SqliteShard(start.path, patience_s=PATIENCE_S)
    except ShardFileError as error:
        inbox.say(Kind.REFUSED, str(error))
        return
    with closing(shard):
        try:
            _prepare(shard, start)
        except (ShardFileError, sqlite3.Error) as error:
            inbox.say(Kind.REFUSED, str(error))
            return
        inbox.say(Kind.OPENED)
        with _checkpoints(shard):
            task = ShardTask(shard, shard.find, start.models, start.cached_objects, alerts=start.alerts)
            feed = LiveFeed(shard, task, inbox, start.max_batch, start.max_batch_s, before_batch)
            run_flow(feed, feed)
        shard.checkpoint()


def _prepare(shard: SqliteShard, start: ShardStart) -> None:
    """Log what belongs into the log before anything new."""
    shard.reserve_log()
    if start.policy_text is not None:
        log_left_answers(shard)
        _activate(shard, start.policy_text, start.since)


def _activate(shard: SqliteShard, text: str, since: datetime) -> None:
    """Log the configured policy unless it is in force already."""
    stored = shard.load(keys.POLICY)
    if stored is not None and stored[1:].decode() == text:
        return
    # A fresh log begins with its policy at a fixed time, so that equal runs have equal logs.
    event = PolicyActivated(text, parse_policy(text).version, EARLIEST if shard.end == 0 else since)
    shard.append([NewRecord.of(event, int(since.timestamp() * 1e6))])


@contextmanager
def _checkpoints(shard: SqliteShard) -> Iterator[None]:
    checkpointer = Checkpointer()
    checkpointer.watch(shard)
    checkpointer.start()
    try:
        yield
    finally:
        checkpointer.stop()


def serve_connection(connection: socket.socket) -> int:
    """Be told what to do over ``connection``, and do it; gives the process's exit code."""
    line = Line(connection)
    told: list[Frame] = []
    while not told and not line.closed:
        told = line.receive(None)
    if not told:
        return 0
    start: ShardStart = pickle.loads(told[0].body)  # from our own parent
    configure_logging(start.log_format)
    calm_garbage_collector()
    try:
        run = run_shard if start.kafka is None else _run_partitions
        run(line, start, None if start.faults is None else start.faults.hook())
    except BaseException as error:  # noqa: BLE001  (the edge of the process; Bytewax panics too)
        cause = error.__cause__ or error.__context__ or error
        _log.error("flow_died", error=repr(error), cause=repr(cause))
        return 3
    return 0


def _run_partitions(line: Line, start: ShardStart, before_batch: BeforeBatch | None) -> None:
    from flows.broker.shards.run_partitions import (
        run_partitions,  # the Kafka client, which embedded shards need not
    )

    run_partitions(line, start, before_batch)
