"""The shard process on Kafka: one flow over the shards that the group gives it."""

import os
import sqlite3
import sys
from functools import partial
from typing import Final

import structlog
from kafka.errors import KafkaError

from flows.answer_journal import journal_path
from flows.broker.committed import shard_group
from flows.broker.connection import BrokerError
from flows.broker.files import problem_of, put_aside
from flows.broker.first_policy import ensure_first_policy
from flows.broker.identity import partition_mark, process_id, run_id, topic_id
from flows.broker.membership import Membership
from flows.broker.params import KafkaParams
from flows.broker.publishing.publisher import Publisher
from flows.broker.shards.exchange import Exchange
from flows.broker.shards.fetching import Fetching
from flows.broker.shards.group import ShardGroup
from flows.broker.shards.holding import Holding
from flows.broker.shards.left_answers import send_left_answers
from flows.broker.shards.partition_feed import PartitionFeed
from flows.broker.shards.sender import Sender
from flows.broker.shards.snapshots import SnapshotFolder
from flows.broker.shards.snapshotter import Snapshotter
from flows.checkpointer import Checkpointer
from flows.dataflow import run_flow
from flows.fault_injection import BeforeBatch
from flows.file_lock import FileLockedError, lock_file
from flows.frames import Kind, Line
from flows.inbox import Inbox
from flows.shard_process import PATIENCE_S, ShardStart
from flows.sqlite_shard import ShardFileError

SWITCH_S: Final = 0.0005
"""How long a thread keeps the interpreter while others want it."""

_log = structlog.get_logger(__name__)
_UNUSABLE: Final = (BrokerError, KafkaError, ShardFileError, OSError, sqlite3.Error)


def run_partitions(line: Line, start: ShardStart, before_batch: BeforeBatch | None = None) -> None:
    """Serve a line until it ends, with the shards that the group gives us; raises what kills the flow."""
    # Answers pass through several threads, and the client's are busy: none may keep the interpreter for long.
    sys.setswitchinterval(SWITCH_S)
    params, folder = start.kafka, start.path.parent
    assert params is not None  # whoever starts us so has brokers
    inbox = Inbox(line)
    try:
        lock = lock_file(folder / "tapwatch.lock", PATIENCE_S)
    except FileLockedError:
        inbox.say(Kind.REFUSED, f"{folder}: another process uses this folder")
        return
    try:
        _prepare(params, start)
        process = _ShardProcess(line, inbox, params, start, before_batch)
    except _UNUSABLE as error:
        inbox.say(Kind.REFUSED, str(error))
        os.close(lock)
        return
    inbox.say(Kind.OPENED)
    process.run()
    os.close(lock)


def _prepare(params: KafkaParams, start: ShardStart) -> None:
    """Log what belongs into the logs before anything new."""
    if start.policy_text is not None:
        shards = ensure_first_policy(params, start.policy_text)
        if shards:
            _log.info("first_policy", shards=shards)
        answers = send_left_answers(params, journal_path(start.path))
        if answers:
            _log.info("left_answers_sent", answers=answers)


class _ShardProcess:
    """The parts of the process put together; threads that wait for others are daemons, and end with it."""

    def __init__(
        self,
        line: Line,
        inbox: Inbox,
        params: KafkaParams,
        start: ShardStart,
        before_batch: BeforeBatch | None,
    ) -> None:
        folder, run = start.path.parent, run_id()
        self._folder = folder
        name = process_id(folder)
        log_id = topic_id(params)
        snapshots = None
        if params.snapshots is not None:
            snapshots = SnapshotFolder(params.snapshots, partial(partition_mark, log_id))
        self._group = ShardGroup(params, f"{params.prefix}-{name[:8]}")
        self._exchange = Exchange(params, run, inbox)
        self._publisher = Publisher(params, name, self._group.metadata, self._fenced)
        self._checkpointer = Checkpointer()
        self._fetching = Fetching(params, log_id, folder, snapshots)
        self._snapshotter = None if snapshots is None else Snapshotter(snapshots)
        self._holding = Holding(
            folder,
            log_id,
            self._snapshotter,
            start.models,
            start.cached_objects,
            self._exchange,
            self._publisher,
            self._checkpointer,
            params,
            start.alerts,
        )
        self._sender = Sender(params, line, inbox, run, self._exchange.ask)
        self._membership = Membership(
            params, shard_group(params), self._group.member_id, self._holding.next_offsets
        )
        self._feed = PartitionFeed(
            self._group,
            self._membership,
            self._fetching,
            self._holding,
            inbox,
            self._sender.finished,
            start.max_batch,
            start.max_batch_s,
            before_batch,
        )

    def run(self) -> None:
        """Work until the line ends; then publish what was decided, hand the shards over, and leave."""
        self._exchange.start()
        self._checkpointer.start()
        self._publisher.start()
        if self._snapshotter is not None:
            self._snapshotter.start()
        self._sender.start()
        feed = self._feed
        self._membership.start()
        feed.join()
        try:
            run_flow(feed, feed)
        except BaseException as error:
            self._holding.drop_all()  # what is not stored may be what broke us
            if isinstance(error, sqlite3.DatabaseError):
                for file in self._folder.glob("shard-*.db"):
                    if (said := problem_of(file)) is not None:
                        put_aside(file, said)
            feed.rest()
            self._group.close()
            raise
        feed.rest()  # the client may take shards from now on, and must not wait for us
        self._membership.stop()
        self._publisher.stop()
        if self._snapshotter is not None:
            self._snapshotter.stop()
        self._group.close()  # the shards are handed over while it leaves
        self._fetching.stop()
        self._holding.close()
        self._sender.stop()
        self._exchange.stop()
        self._checkpointer.stop()

    def _fenced(self, _reason: str) -> None:
        """The publisher was refused: what is still ours, it must be told again."""
        self._feed.publish_again.set()
