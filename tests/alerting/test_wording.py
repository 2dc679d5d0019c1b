"""Reasons and decisions as people read them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alerting.decide import Decider, ScaCounters
from alerting.decision import FallbackCause, Reason
from alerting.policy import Policy, Thresholds
from alerting.reasons import POLICY_REASONS, policy_reason
from alerting.wording import decision_line, reason_line
from detectors.assessment import Assessment, Evidence, Family
from detectors.events import Payment
from detectors.reasons import REASONS

BARE = Reason("AMOUNT_HIGH", Family.ABNORMAL_SPENDING, 1250.0, None, None, "", "", 0.5)
TITLE = REASONS["AMOUNT_HIGH"].title


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, TITLE),
        ({"unit": "EUR"}, f"{TITLE}: 1,250.00 EUR"),
        (
            {"unit": "EUR", "usual_low": 8.0, "usual_high": 60.0},
            f"{TITLE}: 1,250.00 EUR; usually 8.00 to 60.00 EUR",
        ),
        ({"unit": "JPY", "usual_high": 900.0}, f"{TITLE}: 1,250 JPY; usually at most 900 JPY"),
        (
            {"unit": "km/h", "value": 912.345, "usual_low": 3.25},
            f"{TITLE}: 912.3 km/h; usually at least 3.2 km/h",
        ),
        ({"subject": "FR"}, f"{TITLE}: FR"),
        ({"subject": "FR", "unit": "share", "value": 0.05}, f"{TITLE}: FR (0.05 share)"),
        (
            {"subject": "5411", "unit": "EUR", "usual_high": 9.5},
            f"{TITLE}: 1,250.00 EUR (5411); usually at most 9.50 EUR",
        ),
        ({"usual_high": 0.25, "value": 0.5}, f"{TITLE}: 0.5; usually at most 0.25"),
    ],
)
def test_line_of_a_reason(changes: dict[str, object], line: str) -> None:
    assert reason_line(replace(BARE, **changes)) == line  # type: ignore[arg-type]  # any field


def test_lines_of_the_policy_s_reasons() -> None:
    assert reason_line(policy_reason("DENY_LIST", "stolen")) == "On a deny list: stolen"
    assert reason_line(policy_reason("RULE", "night")) == "Rule matched: night"
    limit = policy_reason("VELOCITY_LIMIT", "burst", 25.0, 20.0)
    assert reason_line(limit) == "Velocity limit passed: 25 (burst); usually at most 20"


@pytest.mark.parametrize("code", [*REASONS, *POLICY_REASONS])
def test_every_code_has_words(code: str) -> None:
    assert reason_line(replace(BARE, code=code))


def test_codes_of_detectors_and_policy_never_overlap() -> None:
    assert not set(REASONS) & set(POLICY_REASONS)


def test_line_of_a_decision() -> None:
    payment = Payment("t", "u", 5_000, "EUR", datetime(2026, 3, 1, tzinfo=UTC), "m")
    decider = Decider(Policy("p", "test", Thresholds(70.0, 80.0, 90.0)), (), "m", "f")
    evidence = ((Evidence("AMOUNT_HIGH", 2.0, 50.0, unit="EUR"), 1.0),)
    calm, odd = (Assessment(score, 1.0, evidence, ()) for score in (3.0, 75.0))
    assert decision_line(decider.decide(payment, calm, ScaCounters(), 1)) == "APPROVE at 3.00"
    assert (
        decision_line(decider.decide(payment, odd, ScaCounters(), 1))
        == f"STEP_UP at 75.00: {TITLE}: 50.00 EUR"
    )
    assert (
        decision_line(decider.fallback(payment, FallbackCause.DEADLINE)) == "STEP_UP by fallback (DEADLINE)"
    )
