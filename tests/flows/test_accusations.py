"""A payment that somebody reported as a fraud is not learned, in whatever order the outcomes come."""

from dataclasses import replace

import pytest

from detectors.events import Outcome, Verdict
from flows import keys
from flows.codec import Event
from flows.early_outcome import EarlyOutcome
from tests.flows.shards_made import Shard, outcome, passed_challenge, payment

CHALLENGED = payment(3, mcc="7995")
FRAUD = outcome(3, Verdict.FRAUD)
PASSED = replace(passed_challenge(3), outcome_id="o-passed")
TAKEN_BACK = replace(outcome(3), outcome_id="o-taken-back")


def waits(*events: Event) -> bool:
    shard = Shard([payment(0), *events])
    shard.store.commit(shard.task.changes())
    return shard.store.load(keys.quarantine("default", "t-3")) is not None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((CHALLENGED, PASSED), False),
        ((CHALLENGED, FRAUD, PASSED), True),
        ((CHALLENGED, replace(PASSED, verdict=Verdict.FRAUD)), True),
        ((CHALLENGED, FRAUD, TAKEN_BACK), False),
        ((CHALLENGED, FRAUD, PASSED, TAKEN_BACK), False),
        ((FRAUD, CHALLENGED, PASSED), True),
        ((FRAUD, TAKEN_BACK, CHALLENGED), False),
        ((FRAUD, payment(3)), True),
        ((FRAUD, TAKEN_BACK, payment(3)), False),
    ],
)
def test_only_what_nobody_accuses_is_released(events: tuple[Event, ...], expected: bool) -> None:
    assert waits(*events) is expected


def test_a_passed_challenge_counts_for_the_payer_whoever_the_outcome_names() -> None:
    shard = Shard([payment(0), payment(1), CHALLENGED])
    other: Outcome = replace(PASSED, user_id="u-1")
    shard.add(other)
    assert shard.user("u-1").since_sca_count == 1
    assert shard.user("u-0").since_sca_count == 0


def test_an_early_outcome_of_the_first_version_accuses_nobody() -> None:
    assert EarlyOutcome.unpack(b"\x01\x01\x00") == EarlyOutcome(clears=True, authenticated=False)
    kept = EarlyOutcome(clears=False, authenticated=True, accuses=True)
    assert EarlyOutcome.unpack(kept.pack()) == kept
