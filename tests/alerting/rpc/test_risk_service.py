"""Decisions one by one, what they rest on and what became of the payments, over a real port."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest

from alerting.decision import Action, FallbackCause, Source
from alerting.rpc import EdgeParams
from alerting.rpc.convert import OUTCOME, PAYMENT
from detectors.events import Outcome, OutcomeKind, Payment, ThreeDSStatus, Verdict
from replay.gateway import GatewayClient, GatewayError, RpcProblem
from tapwatch.v1 import risk_pb2, risk_pb2_grpc
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import NOW, FakeEngine, a_payment, an_outcome


def test_a_payment_gets_the_engines_decision(client: GatewayClient, engine: FakeEngine) -> None:
    decision = client.decide(a_payment(amount_minor=50_000))
    assert decision.action is Action.STEP_UP
    assert decision == engine.find_decision("default", "t-1")


def test_the_same_payment_again_gets_the_same_answer(client: GatewayClient) -> None:
    assert client.decide(a_payment()) == client.decide(a_payment())


def test_the_same_id_with_other_content_is_a_conflict(client: GatewayClient) -> None:
    client.decide(a_payment())
    problem = _problem_of(lambda: client.decide(a_payment(amount_minor=1_251)))
    assert (problem.code, problem.reason) == ("FAILED_PRECONDITION", "PAYLOAD_CONFLICT")


def test_without_deadline_the_servers_own_applies(engine: FakeEngine, serve: Serve) -> None:
    params = EdgeParams(default_deadline_s=0.75, margin_s=0.25)
    with grpc.insecure_channel(f"127.0.0.1:{serve(params).port}") as channel:
        _decide_without_deadline(channel)
    assert engine.deadlines_s == [0.5]


def test_the_calls_deadline_less_the_margin_shortens_it(engine: FakeEngine, serve: Serve) -> None:
    server = serve(EdgeParams(default_deadline_s=60.0, margin_s=5.0))
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        client.decide(a_payment(), timeout_s=30.0)
    assert 15.0 < engine.deadlines_s[0] < 26.0  # long deadlines travel rounded


def test_the_budget_shortens_it_and_never_prolongs_it(client: GatewayClient, engine: FakeEngine) -> None:
    client.decide(a_payment("t-1"), timeout_s=30.0, budget_s=0.05)
    client.decide(a_payment("t-2"), timeout_s=30.0, budget_s=20.0)
    params = EdgeParams()
    assert engine.deadlines_s == [
        0.05 - params.margin_s,
        params.default_deadline_s - params.margin_s,
    ]


def test_a_payment_whose_time_is_over_still_gets_the_fallback(engine: FakeEngine, serve: Serve) -> None:
    server = serve(EdgeParams(margin_s=3_600.0))
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        decision = client.decide(a_payment(), timeout_s=30.0)
    assert engine.deadlines_s == [0.0]
    assert (decision.source, decision.fallback_cause) == (Source.FALLBACK, FallbackCause.DEADLINE)


def test_a_payment_beyond_those_that_may_wait_gets_the_fallback_at_once(serve: Serve) -> None:
    server = serve(EdgeParams(max_in_flight=0))
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        assert client.decide(a_payment(), timeout_s=30.0).source is Source.FALLBACK


def test_an_unexpected_error_tells_nothing_of_its_content(client: GatewayClient, engine: FakeEngine) -> None:
    def fail(payment: Payment) -> None:
        raise RuntimeError(f"secret of {payment.user_id}")

    engine.fault = fail
    problem = _problem_of(lambda: client.decide(a_payment()))
    assert (problem.code, problem.reason) == ("INTERNAL", "INTERNAL")
    assert "secret" not in repr(problem)
    assert "user-1" not in repr(problem)


def test_a_decision_is_found_again(client: GatewayClient) -> None:
    decision = client.decide(a_payment())
    assert client.get_decision("t-1") == decision


@pytest.mark.parametrize("method", ["get_decision", "explain"])
def test_an_unknown_transaction_is_not_found(client: GatewayClient, method: str) -> None:
    problem = _problem_of(lambda: getattr(client, method)("t-404"))
    assert (problem.code, problem.reason) == ("NOT_FOUND", "UNKNOWN_TRANSACTION")


def test_an_explanation_holds_reasons_in_words_features_and_outcomes(client: GatewayClient) -> None:
    decision = client.decide(a_payment(amount_minor=50_000))
    client.report_outcome(an_outcome())
    explanation = client.explain("t-1")
    assert [(r.code, r.text) for r in explanation.reason_texts] == [
        ("AMOUNT_HIGH", "AMOUNT_HIGH was 500.0 EUR")
    ]
    assert [(f.name, f.value) for f in explanation.features] == [("log_amount", 2.5), ("hour", 12.0)]
    assert list(explanation.outcomes) == [OUTCOME.write(an_outcome())]
    assert explanation.quarantined
    assert explanation.decision.decision_id == decision.decision_id


def test_an_outcome_is_kept_once(client: GatewayClient) -> None:
    first, again = client.report_outcome(an_outcome()), client.report_outcome(an_outcome())
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.log_position == again.log_position


def test_an_outcome_id_with_other_content_is_a_conflict(client: GatewayClient) -> None:
    client.report_outcome(an_outcome())
    problem = _problem_of(lambda: client.report_outcome(an_outcome("t-2")))
    assert (problem.code, problem.reason) == ("FAILED_PRECONDITION", "PAYLOAD_CONFLICT")


def test_an_outcome_without_user_takes_the_payments_user(client: GatewayClient, engine: FakeEngine) -> None:
    client.decide(a_payment())
    client.report_outcome(an_outcome(), name_user=False)
    assert engine.events["outcome/default/o-1"] == an_outcome(user_id="user-1")


def test_an_outcome_without_user_before_its_payment_is_told_to_name_the_user(client: GatewayClient) -> None:
    problem = _problem_of(lambda: client.report_outcome(an_outcome("t-404"), name_user=False))
    assert (problem.code, problem.reason) == ("NOT_FOUND", "USER_UNKNOWN")
    assert "user_id" in problem.message


def test_an_outcome_with_user_may_come_before_its_payment(client: GatewayClient) -> None:
    assert not client.report_outcome(an_outcome("t-404")).duplicate


def test_an_outcome_that_names_somebody_else_than_the_payer_is_refused(client: GatewayClient) -> None:
    client.decide(a_payment())
    with pytest.raises(GatewayError) as caught:
        client.report_outcome(replace(an_outcome(), user_id="user-other"))
    problem = caught.value.problem
    assert problem.code == "INVALID_ARGUMENT"
    assert "outcome.user_id" in str(problem)
    assert "user-1" not in str(problem)


def test_an_outcome_without_id_gets_one_from_its_content(serve: Serve) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{serve().port}") as channel:
        first, again = _report_unnamed(channel, an_outcome()), _report_unnamed(channel, an_outcome())
        other = _report_unnamed(channel, replace(an_outcome(), event_time=NOW - timedelta(seconds=1)))
    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
    assert first.outcome_id == again.outcome_id != other.outcome_id
    assert len(first.outcome_id) == 32


def test_a_step_up_outcome_carries_its_status(client: GatewayClient, engine: FakeEngine) -> None:
    outcome = Outcome(
        "o-9",
        "t-1",
        "user-1",
        OutcomeKind.STEP_UP,
        Verdict.GENUINE,
        NOW,
        three_ds_status=ThreeDSStatus.Y,
        confidence=0.0,
    )
    client.report_outcome(outcome)
    assert engine.events[outcome.event_id] == outcome


def test_an_engine_that_takes_nothing_tells_when_to_try_again(
    client: GatewayClient, engine: FakeEngine
) -> None:
    engine.available = False
    problem = _problem_of(lambda: client.report_outcome(an_outcome()))
    assert (problem.code, problem.reason) == ("UNAVAILABLE", "ENGINE_UNAVAILABLE")
    assert problem.retry_after_s == EdgeParams().retry_after_s


def _problem_of(call: Callable[[], object]) -> RpcProblem:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value.problem


def _decide_without_deadline(channel: grpc.Channel) -> None:
    risk_pb2_grpc.RiskServiceStub(channel).Decide(risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment())))


def _report_unnamed(channel: grpc.Channel, outcome: Outcome) -> risk_pb2.ReportOutcomeResponse:
    message = OUTCOME.write(outcome)
    message.ClearField("outcome_id")
    request = risk_pb2.ReportOutcomeRequest(outcome=message)
    return risk_pb2_grpc.RiskServiceStub(channel).ReportOutcome(request)
