"""What the shard task makes of answers that the fallback gave."""

from alerting.decision import Action, FallbackAnswered, FallbackCause, Source
from flows import keys
from tests.flows.shards_made import Shard, decided, norms, outcome, payment


def test_a_fallback_for_a_logged_payment_becomes_the_answer_in_force() -> None:
    shard = Shard([payment(0)])
    answered = FallbackAnswered(
        payment(0), Action.STEP_UP, FallbackCause.DEADLINE, "p-then", payment_logged=True
    )
    (answer,) = decided(shard.add(answered))
    decision = answer.decision
    assert (decision.action, decision.source, decision.fallback_cause) == (
        Action.STEP_UP,
        Source.FALLBACK,
        FallbackCause.DEADLINE,
    )
    assert decision.policy_version == "p-then"
    assert decision.log_position == 0


def test_a_payment_that_was_approved_too_late_is_learned_though_its_caller_was_told_to_challenge() -> None:
    shard = Shard([payment(0)])
    approved = norms(shard.user("u-0"))
    assert approved != norms(Shard().user("u-0"))
    answered = FallbackAnswered(
        payment(0), Action.STEP_UP, FallbackCause.DEADLINE, "p-then", payment_logged=True
    )
    (answer,) = decided(shard.add(answered, outcome(0)))
    assert answer.decision.action is Action.STEP_UP
    # The outcome that clears it teaches nothing twice.
    assert norms(shard.user("u-0")) == approved


def test_a_payment_that_only_the_fallback_saw_waits_to_be_cleared() -> None:
    answered = FallbackAnswered(
        payment(0), Action.APPROVE, FallbackCause.OVERLOAD, "p-then", payment_logged=False
    )
    shard = Shard([answered])
    untouched = norms(shard.user("u-0"))
    shard.add(outcome(0))
    assert norms(shard.user("u-0")) != untouched


def test_an_early_outcome_clears_a_payment_that_only_the_fallback_saw() -> None:
    answered = FallbackAnswered(
        payment(0), Action.APPROVE, FallbackCause.OVERLOAD, "p-then", payment_logged=False
    )
    shard = Shard([outcome(0), answered])
    assert shard.user("u-0").early_outcomes == 0
    assert shard.store.load(keys.quarantine("default", "t-0")) is None
