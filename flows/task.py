"""The shard task: applies log records in order and owns all state of its shard. Plain Python, one thread."""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import replace
from struct import Struct
from typing import Final

import structlog

from alerting.alerts import Candidate, Suppressed
from alerting.decide import Decider
from alerting.decision import Decision, FallbackAnswered, FallbackCause, PolicyActivated
from alerting.policy import Policy
from detectors.events import Location, Outcome, Payment
from detectors.features import FEATURE_VERSION, NAMES
from detectors.joint_model import JointModel
from detectors.knowledge import ShardKnowledge
from detectors.learning import CATEGORY_MEMORY
from detectors.population import Population
from detectors.scoring import ModelParams, Scorer, model_version
from flows import keys
from flows.alert_params import AlertParams
from flows.alert_stages import AlertStages
from flows.codec import decode_decision, encode_alert, encode_decision
from flows.feedback_stage import FeedbackStage
from flows.habit_stage import WatchVisits
from flows.log import LogRecord, event_key
from flows.outputs import AlertRaised, Decided, OutcomeNoted, Output, TaskFault
from flows.payment_stage import PaymentStage
from flows.policy_file import parse_policy
from flows.pooling_stage import Memories, PoolingParams, PoolingStage
from flows.shard_time import ShardTime
from flows.sharding import ShardPlace
from flows.state import State
from flows.store import AlertRow, LedgerRow, OutcomeRow, Slice, StateStore

_log = structlog.get_logger(__name__)
_ENVIRONMENT: Final = (OSError, MemoryError, sqlite3.Error)
"""Faults that the log knows nothing of: contained, they would decide a payment, and a replay would differ."""
_NOTHING: Final[list[Output]] = []
_FEATURES: Final = Struct(f"{len(NAMES)}f")


class _PolicyText:
    """The policy in force, as state."""

    def __init__(self, text: str) -> None:
        self.text = text

    def pack(self) -> bytes:
        return b"\x01" + self.text.encode()

    @classmethod
    def unpack(cls, raw: bytes) -> "_PolicyText":
        return cls(raw[1:].decode())


class NoPolicyError(Exception):
    """A payment came before any policy: the log does not begin as it must."""


