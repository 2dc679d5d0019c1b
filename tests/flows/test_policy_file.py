"""Policy files: what is read, and that every problem is named with its key, its value and what is allowed."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.decision import Action, ChallengeIndicator, FallbackCause
from alerting.policy import Conditions, ListEntry, ListField, ListKind, Policy, Thresholds, TraBand
from detectors.events import Channel
from flows.codec import MAX_RECORD_BYTES
from flows.policy_file import MAX_POLICY_CHARACTERS, PolicyError, default_policy_text, parse_policy

SMALLEST = """
label = "test"
[thresholds]
step_up = 75
review = 90.0
decline = 97
"""
EVERYTHING = (
    SMALLEST
    + """
[[segments]]
id = "seg"
when = { tenant = ["a"], channel = ["POS"], mcc = ["5411", "3000-3299"], min_amount = 5, max_amount = 9.5 }
decline = 101
[[rules]]
id = "rule"
when = "amount > 100 and user_count_1h >= 3"
action = "REVIEW"
reason = "RULE_PAYEE"
[[lists]]
id = "list"
kind = "deny"
field = "device_id"
tenant = "a"
entries = ["d-1", { value = "d-2", expires = 2030-01-01T00:00:00Z }]
[[limits]]
id = "limit"
feature = "card_sum_1d"
max = 1000
action = "STEP_UP"
when = { tenant = ["a"] }
[fallback]
default = "REVIEW"
[[fallback.rows]]
action = "APPROVE"
when = { max_amount = 10 }
cause = ["DEADLINE", "OVERLOAD"]
[step_up]
expires_s = 60
step_up = "03"
[sca]
enabled = false
fraud_rate_percent = 0.05
bands = [{ max_eur = 100, max_fraud_percent = 0.13 }]
[currencies]
base = "USD"
rates = { EUR = 1.1 }
"""
)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    return caught.value.problems


def test_the_smallest_policy_has_thresholds_and_a_label() -> None:
    policy = parse_policy(SMALLEST)
    assert policy == Policy(policy.version, "test", Thresholds(75.0, 90.0, 97.0))


def test_everything_that_can_be_said_is_read() -> None:
    policy = parse_policy(EVERYTHING)
    (segment,), (rule,), (listing,), (limit,) = policy.segments, policy.rules, policy.lists, policy.limits
    assert segment.when == Conditions(("a",), (Channel.POS,), ("5411", "3000-3299"), None, None, 5.0, 9.5)
    assert (segment.step_up, segment.decline) == (None, 101.0)
    assert (rule.action, rule.reason) == (Action.REVIEW, "RULE_PAYEE")
    assert (listing.kind, listing.field, listing.denial) == (
        ListKind.DENY,
        ListField.DEVICE_ID,
        Action.DECLINE,
    )
    assert listing.entries == (ListEntry("d-1"), ListEntry("d-2", datetime(2030, 1, 1, tzinfo=UTC)))
    assert (limit.feature, limit.max, limit.when.tenant) == ("card_sum_1d", 1000.0, ("a",))
    assert policy.fallback.default is Action.REVIEW
    assert policy.fallback.rows[0].cause == (FallbackCause.DEADLINE, FallbackCause.OVERLOAD)
    assert policy.step_up.step_up is ChallengeIndicator.CHALLENGE_WANTED
    assert policy.sca.bands == (TraBand(100, 0.13),)
    assert policy.currencies.rates == {"EUR": 1.1}


def test_an_expiry_has_the_plain_utc_zone() -> None:
    (entry,) = (e for e in parse_policy(EVERYTHING).lists[0].entries if e.expires is not None)
    assert entry.expires is not None
    assert type(entry.expires.tzinfo) is type(UTC)


def test_the_version_names_the_exact_text() -> None:
    policy = parse_policy(SMALLEST)
    assert re.fullmatch("p-[0-9a-f]{16}", policy.version)
    assert parse_policy(SMALLEST).version == policy.version
    assert parse_policy(SMALLEST + " ").version != policy.version


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('label = "test"', "", "label: missing; allowed: a text"),
        ('label = "test"', "label = 5", "label: 5; allowed: a text"),
        (
            'label = "test"',
            'labl = "x"',
            'labl: unknown key with the value "x"; allowed: label, thresholds, ',
        ),
        (
            'label = "test"',
            'label = "t"\nversion = "p-1"',
            'version: unknown key with the value "p-1"; allowed: label',
        ),
        ("step_up = 75", 'step_up = "75"', 'thresholds.step_up: "75"; allowed: a number'),
        ("step_up = 75", "", "thresholds.step_up: missing; allowed: a number"),
        ("step_up = 75", "step_up = 102", "thresholds.step_up: 102.0 is out of range; allowed: 0..101"),
        ("step_up = 75", "step_up = nan", "thresholds.step_up: nan is out of range; allowed: 0..101"),
        ("step_up = 75", "step_up = 95", "thresholds.step_up, review, decline: 95, 90, 97 are out of order"),
        (
            "step_up = 75",
            "stepup = 75",
            "thresholds.stepup: unknown key with the value 75; allowed: step_up, review",
        ),
        ("decline = 101", "", "segments.0.step_up, review, decline: all missing"),
        (
            "decline = 101",
            "decline = 80",
            "segments.0 (seg), with [thresholds]: step_up, review, decline: 75, 90, 80",
        ),
        ('"5411"', '"541"', "segments.0.when.mcc: '541' is no category; allowed: '5411' or a range"),
        (
            '["POS"]',
            '["PS"]',
            'segments.0.when.channel.0: "PS"; allowed: POS, ECOMMERCE, ATM, MOTO, WALLET, BANK',
        ),
        ('["POS"]', '"POS"', 'segments.0.when.channel: "POS"; allowed: a list'),
        ("min_amount = 5", "min_amount = 50", "segments.0.when.min_amount: 50 is above max_amount 9.5"),
        (
            "min_amount = 5",
            "minimum = 5",
            "segments.0.when.minimum: unknown key with the value 5; allowed: tenant",
        ),
        ("amount > 100", "amonut > 100", "'amonut' is unknown; allowed: amount, ..."),
        (
            "amount > 100",
            "amount > 'x'",
            "rules.0.when: \"amount > 'x' and user_count_1h >= 3\": data type mismatch",
        ),
        ("amount > 100", "$now > 100", "'$' is no operator; allowed: "),
        ('"RULE_PAYEE"', '"X"', "rules.0.reason: 'X' is unknown; allowed: RULE, RULE_SPENDING"),
        (
            'action = "REVIEW"',
            'action = "APPROVE"',
            "rules.0.action: 'APPROVE' makes nothing stricter; allowed: STEP",
        ),
        (
            'action = "REVIEW"',
            'action = "BLOCK"',
            'rules.0.action: "BLOCK"; allowed: APPROVE, STEP_UP, REVIEW, DECL',
        ),
        ('id = "rule"', 'id = "a rule"', "rules.0.id: 'a rule' is no id; allowed: 1..64 letters"),
        (
            'id = "rule"',
            'id = "seg"',
            "rules.0.id: 'seg' is taken by segments.0.id; allowed: an id of its own",
        ),
        ('kind = "deny"', 'kind = "block"', 'lists.0.kind: "block"; allowed: allow, deny'),
        ('"device_id"', '"device"', 'lists.0.field: "device"; allowed: user_id, merchant_id, device_id, '),
        ('"d-1"', "5", "lists.0.entries.0: 5; allowed: a table with value, expires"),
        (
            "00:00:00Z",
            "00:00:00",
            "lists.0.entries.1.expires: 2030-01-01T00:00:00 is not in UTC; allowed: UTC times",
        ),
        ("00:00:00Z", "00:00:00+01:00", "lists.0.entries.1.expires: 2030-01-01T00:00:00+01:00 is not in UTC"),
        ("2030-01-01T00:00:00Z", "12:30:00", 'lists.0.entries.1.expires: "12:30:00"; allowed: a time in UTC'),
        ("card_sum_1d", "card_sum_1y", "limits.0.feature: 'card_sum_1y' is unknown; allowed: card_sum_1"),
        ("max = 1000", "max = inf", "limits.0.max: inf is out of range; allowed: any finite number"),
        (
            'default = "REVIEW"',
            'default = "APPROVE"',
            "fallback.default: 'APPROVE' makes nothing stricter; allowed: ",
        ),
        ("{ max_amount = 10 }", "{}", "fallback.rows.0.when.max_amount: missing in a row that approves"),
        (
            '"OVERLOAD"]',
            '"SLOW"]',
            'fallback.rows.0.cause.1: "SLOW"; allowed: DEADLINE, OVERLOAD, STALE_STATE',
        ),
        ("expires_s = 60", "expires_s = 0", "step_up.expires_s: 0 is out of range; allowed: 1..604800"),
        ("expires_s = 60", "expires_s = 1.5", "step_up.expires_s: 1.5; allowed: a whole number"),
        ('step_up = "03"', 'step_up = "3"', 'step_up.step_up: "3"; allowed: 01, 02, 03, 04, 05, 06'),
        ("enabled = false", "enabled = 0", "sca.enabled: 0; allowed: true or false"),
        ("max_eur = 100", "max_eur = 300", "sca.bands.0.max_eur: 300 is no band; allowed: 100, 250, 500"),
        (
            "fraud_rate_percent = 0.05",
            "fraud_rate_percent = -1",
            "sca.fraud_rate_percent: -1.0 is out of range",
        ),
        ("EUR = 1.1", "EUR = 0", "currencies.rates.EUR: 0.0 is out of range; allowed: above 0"),
        ("EUR = 1.1", 'EUR = "1"', 'currencies.rates.EUR: "1"; allowed: a number'),
        ('base = "USD"', 'base = "UST"', "currencies.base: 'UST' is not a currency; allowed: ISO 4217 codes"),
    ],
)
def test_a_problem_names_key_value_and_what_is_allowed(old: str, new: str, problem: str) -> None:
    assert old in EVERYTHING
    found = problems(EVERYTHING.replace(old, new, 1))
    assert any(problem in line for line in found), found
    assert all("; allowed: " in line for line in found)


def test_all_problems_are_named_at_once() -> None:
    text = EVERYTHING
    for old, new in (
        ("step_up = 75", 'step_up = "75"'),
        ("amount > 100", "amonut > 100"),
        ("card_sum_1d", "card_sum_1y"),
        ('kind = "deny"', 'kind = "block"'),
        ("enabled = false", "enabld = false"),
    ):
        text = text.replace(old, new, 1)
    found = problems(text)
    keys = sorted(line.partition(": ")[0] for line in found)
    assert keys == ["limits.0.feature", "lists.0.kind", "rules.0.when", "sca.enabld", "thresholds.step_up"]
    assert str(PolicyError(found)) == "\n".join(found)


def test_text_that_is_no_toml_is_refused_with_its_place() -> None:
    (problem,) = problems("label = \n")
    assert re.search("the policy is no TOML: .*line 1", problem)


def test_a_card_number_is_refused_and_never_repeated() -> None:
    text = EVERYTHING.replace('"d-1"', '"4111 1111 1111 1111"')
    (problem,) = problems(text)
    assert re.fullmatch(r"line \d+: looks like a card number; allowed: tokens only", problem)


def test_a_hash_with_digits_like_a_card_number_is_a_token() -> None:
    token = "a4111111111111111bcdefabcdefabcd"
    assert parse_policy(EVERYTHING.replace("d-1", token)).lists[0].entries[0].value == token


def test_a_policy_that_fits_no_log_record_is_refused() -> None:
    assert MAX_POLICY_CHARACTERS < MAX_RECORD_BYTES
    (problem,) = problems(SMALLEST + "#" * MAX_POLICY_CHARACTERS)
    assert problem.endswith(f"allowed: {MAX_POLICY_CHARACTERS}")


VALUES = ("5", '"x"', "[]", "[{}]", "{ a = 1 }")
LINES = [line for line in default_policy_text().splitlines() if line and not line.startswith("#")]


@given(st.data())
def test_a_damaged_file_is_a_policy_or_a_policy_error(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        key = lines[place].partition(" = ")[0]
        damaged = st.sampled_from(("", *(f"{key} = {value}" for value in VALUES)))
        lines[place] = data.draw(damaged | st.sampled_from(LINES))
    found: tuple[str, ...] = ()
    version = ""
    try:
        version = parse_policy("\n".join(lines)).version
    except PolicyError as error:
        found = error.problems
    assert bool(found) != bool(version)
    assert all(problem.isprintable() for problem in found)
