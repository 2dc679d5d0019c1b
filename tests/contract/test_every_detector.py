"""What holds for every detector: found by looking into the package, so a new one is held to it too."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from datetime import UTC
from importlib import import_module
from inspect import getmembers, isclass
from math import isfinite
from pathlib import Path
from pkgutil import iter_modules

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import kinds
from detectors.events import Channel, EntryMode, Payment, PaymentType
from detectors.features import SURPRISES
from detectors.reasons import REASONS
from detectors.scoring import ModelParams, Scorer
from detectors.tails import MAX_SURPRISE
from geo import Position
from tests.detectors.builders import START, World, a_full_payment, a_stream

ROOT = Path(__file__).parents[2]
MODULES = [module.name for module in iter_modules(kinds.__path__)]


def detector_classes() -> dict[str, type]:
    """Every class of the package that scores a payment, by the name of its module."""
    return {
        name: member
        for name in MODULES
        for _, member in getmembers(import_module(f"detectors.kinds.{name}"), isclass)
        if member.__module__ == f"detectors.kinds.{name}"
        and member.__name__.endswith("Detector")
        and "score_one" in vars(member)
    }


CLASSES = detector_classes()
SCORER = Scorer()
BY_NAME = {detector.name: detector for detector in SCORER.detectors}
each = pytest.mark.parametrize("name", sorted(CLASSES))


@pytest.fixture(scope="module")
def world() -> World:
    """A few users with a history long enough for the joint model to speak."""
    made = World()
    for payment in a_stream(700):
        made.pay(payment)
    return made


def test_scorer_uses_all_detectors_in_the_order_of_their_features() -> None:
    assert tuple(detector.name for detector in SCORER.detectors) == SURPRISES
    assert {type(detector) for detector in SCORER.detectors} == set(CLASSES.values())


@each
def test_one_file_one_detector_one_params_one_test(name: str) -> None:
    detector = CLASSES[name]
    camel = "".join(part.capitalize() for part in name.split("_"))
    assert detector.__name__ == f"{camel}Detector"
    assert hasattr(import_module(f"detectors.kinds.{name}"), f"{camel}Params")
    assert BY_NAME[name].name == name
    assert (ROOT / "tests" / "detectors" / "kinds" / f"test_{name}.py").is_file()


@each
def test_params_are_frozen_and_have_a_weight(name: str) -> None:
    params = getattr(ModelParams(), name)
    assert "weight" in {field.name for field in fields(params)}
    with pytest.raises(FrozenInstanceError):
        params.weight = 2.0


@each
def test_reasons_are_registered_and_have_words(name: str) -> None:
    assert BY_NAME[name].reasons
    for spec in BY_NAME[name].reasons:
        assert REASONS[spec.code] is spec
        assert spec.code.isupper()
        assert 5 < len(spec.title) < 80


def test_every_registered_reason_can_be_given() -> None:
    said = [spec.code for detector in SCORER.detectors for spec in detector.reasons]
    assert sorted(REASONS) == sorted(said)


@each
def test_unseen_account_is_calm(name: str) -> None:
    for at_hour in range(24):
        payment = a_full_payment(event_time=START.replace(hour=at_hour))
        world = World()
        evidence = BY_NAME[name].score_one(SCORER.measure(payment, world.subjects(payment)))
        assert evidence is None or evidence.surprise < 1.0


currencies = st.sampled_from(("EUR", "USD", "JPY", "BHD"))
positions = st.none() | st.builds(
    Position, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(0, 1e7)
)
payments = st.builds(
    Payment,
    transaction_id=st.just("t-x"),
    user_id=st.sampled_from(("u-0", "u-1", "nobody")),
    amount_minor=st.integers(1, 10**15) | st.integers(1, 20_000),
    currency=currencies,
    event_time=st.datetimes(
        min_value=START.replace(year=1990, tzinfo=None),
        max_value=START.replace(year=2099, tzinfo=None),
        timezones=st.just(UTC),
    )
    | st.sampled_from([payment.event_time for payment in a_stream(700)[-20:]]),
    merchant_id=st.sampled_from(("m-0", "m-new")),
    payment_type=st.sampled_from(PaymentType),
    mcc=st.none() | st.sampled_from(("5400", "7995")),
    merchant_country=st.none() | st.just("BR"),
    merchant_position=positions,
    payer_position=positions,
    device_id=st.none() | st.sampled_from(("d-0", "d-new")),
    channel=st.none() | st.sampled_from(Channel),
    entry_mode=st.none() | st.sampled_from(EntryMode),
    card_token=st.none() | st.sampled_from(("c-0", "c-new")),
)


@settings(max_examples=150, deadline=None)
@given(payment=payments)
def test_arbitrary_payments_give_finite_values_and_change_nothing(world: World, payment: Payment) -> None:
    subjects = world.subjects(payment)
    before = world.packed()
    context = SCORER.measure(payment, subjects)
    for detector in SCORER.detectors:
        evidence = detector.score_one(context)
        assert evidence == detector.score_one(context)
        if evidence is not None:
            assert evidence.code in {spec.code for spec in detector.reasons}
            assert 0.0 < evidence.surprise <= MAX_SURPRISE
            assert isfinite(evidence.value)
            assert all(
                usual is None or isfinite(usual) for usual in (evidence.usual_low, evidence.usual_high)
            )
    assessment = SCORER.assess(payment, subjects)
    assert assessment == SCORER.assess(payment, subjects)
    assert 0.0 <= assessment.score <= 100.0
    assert isfinite(assessment.raw_score)
    assert all(isfinite(number) for number in assessment.features)
    shares = [share for _, share in assessment.evidence]
    assert shares == sorted(shares, reverse=True)
    assert not shares or abs(sum(shares) - 1.0) < 1e-9
    assert world.packed() == before


@settings(max_examples=30, deadline=None)
@given(st.lists(payments, min_size=1, max_size=12))
def test_arbitrary_payments_can_be_learned_in_any_order(strange: list[Payment]) -> None:
    world = World()
    assessed = [(payment, world.assess(payment)) for payment in strange]
    for payment, assessment in assessed:
        world.scorer.observe(payment, world.subjects(payment), assessment)
    for payment, assessment in reversed(assessed):
        world.scorer.learn(payment, world.subjects(payment), assessment.features)
        world.scorer.learn(payment, world.subjects(payment), ())
    world.restored()
    after = world.assess(a_full_payment())
    assert all(isfinite(number) for number in (after.score, after.raw_score, *after.features))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 80), st.integers(0, 1_000))
def test_packed_and_resumed_gives_the_same_scores(stop: int, seed: int) -> None:
    through, resumed = World(), World()
    stream = a_stream(120, seed, users=3)
    for payment in stream[:stop]:
        through.pay(payment)
        resumed.pay(payment)
    resumed = resumed.restored()
    assert [through.pay(payment) for payment in stream[stop:]] == [
        resumed.pay(payment) for payment in stream[stop:]
    ]
    assert through.packed() == resumed.packed()


DIGEST = """
from hashlib import sha256
from tests.detectors.builders import World, a_stream
world = World()
print(sha256(repr([world.pay(payment) for payment in a_stream(150)]).encode()).hexdigest())
print(sha256(repr(world.packed()).encode()).hexdigest())
"""


def test_scores_and_state_do_not_depend_on_the_hash_seed() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(printed) == 1
