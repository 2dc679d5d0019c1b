"""The engine of one shard: the flow on its own supervised thread, behind the port of the gRPC edge."""

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from alerting.decide import Decider
from alerting.decision import Decision, FallbackCause, PolicyActivated
from alerting.engine import (
    Explanation,
    Health,
    Pending,
    PendingReceipt,
    Published,
    Receipt,
    UnknownTransactionError,
)
from detectors.checks import EARLIEST
from detectors.events import Outcome, Payment
from detectors.features import FEATURE_VERSION, NAMES
from detectors.scoring import MODEL_VERSION, ModelParams
from flows import keys
from flows.answer_journal import log_answers, open_journal
from flows.dataflow import run_flow
from flows.intake import Intake, IntakeParams, Mode
from flows.live_feed import LiveFeed
from flows.log import NewRecord, event_key
from flows.metrics import Metrics
from flows.on_record import effective_decision, explain, known_decision, payment_event_id
from flows.policy_file import parse_policy
from flows.sqlite_shard import SqliteShard
from flows.task import ShardTask

DEGRADED_SHARE: Final = 0.01
"""Health is degraded while more than this share of the last minute's answers came from the fallback."""
RESTART_WAIT_S: Final = (0.0, 0.1, 0.5, 2.0, 5.0)
CHECKPOINT_EVERY_S: Final = 1.0
CHECKPOINT_AFTER: Final = 1_000
"""Transactions; a thousand fill about half of the reserved write-ahead log."""
PUBLISH_TIMEOUT_S: Final = 10.0
START_PATIENCE_S: Final = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineParams:
    """How one engine runs.

    Parameters
    ----------
    path
        The shard file.
    policy_text
        The policy to activate when another one, or none, is in force.
    cached_objects
        State objects kept in memory.
    """

    path: Path
    policy_text: str
    models: ModelParams = field(default_factory=ModelParams)
    intake: IntakeParams = field(default_factory=IntakeParams)
    cached_objects: int = 200_000


