"""The shard task: what it answers, what it learns and when, and that nothing but the log decides it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.decision import Action, FallbackCause, Source
from detectors.events import (
    Channel,
    Location,
    Merchant,
    Payment,
    PaymentType,
    Tick,
    Verdict,
)
from detectors.features import NAMES
from flows import keys
from flows.codec import Event, decode_decision
from flows.dataflow import ONLY_SHARD, Work, run_flow, run_plain
from flows.log import LogRecord, MemoryLog, NewRecord, event_key
from flows.outputs import Output, TaskFault
from flows.policy_file import default_policy_text
from flows.store import MemoryStore
from flows.task import NoPolicyError, ShardTask
from geo import Position
from tests.flows.shards_made import (
    NOON,
    Shard,
    decided,
    norms,
    outcome,
    passed_challenge,
    payment,
    policy,
)


class ListFeed:
    def __init__(self, task: ShardTask, records: Sequence[LogRecord], batch_size: int) -> None:
        self._task = task
        self._records = list(records)
        self._size = batch_size

    def next_batch(self) -> list[Work]:
        if not self._records:
            raise StopIteration
        batch, self._records = self._records[: self._size], self._records[self._size :]
        return [(ONLY_SHARD, (self._task, record)) for record in batch]


class Kept:
    def __init__(self) -> None:
        self.outputs: list[Output] = []

    def take(self, outputs: Sequence[tuple[str, Output]]) -> None:
        self.outputs += [output for _, output in outputs]


def test_each_payment_gets_one_decision_at_its_position() -> None:
    shard = Shard([payment(0), payment(1)])
    assert [(d.position, d.decision.transaction_id) for d in decided(shard.outputs)] == [
        (2, "t-0"),
        (3, "t-1"),
    ]
    assert [d.decision.log_position for d in decided(shard.outputs)] == [2, 3]


def test_a_log_without_a_policy_is_refused() -> None:
    log = MemoryLog()
    log.append([NewRecord.of(payment(0))])
    with pytest.raises(NoPolicyError):
        ShardTask(MemoryStore(), log.find).apply(log.read(0, 1)[0])


def test_a_later_policy_decides_from_its_position_on() -> None:
    shard = Shard([payment(0, mcc="7995")])
    mild = policy(default_policy_text())
    shard.add(replace(mild, event_time=NOON), payment(3, mcc="7995"))
    first, second = decided(shard.outputs)
    assert first.decision.rule_ids == ("casino",)
    assert second.decision.rule_ids == ()
    assert first.decision.policy_version != second.decision.policy_version


def test_an_event_that_no_stage_reads_passes_untouched() -> None:
    shard = Shard([Tick("x", "BTC", "USD", NOON, 1.0, 1.0, 1.0, 1.0, 1.0)])
    assert shard.outputs == []
    assert shard.task.position == 2


# Law 5: score, then learn; what was challenged waits.


def test_a_challenged_payment_is_counted_but_not_learned_until_it_is_cleared() -> None:
    shard = Shard([payment(0)])
    learned = norms(shard.user("u-0"))
    (answer,) = decided(shard.add(payment(3, mcc="7995")))
    assert answer.decision.action is Action.STEP_UP
    assert norms(shard.user("u-0")) == learned
    (after,) = decided(shard.add(payment(6)))
    counted = dict(zip(NAMES, after.features, strict=True))["user_count_1d"]
    assert counted == 3.0
    before_clearing = norms(shard.user("u-0"))
    shard.add(passed_challenge(3))
    assert norms(shard.user("u-0")) != before_clearing


def test_a_fraud_is_never_learned() -> None:
    shard = Shard([payment(0), payment(3, mcc="7995")])
    before = norms(shard.user("u-0"))
    shard.add(outcome(3, Verdict.FRAUD))
    assert norms(shard.user("u-0")) == before


def test_an_outcome_that_comes_before_its_payment_clears_it_when_it_comes() -> None:
    early = Shard([payment(0), outcome(3), payment(3, mcc="7995")])
    late = Shard([payment(0), payment(3, mcc="7995"), outcome(3)])
    assert norms(early.user("u-0")) == norms(late.user("u-0"))
    assert early.user("u-0").early_outcomes == 0
    assert early.store.load(keys.early("default", "t-3")) is None


def test_a_repeated_outcome_changes_nothing_more() -> None:
    shard = Shard([payment(0), payment(3, mcc="7995"), outcome(3)])
    before = shard.user("u-0").pack()
    shard.add(replace(outcome(3), outcome_id="o-again"))
    assert shard.user("u-0").pack() == before


def test_a_passed_challenge_resets_the_low_value_counters() -> None:
    shard = Shard([payment(0), payment(3), payment(6, mcc="7995")])
    assert shard.user("u-0").since_sca_count == 2
    shard.add(passed_challenge(6))
    assert shard.user("u-0").since_sca_count == 0
    assert shard.user("u-0").since_sca_eur_minor == 0


def test_a_refund_is_approved_and_moves_no_amount() -> None:
    shard = Shard([payment(0)])
    (answer,) = decided(shard.add(payment(3, payment_type=PaymentType.REFUND, amount_minor=90_000_00)))
    assert answer.decision.action is Action.APPROVE


def test_a_location_is_the_last_known_position_for_travel() -> None:
    paris, tokyo = Position(48.85, 2.35, 20.0), Position(35.68, 139.69, 20.0)
    shard = Shard([payment(0), Location("u-0", paris, NOON + timedelta(minutes=20))])
    (answer,) = decided(
        shard.add(payment(3, payer_position=tokyo, merchant_position=tokyo, channel=Channel.POS))
    )
    assert dict(zip(NAMES, answer.features, strict=True))["speed_kmh"] > 10_000


# Faults of ours.


class BrokenScorer:
    """Fails for one user, as a fault of ours would."""

    def __init__(self, scorer: object, user: str) -> None:
        self._scorer = scorer
        self._user = user

    def assess(self, event: Payment, subjects: object) -> object:
        if event.user_id == self._user:
            raise ZeroDivisionError("planted")
        return self._scorer.assess(event, subjects)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._scorer, name)


def test_a_fault_in_a_stage_is_answered_by_the_fallback_and_the_stream_goes_on() -> None:
    shard = Shard()
    stage = shard.task._payments
    stage.scorer = BrokenScorer(stage.scorer, "u-1")  # type: ignore[assignment]
    outputs = shard.add(payment(0), payment(1), payment(2))
    assert [d.decision.source for d in decided(outputs)] == [Source.ENGINE, Source.FALLBACK, Source.ENGINE]
    (fault,) = [output for output in outputs if isinstance(output, TaskFault)]
    assert "planted" in fault.reason
    assert decided(outputs)[1].decision.fallback_cause is FallbackCause.FAULT


# Law 3: a function of the log alone.


def stream(count: int) -> list[Event]:
    events: list[Event] = [policy()]
    for number in range(count):
        casino = {"mcc": "7995"} if number % 13 == 4 else {}
        huge = {"amount_minor": 9_000_000} if number % 29 == 20 else {}
        events.append(payment(number, **casino, **huge))
        if number % 17 == 9:
            events.append(passed_challenge(number - 5))
        if number % 31 == 7:
            events.append(outcome(number + 4))
        if number % 11 == 6:
            shop = Merchant(f"m-{number % 5}", events[-1].event_time, closed=number % 4 == 0)
            events.append(replace(shop, position=Position(50.0, 4.0 + number / 1e3)))
        if number % 9 == 3:
            events.append(Location(f"u-{number % 3}", Position(50.0, 4.0, 30.0), events[-1].event_time))
    return events


def logged(events: Sequence[Event]) -> MemoryLog:
    log = MemoryLog()
    log.append([NewRecord.of(event) for event in events])
    return log


LOG = logged(stream(700))


def straight_run() -> tuple[list[bytes], MemoryStore]:
    store, kept = MemoryStore(), Kept()
    task = ShardTask(store, LOG.find)
    run_plain(ListFeed(task, LOG.read(0, 10_000), 10_000), kept)
    store.commit(task.changes())
    return [d.encoded for d in decided(kept.outputs)], store


ANSWERS, STATE = straight_run()


def persistent(store: MemoryStore) -> dict[str, bytes]:
    # The joint model's tail is a journal whose chunks on disk depend on when commits came.
    return {key: value for key, value in store.states.items() if not key.startswith(keys.JOINT + "tail/")}


@pytest.mark.parametrize("batch_size", [1, 16, 256])
def test_the_dataflow_equals_the_plain_runner_at_any_batch_size(batch_size: int) -> None:
    kept = Kept()
    task = ShardTask(MemoryStore(), LOG.find)
    run_flow(ListFeed(task, LOG.read(0, 10_000), batch_size), kept)
    assert [d.encoded for d in decided(kept.outputs)] == ANSWERS


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, LOG.end - 1), max_size=6).map(sorted),
    lost=st.integers(0, 60),
    cached=st.sampled_from([2, 7, 200_000]),
)
def test_stopped_and_resumed_equals_uninterrupted(cuts: list[int], lost: int, cached: int) -> None:
    """At each cut the task dies; what it did since the last commit is done again by the next one."""
    store = MemoryStore()
    answers: dict[int, bytes] = {}
    for end in [*cuts, LOG.end]:
        task = ShardTask(store, LOG.find, cached_objects=cached)
        records = LOG.read(task.position, max(0, end - task.position))
        for number, record in enumerate(records):
            for answer in decided(task.apply(record)):
                assert answers.setdefault(answer.position, answer.encoded) == answer.encoded
            last = end == LOG.end and number == len(records) - 1
            if last or (number % 40 == 39 and number < len(records) - lost):
                store.commit(task.changes())
    assert [answers[position] for position in sorted(answers)] == ANSWERS
    assert persistent(store) == persistent(STATE)


def test_the_ledger_holds_each_decision_with_its_features_and_outcomes() -> None:
    shard = Shard([payment(0), outcome(0)])
    shard.commit()
    row = shard.store.ledger_row(2)
    assert row is not None
    assert decode_decision(row.decision) == decided(shard.outputs)[0].decision
    assert len(row.features) == 4 * len(NAMES)
    assert shard.store.outcome_positions(event_key("payment/default/t-0")) == [3]


def test_no_label_acts_before_its_position() -> None:
    """Look-ahead guard: decisions before an outcome are the same whether the outcome follows or not."""
    events = stream(120)
    labelled = [*events[:60], *(outcome(n, Verdict.FRAUD) for n in range(40)), *events[60:]]
    shard, plain = Shard(labelled[1:]), Shard(events[1:])
    before = [d.encoded for d in decided(shard.outputs) if d.position <= 60]
    assert before == [d.encoded for d in decided(plain.outputs) if d.position <= 60]


def test_a_fault_of_the_environment_is_not_taken_for_a_decision() -> None:
    shard = Shard()
    stage = shard.task._payments

    class FullDisk(BrokenScorer):
        def assess(self, *_: object) -> object:
            raise OSError("no space left on device")

    stage.scorer = FullDisk(stage.scorer, "u-0")  # type: ignore[assignment]
    with pytest.raises(OSError, match="no space"):
        shard.add(payment(0))
