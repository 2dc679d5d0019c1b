"""Rules: what they may say, what they see, and that they never break a decision."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decision import Action
from alerting.rule_language import FIELDS, rule_problem
from alerting.rules import Rule, RuleSet
from detectors.assessment import Assessment, Family
from detectors.events import Channel, EntryMode, Payment, PaymentType

NAMES = ("user_count_1h", "gap_s", "amount_z")
PAYMENT = Payment(
    "t-1",
    "u-1",
    50_000,
    "EUR",
    datetime(2026, 1, 1, tzinfo=UTC),
    "m-1",
    mcc="7995",
    channel=Channel.ECOMMERCE,
    entry_mode=EntryMode.MANUAL,
)


def assessed(*features: float, score: float = 10.0) -> Assessment:
    return Assessment(score, 1.0, (), features or (3.0, 60.0, 1.5))


def ask(when: str, payment: Payment = PAYMENT, assessment: Assessment | None = None) -> str:
    hits, failed = RuleSet((Rule("r", when, Action.REVIEW),), NAMES).ask(payment, assessment or assessed())
    return "hit" if hits else "failed" if failed else "no"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("amount == 500", "hit"),
        ("amount > 500", "no"),
        ("amount >= 500 and mcc == '7995'", "hit"),
        ("amount > 499.99 and mcc in ['6051', '7995']", "hit"),
        ('currency == "USD"', "no"),
        ("channel == 'ECOMMERCE' and entry_mode == 'MANUAL'", "hit"),
        ("payment_type == 'PURCHASE' and tenant == 'default'", "hit"),
        ("merchant_country == null", "hit"),
        ("merchant_country in ['KP', 'IR']", "no"),
        ("(merchant_country ?? 'XX') == 'XX'", "hit"),
        ("device_id == 'd-1' or card_token == 'c-1'", "no"),
        ("not (user_id == 'u-2') and merchant_id != 'm-2'", "hit"),
        ("user_count_1h > 2 and gap_s < 61", "hit"),
        ("user_count_1h >= 4", "no"),
        ("amount / user_count_1h > 166", "hit"),
        ("amount * 2 - 1 >-5 and amount % 2 == 0", "hit"),
        ("score > 9.5 and amount_z <= 1.5", "hit"),
        ("0.1 + 0.2 == 0.3", "hit"),
        ("(gap_s ?? 1) == 60", "hit"),
        ("(mcc ?? null) == null or not (gap_s ?? 1 and true)", "no"),
        ("true", "hit"),
    ],
)
def test_a_rule_sees_the_payment_the_score_and_the_features(when: str, expected: str) -> None:
    assert rule_problem(when, NAMES) is None
    assert ask(when) == expected


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("amonut > 5", "'amonut' is unknown; allowed: amount, ..."),
        ("zzz > 5", "'zzz' is unknown; allowed: "),
        ("user_count_1d > 5", "'user_count_1d' is unknown"),
        ("amount > 'x'", "data type mismatch"),
        ("currency > 5", "data type mismatch"),
        ("mcc > '5000'", "nullable"),
        ("amount == '500'", "compares FLOAT with STRING; allowed: values of one type"),
        ("amount in ['500']", "compares FLOAT with STRING"),
        ("currency in 'EUR USD'", "the right side is no list; allowed: in [a, b]"),
        ("amount", "gives no yes or no; allowed: a condition"),
        ("amount >", "syntax error"),
        ("", "syntax error"),
        ("$now > 5", "'$' is no operator"),
        ("$random(5) > 1", "'$' is no operator"),
        ("amount ** 2 > 1", "'**' is no operator"),
        ("1 << 1000000000 > amount", "'<<' is no operator"),
        ("currency =~ '(a+)+'", "'=~' is no operator"),
        ("currency.length > 2", "'.' is no operator"),
        ("[x for x in [1]] == [1]", "'for' is not part of the language"),
        ("amount > 1 ? true : false", "'?' is no operator"),
        ("amount > d'2026-01-01'", "can't be read"),
        ("currency == 'EUR", "can't be read"),
        ("amount > 1e400", "can't be read"),
        ("amount > 1 # note", "'#' is no operator"),
        ("__import__('os') == 1", "unknown"),
        ("amount > 1 and " * 200 + "true", "has 3004 characters; allowed: 2000"),
        (" and ".join(["score > 1"] * 80), "nested too deeply"),
        ("(" * 900 + "true" + ")" * 900, ""),
    ],
)
def test_what_is_not_in_the_language_is_refused_when_read(when: str, problem: str) -> None:
    found = rule_problem(when, NAMES)
    if problem:
        assert found is not None
        assert problem in found
        assert "; allowed: " in found
    else:
        assert found is None or "nested" in found


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_can_be_named(name: str) -> None:
    assert rule_problem(f"{name} == {name}", ()) is None


def test_a_rule_that_fails_counts_as_not_matched_and_is_reported() -> None:
    assert ask("amount / user_count_1h > 1", assessment=assessed(0.0, 1.0, 1.0)) == "failed"
    assert ask("amount_z > 1", assessment=assessed(0.0, 1.0, float("nan"))) == "failed"


def test_a_failure_is_not_hidden_by_a_later_part_that_is_false() -> None:
    assert ask("amount / user_count_1h > 1 and mcc == '0000'", assessment=assessed(0.0, 1.0, 1.0)) == "failed"
    assert ask("mcc == '0000' and amount / user_count_1h > 1", assessment=assessed(0.0, 1.0, 1.0)) == "no"


def test_matching_rules_come_strictest_first_then_as_written() -> None:
    rules = (
        Rule("a", "true", Action.STEP_UP),
        Rule("b", "true", Action.DECLINE),
        Rule("c", "false", Action.DECLINE),
        Rule("d", "true", Action.STEP_UP, reason="RULE_DEVICE"),
    )
    hits, failed = RuleSet(rules, NAMES).ask(PAYMENT, assessed())
    assert [hit.id for hit in hits] == ["b", "a", "d"]
    assert hits[2].reason.family is Family.UNUSUAL_DEVICE
    assert failed == []


def test_a_rule_refuses_to_approve_and_names_the_reasons_it_may_give() -> None:
    with pytest.raises(ValueError, match=r"action: 'APPROVE' .*allowed: STEP_UP, REVIEW, DECLINE"):
        Rule("r", "true", Action.APPROVE)
    with pytest.raises(ValueError, match="reason: 'SCORE' is unknown; allowed: RULE, "):
        Rule("r", "true", Action.REVIEW, reason="SCORE")


NUMBERS = st.sampled_from((-1.0, 0.0, 0.1, 0.3, 0.30000000000000004, 2.5, 1e15, 1e-7, float("nan")))
CONSTANTS = st.sampled_from(("-1", "0", "0.1", "0.3", "0.30000000000000001", "2.5", "1e15"))
PARTS = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), CONSTANTS),
    st.tuples(st.just("mcc"), st.sampled_from(("==", "!=", "in")), st.sampled_from(("'7995'", "'5411'"))),
)


@given(
    st.lists(PARTS, min_size=1, max_size=4),
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    st.sampled_from((None, "7995")),
)
def test_the_quick_checks_never_change_an_answer(
    parts: list[tuple[str, str, str]], features: tuple[float, float, float], mcc: str | None
) -> None:
    texts = [f"{name} in [{value}]" if op == "in" else f"{name} {op} {value}" for name, op, value in parts]
    when = " and ".join(texts)
    payment = replace(PAYMENT, mcc=mcc)
    # A first part that names nothing stops the quick checks.
    assert ask(when, payment, assessed(*features)) == ask(
        f"(true or false) and {when}", payment, assessed(*features)
    )


@pytest.mark.parametrize("payment_type", PaymentType)
def test_enumerations_are_plain_texts_to_a_rule(payment_type: PaymentType) -> None:
    payment = replace(PAYMENT, payment_type=payment_type)
    assert ask(f"payment_type == '{payment_type.value}'", payment) == "hit"


OPERANDS = [
    "amount",
    "mcc",
    "gap_s",
    "1",
    "0",
    "0.5",
    "1e99",
    "'7995'",
    "null",
    "true",
    "(1",
    "[1]",
    "['7995']",
    "not",
    "-1",
    "zzz",
    "1)",
]
OPERATORS = ["and", "or", "==", "!=", "<", ">=", "+", "-", "*", "/", "%", "??", "in", ",", "**", "$"]
PAIRS = st.tuples(st.sampled_from(OPERANDS), st.sampled_from(OPERATORS)).map(" ".join)


@given(st.lists(PAIRS, max_size=5).map(" ".join), st.sampled_from(OPERANDS))
def test_any_text_is_a_rule_that_can_be_asked_or_a_problem(start: str, end: str) -> None:
    when = f"{start} {end}"
    if rule_problem(when, NAMES) is None:
        assert ask(when) in ("hit", "no", "failed")


@pytest.mark.parametrize(
    "when", ["1 / 0 > amount", "1 % 0 > amount", "0 / 0 == 1", "amount > 1e99 * -1e99 % 0"]
)
def test_a_constant_that_can_t_be_worked_out_is_a_problem(when: str) -> None:
    assert rule_problem(when, NAMES) is not None