class Engine:
    """Implements :class:`alerting.engine.RiskEngine` on the embedded shard.

    Parameters
    ----------
    params
        Where the shard is and which policy applies.
    now
        The edge's clock; it stamps arrivals and is never seen by the task.
    before_batch
        Called by the flow with each batch's number of payments: where drills inject a stall.
    """

    def __init__(
        self,
        params: EngineParams,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        before_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._params = params
        self._now = now
        self._before_batch = before_batch
        self._shard = SqliteShard(params.path)
        self._journal = open_journal(self._shard)
        self._readers = threading.local()
        self._decider = _decider(params.policy_text)
        self._intake = Intake(
            self._fall_back, self._find_known, self._arrival_us, self._journal, params.intake
        )
        self._feed: LiveFeed | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._supervise, name="shard-flow"),
            threading.Thread(target=self._checkpoint, name="checkpointer", daemon=True),
        ]
        self.restarts = 0
        self.metrics = Metrics()
        self._export_gauges()

    # Life.

    def start(self) -> None:
        """Activate the policy and start the flow; returns when it has caught up with the log.

        Whoever asks again for an old payment finds its answer then. A flow that dies, or takes long, is not
        waited for: health tells of it.
        """
        self._shard.reserve_log()
        self._activate(self._params.policy_text)
        for thread in self._threads:
            thread.start()
        patient_until = self._intake.clock() + START_PATIENCE_S
        while self._intake.mode is Mode.CATCHING_UP and self._intake.clock() < patient_until:
            self._stopping.wait(0.001)

    def stop(self) -> None:
        """Finish what waits, commit it, and end the flow."""
        self._stopping.set()
        if self._feed is not None:
            self._feed.stopping = True
        for thread in self._threads:
            thread.join()
        self._intake.fail_waiting(Mode.DOWN)
        self._log_answers()
        self._shard.checkpoint()
        self._shard.close()

    def _log_answers(self) -> None:
        """Log the fallback answers that the flow, when it was down, did not come to."""
        try:
            log_answers(self._journal, self._shard)
        except sqlite3.Error as error:
            _log.error("answers_not_logged", kept="in the answer journal", reason=str(error))
        self._journal.close()

    def __enter__(self) -> "Engine":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def change_policy(self, text: str) -> Receipt:
        """Put another policy in force from the next log position on; raises PolicyError."""
        decider = _decider(text)
        event = PolicyActivated(text, decider.policy.version, self.now())
        receipt = self._intake.publish(event, PUBLISH_TIMEOUT_S)
        self._decider = decider
        return receipt

    def _activate(self, text: str) -> None:
        """Log the configured policy unless it is in force already; only while no flow runs."""
        stored = self._shard.load(keys.POLICY)
        if stored is not None and stored[1:].decode() == text:
            return
        # A fresh log begins with its policy at a fixed time, so that equal runs have equal logs.
        since = EARLIEST if self._shard.end == 0 else self.now()
        event = PolicyActivated(text, self._decider.policy.version, since)
        self._shard.append([NewRecord.of(event, self._arrival_us())])

    # The port.

    def submit(self, payment: Payment, deadline_s: float) -> Pending:
        """See :meth:`alerting.engine.RiskEngine.submit`."""
        return self._intake.submit(payment, deadline_s)

    def offer(self, event: Outcome | Published) -> PendingReceipt:
        """See :meth:`alerting.engine.RiskEngine.offer`."""
        return self._intake.offer(event)

    def publish(self, event: Outcome | Published) -> Receipt:
        """See :meth:`alerting.engine.RiskEngine.publish`."""
        return self._intake.publish(event, PUBLISH_TIMEOUT_S)

    def find_decision(self, tenant: str, transaction_id: str) -> Decision:
        """See :meth:`alerting.engine.RiskEngine.find_decision`."""
        key = event_key(payment_event_id(tenant, transaction_id))
        decision = self._intake.remembered(key) or effective_decision(self._reader(), tenant, transaction_id)
        if decision is None:
            raise UnknownTransactionError(transaction_id)
        return decision

    def find_user(self, tenant: str, transaction_id: str) -> str:
        """See :meth:`alerting.engine.RiskEngine.find_user`."""
        return self.find_decision(tenant, transaction_id).user_id

    def explain(self, tenant: str, transaction_id: str) -> Explanation:
        """See :meth:`alerting.engine.RiskEngine.explain`."""
        reader = self._reader()
        known = self._intake.remembered(event_key(payment_event_id(tenant, transaction_id)))
        patience = 100 if known is not None else 0
        while True:
            try:
                return explain(reader, tenant, transaction_id)
            except UnknownTransactionError:
                # Answered, but its ledger row shares the next flush: a matter of milliseconds.
                if not patience:
                    raise
            patience -= 1
            self._stopping.wait(0.01)

    def health(self) -> Health:
        """See :meth:`alerting.engine.RiskEngine.health`."""
        mode = self._intake.mode
        if mode is Mode.DOWN or self._stopping.is_set():
            return Health.NOT_SERVING
        if mode is Mode.CATCHING_UP:
            return Health.STARTING
        return Health.DEGRADED if self._intake.rate.share() > DEGRADED_SHARE else Health.SERVING

    def now(self) -> datetime:
        """See :meth:`alerting.engine.RiskEngine.now`."""
        return self._now()

    # Threads.

    def _supervise(self) -> None:
        """Run the flow; when it dies, answer those who wait and start it again from the last commit."""
        while not self._stopping.is_set():
            try:
                self._intake.mode = Mode.CATCHING_UP
                task = ShardTask(
                    self._shard, self._shard.find, self._params.models, self._params.cached_objects
                )
                self._feed = feed = LiveFeed(
                    self._shard, task, self._intake, self.metrics, self._before_batch
                )
                feed.stopping = self._stopping.is_set()
                run_flow(feed, task, feed)
            except BaseException as error:  # noqa: BLE001  (the edge of the thread; Bytewax panics too)
                cause = error.__cause__ or error.__context__ or error
                _log.error("flow_died", error=repr(error), cause=repr(cause), restarts=self.restarts)
                self._intake.fail_waiting(Mode.DOWN)
                wait_s = RESTART_WAIT_S[min(self.restarts, len(RESTART_WAIT_S) - 1)]
                self.restarts += 1
                self._stopping.wait(wait_s)

    def _checkpoint(self) -> None:
        """Keep the write-ahead log short without ever doing it inside a commit."""
        reader = self._shard.reader()
        moved = 0
        while not self._stopping.wait(CHECKPOINT_EVERY_S):
            if self._shard.transactions - moved > CHECKPOINT_AFTER:
                moved = self._shard.transactions
                reader.checkpoint()
                self._shard.finish_checkpoint()
        reader.close()

    def _export_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("log_position", "Position of the last log record.", lambda: self._shard.end)
        gauge("payments_waiting", "Payments that wait for the flow.", lambda: self._intake.waiting)
        gauge("fallback_share", "Fallback answers of the last minute (0..1).", self._intake.rate.share)
        self.metrics.counter("flow_restarts", "Times that the flow was started again.", lambda: self.restarts)
        gauge("write_ahead_log_bytes", "Size of the write-ahead log.", self._shard.wal_bytes)

    # What the intake asks for.

    def _fall_back(self, payment: Payment, cause: FallbackCause) -> Decision:
        return self._decider.fallback(payment, cause)

    def _find_known(self, record: NewRecord, payment: Payment) -> Decision | None:
        try:
            return known_decision(self._reader(), record, payment)
        except sqlite3.Error as error:
            # A file that can't be read is one more reason for the fallback to speak.
            _log.error("record_not_read", event_id=payment.event_id, reason=str(error))
            return None

    def _arrival_us(self) -> int:
        return time.time_ns() // 1_000

    def _reader(self) -> SqliteShard:
        reader: SqliteShard | None = getattr(self._readers, "shard", None)
        if reader is None:
            reader = self._readers.shard = self._shard.reader()
        return reader


def _decider(policy_text: str) -> Decider:
    return Decider(parse_policy(policy_text), NAMES, MODEL_VERSION, FEATURE_VERSION)