class ShardTask:
    """Turns log records into outputs and remembers what they teach.

    Outputs are a function of the records alone: batch sizes, cache sizes and restarts never show.

    Parameters
    ----------
    store
        Where the state was last committed; the task starts at ``store.position``.
    position_of
        Where in the log an event id stands.
    params
        The models' parameters.
    cached_objects
        How many state objects stay in memory.
    place
        Which of several shards this is; None when there is one. A shard that is one of several tells the
        others what it learned, and merges what its log holds of theirs. Only the first depends on the place.
    pooling
        When it tells.
    watch_visits
        Told of each visit that habits learn, and of how it had been foreseen.
    alerts
        The settings of alerts.
    """

    def __init__(
        self,
        store: StateStore,
        position_of: Callable[[str], int | None],
        params: ModelParams | None = None,
        cached_objects: int = 200_000,
        place: ShardPlace | None = None,
        pooling: PoolingParams | None = None,
        watch_visits: WatchVisits | None = None,
        alerts: AlertParams | None = None,
    ) -> None:
        self.position = store.position
        self._store = store
        self._position_of = position_of
        self._state = State(store, cached_objects)
        self._joint = JointModel.load(lambda part: self._state.load_raw(keys.JOINT + part))
        population = self._state.find(keys.POPULATION, Population) or Population()
        self._params = params or ModelParams()
        self.model_version = model_version(self._params)
        memories = Memories(self._params.merchant.memory, CATEGORY_MEMORY)
        self._pooling = PoolingStage(
            self._state, population, self._joint, memories, place, pooling or PoolingParams()
        )
        self._payments = PaymentStage(
            self._state, Scorer(self._params), self._joint, population, self._pooling.fresh, self._learned
        )
        self._feedback = FeedbackStage(self._state, self._payments, position_of)
        self._time = self._state.find(keys.CLOCK, ShardTime) or ShardTime()
        self._alert_stages = AlertStages(
            self._state, self._time.clock, self._decided_before, watch_visits, alerts
        )
        self._decider: Decider | None = None
        self.policy: Policy | None = None
        stored = self._state.find(keys.POLICY, _PolicyText)
        if stored is not None:
            self._set_policy(stored.text)
        self._applying = self.position
        self._unsettled: Payment | None = None
        self.learning_faults = 0
        self._ledger: list[LedgerRow] = []
        self._outcomes: list[OutcomeRow] = []
        self._alerts: list[AlertRow] = []

    def apply(self, record: LogRecord) -> list[Output]:
        """What follows from the next record. A fault of ours becomes an output, never an exception."""
        self.settle()
        self._applying = record.position
        told = self._pooling.tell_if_due(record.position)
        try:
            outputs = self._apply(record)
        except (KeyboardInterrupt, SystemExit, NoPolicyError, *_ENVIRONMENT):
            raise
        except BaseException as error:  # noqa: BLE001  (River's panics are no Exceptions)
            outputs = self._contain(record, error)
        self.position = record.position
        self._time.see(record.event, self._state)
        if more := self._alert(record, outputs):
            outputs = [*outputs, *more]
        for output in outputs:
            self._keep(output)
        return [*outputs, *told] if told else outputs

    def settle(self) -> None:
        """Learn what the last record teaches.

        It is put off until the answer is on its way, so that learning costs the caller nothing. Nothing can
        tell: the next record, and whoever asks for changes, comes after it.
        """
        unsettled, self._unsettled = self._unsettled, None
        if unsettled is None:
            return
        try:
            if self._payments.learn():
                self._feedback.apply_early(unsettled)
        except (KeyboardInterrupt, SystemExit, *_ENVIRONMENT):
            raise
        except BaseException as error:  # noqa: BLE001  (River's panics are no Exceptions)
            self._learning_failed(unsettled, error)

    def _learning_failed(self, payment: Payment, error: BaseException) -> None:
        self.learning_faults += 1
        _log.error("learning_failed", event_id=payment.event_id, error=repr(error))

    def changes(self) -> Slice:
        """All finished work since the last call, for one transaction."""
        self.settle()
        self._pooling.flush()
        for part, raw in self._joint.dirty_parts():
            self._state.put_raw(keys.JOINT + part, raw)
        work = Slice(self.position, self._state.changes(), self._ledger, self._outcomes, self._alerts)
        self._ledger, self._outcomes, self._alerts = [], [], []
        return work

    def told_lately(self) -> list[ShardKnowledge]:
        """What was told the other shards last: after a restart, whatever of it may not have reached them."""
        return self._pooling.told_lately()

    def _apply(self, record: LogRecord) -> list[Output]:
        event, position = record.event, record.position
        if isinstance(event, Payment):
            decided = self._payments.decide(position, event, self._policy_in_force())
            self._unsettled = event
            return [decided]
        if isinstance(event, Outcome):
            self._feedback.learn_outcome(position, event)
            return [OutcomeNoted(position, event)]
        if isinstance(event, Location):
            self._payments.locate(event)
        elif isinstance(event, FallbackAnswered):
            answered = self._payments.fall_back(position, event, self._policy_in_force())
            if not event.payment_logged:
                self._feedback.apply_early(event.payment)
            return [answered]
        elif isinstance(event, PolicyActivated):
            self._set_policy(event.text)
            self._state.put(keys.POLICY, _PolicyText(event.text))
        elif isinstance(event, ShardKnowledge):
            self._pooling.merge(event)
        return _NOTHING

    def _alert(self, record: LogRecord, outputs: list[Output]) -> list[Output]:
        """What alerts need of a record, and candidates; a fault here takes no decision back."""
        stages, found = self._alert_stages, list[Candidate]()
        try:
            for output in outputs:
                if isinstance(output, Decided):
                    found += stages.decided(output)
            stages.apply(record.position, record.event, found)
        except (KeyboardInterrupt, SystemExit, *_ENVIRONMENT):
            raise
        except BaseException as error:  # noqa: BLE001  (no alert is worth a payment)
            return [*_raised(record.position, found), _fault(record, error)]
        return list(_raised(record.position, found)) if found else _NOTHING

    def _learned(self, payment: Payment) -> None:
        """A payment was learned as normal, which habits learn as well."""
        try:
            self._alert_stages.learned(self._applying, payment)
        except (KeyboardInterrupt, SystemExit, *_ENVIRONMENT):
            raise
        except BaseException as error:  # noqa: BLE001  (a habit is worth no payment)
            self._learning_failed(payment, error)

    def _decided_before(self, decided: Decided) -> Decision | None:
        """The decision at the payment's own position, where that is an earlier one."""
        position = self._position_of(decided.payment.event_id)
        if position is None or position >= decided.position:
            return None
        at = bisect_left(self._ledger, position, key=lambda row: row.position)
        waiting = at < len(self._ledger) and self._ledger[at].position == position
        row = self._ledger[at] if waiting else self._store.ledger_row(position)
        return None if row is None else decode_decision(row.decision)

    def _contain(self, record: LogRecord, error: BaseException) -> list[Output]:
        fault = _fault(record, error)
        if not isinstance(record.event, Payment):
            return [fault]
        decider = self._policy_in_force()
        decision = decider.fallback(record.event, FallbackCause.FAULT, record.position)
        return [fault, Decided(record.position, record.event, decision, (), encode_decision(decision))]

    def _keep(self, output: Output) -> None:
        if isinstance(output, Decided):
            features = _FEATURES.pack(*output.features) if output.features else b""
            self._ledger.append(LedgerRow(output.position, output.encoded, features))
        elif isinstance(output, AlertRaised):
            alert, reason = output.alert, output.suppressed
            self._alerts.append(AlertRow.of(output.position, output.seq, alert, reason, output.encoded))
        elif isinstance(output, OutcomeNoted):
            outcome = output.outcome
            transaction_key = event_key(f"{Payment.kind}/{outcome.tenant}/{outcome.transaction_id}")
            self._outcomes.append(OutcomeRow(output.position, transaction_key))

    def _set_policy(self, text: str) -> None:
        self.policy = parse_policy(text)
        self._decider = Decider(self.policy, NAMES, self.model_version, FEATURE_VERSION)
        money = self.policy.currencies
        self._payments.scorer = Scorer(
            replace(self._params, reference_currency=money.base, rates=money.rates)
        )

    def _policy_in_force(self) -> Decider:
        if self._decider is None:
            raise NoPolicyError("the log holds a payment before its first policy")
        return self._decider


def _raised(position: int, candidates: Iterable[Candidate]) -> Iterable[Output]:
    for seq, candidate in enumerate(candidates):
        reason = candidate.reason if isinstance(candidate, Suppressed) else None
        yield AlertRaised(position, seq, candidate.alert, reason, encode_alert(candidate.alert))


def _fault(record: LogRecord, error: BaseException) -> TaskFault:
    return TaskFault(record.position, record.event.event_id, f"{type(error).__name__}: {error}")
