"""The engine of one shard: its process supervised, its requests answered, behind the port of the edge."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from alerting.decide import Decider
from alerting.decision import Decision, FallbackCause, PolicyActivated
from alerting.engine import (
    Explanation,
    Health,
    Loop,
    Pending,
    PendingReceipt,
    Published,
    Receipt,
    UnknownTransactionError,
)
from alerting.policy import policy_version
from detectors.events import Outcome, Payment
from detectors.features import FEATURE_VERSION, NAMES
from detectors.scoring import ModelParams, model_version
from flows.alert_params import AlertParams
from flows.answer_journal import AnswerJournal, journal_path, log_answers
from flows.book import Book, LocalBook
from flows.broker.params import KafkaParams
from flows.broker.shards.asked_book import AskedBook
from flows.broker.shards.figures import Figures
from flows.broker.shards.figures_exported import export_figures
from flows.fault_injection import Faults
from flows.hearing import Hearing
from flows.intake import Intake, IntakeParams, Mode
from flows.log import NewRecord, event_key
from flows.metrics import Metrics
from flows.on_record import payment_event_id
from flows.policy_file import parse_policy
from flows.questioning import Questioning
from flows.shard_process import ShardStart
from flows.shard_spawn import ShardSpawner
from flows.sqlite_shard import ShardFileError, SqliteShard, wal_bytes
from flows.supervision import Spawn, Supervisor

DEGRADED_SHARE: Final = 0.01
"""Health is degraded while more than this share of the last minute's answers came from the fallback."""
PUBLISH_TIMEOUT_S: Final = 10.0
KAFKA_WINDOW: Final = 64
"""Payments of a shard under way at least where its log is on Kafka: most of that time the broker has them."""
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
    log_format, faults, kafka, alerts
        See :class:`flows.shard_process.ShardStart`.
    """

    path: Path
    policy_text: str
    models: ModelParams = field(default_factory=ModelParams)
    intake: IntakeParams = field(default_factory=IntakeParams)
    cached_objects: int = 200_000
    log_format: str = "console"
    faults: Faults | None = None
    kafka: KafkaParams | None = None
    alerts: AlertParams = field(default_factory=AlertParams)


class Engine:
    """Implements :class:`alerting.engine.RiskEngine` on the embedded shard, or on shards that Kafka holds.

    Parameters
    ----------
    params
        Where the shard is and which policy applies.
    now
        The edge's clock; it stamps arrivals and is never seen by the task.
    spawn
        Starts the shard process; a :class:`~flows.shard_spawn.ShardSpawner` unless told otherwise.
    """

    def __init__(
        self,
        params: EngineParams,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        spawn: Spawn | None = None,
    ) -> None:
        self._params = params
        self._now = now
        self._journal = AnswerJournal(journal_path(params.path))
        self._decider = _decider(params.policy_text, params.models)
        self._intake = Intake(
            self._fall_back,
            self._find_known,
            self._arrival_us,
            self._journal,
            params.intake if params.kafka is None else replace(params.intake, min_window=KAFKA_WINDOW),
            shards=1 if params.kafka is None else params.kafka.shards,
            alone=params.kafka is None,
        )
        self._told_of_policy = False
        self._stopping = threading.Event()
        self._questioning = Questioning(self._intake.dispatch)
        self._book = self._open_book()
        self.metrics = Metrics()
        self._heard = Hearing(self._intake, self._questioning, self.metrics, self._adopt_policy)
        self._supervisor = Supervisor(
            spawn or ShardSpawner(),
            self._shard_start,
            self._heard.opened,
            self._heard.hear,
            self._heard.ended,
        )
        self._export_gauges()

    def _open_book(self) -> Book:
        params = self._params
        if params.kafka is None:
            return LocalBook(params.path, self._stopping.wait)
        return AskedBook(params.path.parent, params.kafka.shards, self._questioning.ask)

    # Life.

    def start(self) -> None:
        """Start the shard process and put the policy in force; returns when it has caught up with its log.

        Whoever asks again for an old payment finds its answer then. A process that dies, or takes long, is
        not waited for: health tells of it.

        Raises
        ------
        ShardFileError
            When the shard file can't be used.
        """
        try:
            self._supervisor.start()
        except ShardFileError:
            self._journal.close()
            raise
        patient_until = self._intake.clock() + START_PATIENCE_S
        while self._intake.mode is Mode.CATCHING_UP and self._intake.clock() < patient_until:
            self._stopping.wait(0.001)

    def stop(self) -> None:
        """Finish what waits, commit it, and end the shard process; one that stands still is killed."""
        self._stopping.set()
        self._intake.dispatch.finish()
        self._supervisor.stop()
        self._intake.fail_waiting(Mode.DOWN)
        self._log_answers()

    def _log_answers(self) -> None:
        """Log the fallback answers that no shard process was there to take; on Kafka the next start does."""
        try:
            if self._journal.read() and self._params.kafka is None:
                with closing(SqliteShard(self._params.path, patience_s=START_PATIENCE_S)) as shard:
                    log_answers(self._journal, shard)
        except (sqlite3.Error, ShardFileError) as error:
            _log.error("answers_not_logged", kept="in the answer journal", reason=str(error))
        self._journal.close()

    def __enter__(self) -> "Engine":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def policy_version(self) -> str:
        """The version of the policy in force."""
        return self._decider.policy.version

    def change_policy(self, text: str) -> Receipt:
        """Put another policy in force from the next log position on.

        Raises
        ------
        PolicyError
            When it can't be used.
        EngineUnavailableError
            When the log did not take it in time; should it still do so, the policy acts from there.
        """
        decider = _decider(text, self._params.models)
        patient_until = self._intake.clock() + PUBLISH_TIMEOUT_S
        while self._intake.mode is Mode.DOWN and self._intake.clock() < patient_until:
            if self._stopping.wait(0.02):  # a shard process that died is back in a moment
                break
        publication = self._intake.offer(PolicyActivated(text, decider.policy.version, self.now()))

        def adopt() -> None:
            if publication.receipt is not None:
                self._decider = decider

        publication.on_settled(adopt)
        return publication.wait(PUBLISH_TIMEOUT_S)

    def _adopt_policy(self, told: str | None) -> None:
        """Take over the policy in force by the log: who logged it may have died before it said so."""
        text = self._book.policy_text() if told is None else told
        if told is not None and told != self._params.policy_text and not self._told_of_policy:
            self._told_of_policy = True
            _log.warning(
                "policy_of_the_log_differs",
                in_force=policy_version(told),
                configured=policy_version(self._params.policy_text),
                advice="SIGHUP puts the configured one in force, for all shards",
            )
        if text and policy_version(text) != self.policy_version:
            self._decider = _decider(text, self._params.models)

    def _shard_start(self, again: bool) -> ShardStart:
        params, faults = self._params, self._params.faults
        return ShardStart(
            params.path,
            params.policy_text if not again else None,
            self.now(),
            params.models,
            params.cached_objects,
            params.intake.max_batch,
            params.intake.max_batch_s,
            params.log_format,
            replace(faults, die_at=0) if faults is not None and again else faults,
            params.kafka,
            params.alerts,
        )

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
        if self._intake.alone:
            decision = self._intake.remembered(key) or self._book.find(tenant, transaction_id)
        else:  # another process may have answered since
            decision = self._book.find(tenant, transaction_id) or self._intake.remembered(key)
        if decision is None:
            raise UnknownTransactionError(transaction_id)
        return decision

    def find_user(self, tenant: str, transaction_id: str) -> str:
        """See :meth:`alerting.engine.RiskEngine.find_user`."""
        return self.find_decision(tenant, transaction_id).user_id

    def explain(self, tenant: str, transaction_id: str) -> Explanation:
        """See :meth:`alerting.engine.RiskEngine.explain`."""
        return self._book.explain(tenant, transaction_id, self._heard.position)

    def hear_on(self, loop: Loop) -> None:
        """See :meth:`alerting.engine.RiskEngine.hear_on`."""
        self._supervisor.lend(loop)

    def hear_alone(self) -> None:
        """See :meth:`alerting.engine.RiskEngine.hear_alone`."""
        self._supervisor.take_back()

    @property
    def restarts(self) -> int:
        """How often the shard process was started again."""
        return self._supervisor.restarts

    @property
    def log_position(self) -> int:
        """The last log position that was heard of."""
        return self._heard.position

    @property
    def figures(self) -> Figures:
        """What the shard process on Kafka said last of itself."""
        return self._heard.figures

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

    def _export_gauges(self) -> None:
        gauge = self.metrics.gauge
        if self._params.kafka is not None:
            export_figures(self.metrics, lambda: self.figures)
        gauge("log_position", "Position of the last log record.", lambda: self._heard.position)
        gauge("payments_waiting", "Payments that wait for the flow.", lambda: self._intake.waiting)
        gauge("fallback_share", "Fallback answers of the last minute (0..1).", self._intake.rate.share)
        self.metrics.counter("flow_restarts", "Times that the flow was started again.", lambda: self.restarts)
        gauge("write_ahead_log_bytes", "Size of the write-ahead log.", lambda: wal_bytes(self._params.path))

    # What the intake asks for.

    def _fall_back(self, payment: Payment, cause: FallbackCause) -> Decision:
        return self._decider.fallback(payment, cause)

    def _find_known(self, record: NewRecord, payment: Payment) -> Decision | None:
        try:
            return self._book.known(record, payment)
        except (OSError, sqlite3.Error) as error:
            # A file that can't be read is one more reason for the fallback to speak.
            _log.error("record_not_read", event_id=payment.event_id, reason=str(error))
            return None

    def _arrival_us(self) -> int:
        return time.time_ns() // 1_000


def _decider(policy_text: str, models: ModelParams) -> Decider:
    return Decider(parse_policy(policy_text), NAMES, model_version(models), FEATURE_VERSION)
