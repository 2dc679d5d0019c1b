"""Scoring as a whole: calm on ordinary payments, loud on outrageous ones, pure, finite."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detectors.events import Payment
from detectors.features import NAMES
from detectors.joint_model import JointModel
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.scoring import Scorer, Subjects

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def a_payment(**changes: object) -> Payment:
    payment = Payment("t-1", "u-1", 2_500, "EUR", START, "m-1")
    return replace(payment, **changes)  # type: ignore[arg-type]


def new_subjects() -> Subjects:
    return Subjects(UserProfile(), EntityProfile(), None, None, None, Population(), JointModel())


def teach(scorer: Scorer, subjects: Subjects, payments: int) -> datetime:
    """Let a user pay about 25 every six hours; the time of the last payment."""
    at = START
    for number in range(payments):
        at = START + timedelta(hours=6 * number)
        payment = a_payment(event_time=at, amount_minor=2_000 + 37 * number % 1_000)
        assessment = scorer.assess(payment, subjects)
        scorer.observe(payment, subjects, assessment)
        scorer.learn(payment, subjects, assessment.features)
    return at


def packed(subjects: Subjects) -> tuple[bytes, ...]:
    return (subjects.user.pack(), subjects.merchant.pack(), subjects.population.pack())


def test_ordinary_payment_of_an_unseen_user_scores_low() -> None:
    assert Scorer().assess(a_payment(), new_subjects()).score < 25.0


def test_outrageous_amount_of_an_unseen_user_shows() -> None:
    assert Scorer().assess(a_payment(amount_minor=90_000_000), new_subjects()).score > 50.0


def test_amount_far_above_the_users_level_scores_high_and_says_so() -> None:
    scorer, subjects = Scorer(), new_subjects()
    at = teach(scorer, subjects, 200) + timedelta(hours=6)
    usual = scorer.assess(a_payment(event_time=at), subjects)
    huge = scorer.assess(a_payment(event_time=at, amount_minor=400_000), subjects)
    assert usual.score < 30.0
    assert huge.score > 60.0
    assert huge.evidence[0][0].code == "AMOUNT_HIGH"
    assert sum(share for _, share in huge.evidence) <= 1.0 + 1e-9


def test_assessing_changes_nothing() -> None:
    scorer, subjects = Scorer(), new_subjects()
    teach(scorer, subjects, 40)
    before = packed(subjects)
    scorer.assess(a_payment(event_time=START + timedelta(days=20)), subjects)
    assert packed(subjects) == before


def test_features_come_in_the_order_of_their_names() -> None:
    features = dict(zip(NAMES, Scorer().assess(a_payment(), new_subjects()).features, strict=True))
    assert features["amount"] == 25.0
    assert features["user_count_1m"] == 1.0
    assert features["user_sum_30d"] == 25.0
    assert features["hour"] == 12.0
    assert features["weekday"] == 0.0
    assert features["distance_km"] == -1.0
