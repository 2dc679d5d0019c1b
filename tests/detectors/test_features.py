"""Features: names, order, local time."""

from datetime import timedelta

from detectors.events import PaymentType
from detectors.features import FEATURE_VERSION, NAMES, SURPRISES, joint_vector, named
from detectors.joint_model import SIZE
from detectors.scoring import ModelParams, Scorer
from tests.detectors.builders import START, World, a_full_payment, a_payment, a_stream


def features_of(world: World, **changes: object) -> dict[str, float]:
    assessment = world.assess(a_full_payment(**changes))
    return dict(zip(NAMES, assessment.features, strict=True))


def test_names_are_unique_and_hold_what_rules_refer_to() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for subject in ("user", "merchant", "card", "device"):
        for window in ("1m", "10m", "1h", "1d", "7d", "30d"):
            assert f"{subject}_count_{window}" in NAMES
            assert subject == "merchant" or f"{subject}_sum_{window}" in NAMES
    assert NAMES[-len(SURPRISES) :] == tuple(f"surprise_{name}" for name in SURPRISES)


def test_stored_features_are_named_as_far_as_their_version_allows() -> None:
    stored = tuple(map(float, range(len(NAMES))))
    assert named(FEATURE_VERSION, stored) == tuple(zip(NAMES, stored, strict=True))
    assert [name for name, _ in named("features-1", stored)] == list(NAMES[: -len(SURPRISES)])
    assert named(FEATURE_VERSION, ()) == ()


def test_windows_include_the_payment_in_hand() -> None:
    world = World()
    world.pay(a_full_payment(event_time=START - timedelta(seconds=30), amount_minor=1_000))
    features = features_of(world)
    assert features["user_count_1m"] == features["card_count_1m"] == features["merchant_count_1m"] == 2.0
    assert features["user_sum_1m"] == features["device_sum_1m"] == 35.0
    assert features["user_avg_amount_1d"] == 17.5
    assert features["gap_s"] == 30.0
    assert features["is_new_merchant"] == 0.0


def test_unknown_things_have_their_stated_values() -> None:
    features = dict(zip(NAMES, World().assess(a_payment()).features, strict=True))
    assert features["gap_s"] == features["distance_km"] == features["speed_kmh"] == -1.0
    assert features["card_count_30d"] == features["device_sum_1d"] == 0.0
    assert features["is_new_merchant"] == 1.0
    assert features["is_new_device"] == 0.0


def test_foreign_amounts_are_converted_by_the_rates() -> None:
    world = World(Scorer(ModelParams(rates={"JPY": 0.006})))
    features = features_of(world, currency="JPY", amount_minor=5_000)
    assert features["amount"] == 5_000.0
    assert features["amount_ref"] == features["user_sum_1d"] == 30.0


def test_refund_counts_for_nothing_and_moves_no_level() -> None:
    world = World()
    for payment in a_stream(30, users=1):
        world.pay(payment)
    before = world.users["u-0"].pack()
    world.pay(a_full_payment(user_id="u-0", payment_type=PaymentType.REFUND, amount_minor=9_000_000))
    assert world.users["u-0"].pack() == before


def test_account_verification_counts_but_moves_no_amount_level() -> None:
    world = World()
    world.pay(a_full_payment(payment_type=PaymentType.ACCOUNT_VERIFICATION, amount_minor=0))
    user = world.users["u-1"]
    assert user.payments == 1
    assert user.norms[0] == 0.0
    assert features_of(world)["user_count_1d"] == 2.0


def test_joint_vector_from_stored_features_is_the_one_that_was_scored() -> None:
    world = World()
    for payment in a_stream(80):
        x = joint_vector(world.pay(payment).features)
        assert len(x) == SIZE
        assert all(0.0 <= number <= 1.0 for number in x)
