"""How state changes: facts from every payment, norms from payments that were let through."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log1p, sqrt
from operator import itemgetter
from typing import Final

from detectors.events import Location, Payment, PaymentType
from detectors.features import (
    NAMES,
    NO_SPENDING,
    category_key,
    joint_vector,
    local_hour,
    place_of_payer,
    reference_amount,
    reference_minor,
    safe_log,
    seconds,
    tokens,
)
from detectors.level import user_level
from detectors.moments import learn, learn_amount
from detectors.population import AMOUNT as ALL_AMOUNT
from detectors.population import CATEGORY_WITHIN, JOINT, RATE, WITHIN, Population
from detectors.population import DISTANCE as ALL_DISTANCE
from detectors.population import NEW as ALL_NEW
from detectors.population import RHYTHM as ALL_RHYTHM
from detectors.profile import AMOUNT, DISTANCE, GAP, NEW, RHYTHM, EntityProfile, UserProfile
from detectors.rhythm_state import learn_rhythm
from detectors.subjects import Subjects
from detectors.tokens import token
from geo import Position, distance_km

POPULATION_MEMORY: Final = 50_000.0
CATEGORY_MEMORY: Final = 5_000.0
JOINT_MEMORY: Final = 2_000.0
"""Short: the scale of the joint score moves with every window of the trees."""
_GAP_MEMORY: Final = 60.0
_HOME_MEMORY: Final = 50.0
_OUTLIER_Z: Final = 3.0
"""Amounts further out than this are learned as if they were there: one slip must not widen a level."""
_KNOWN: Final = 3.0
"""Payments after which a user's own statistics say something about users in general."""
_RATE_AGE_D: Final = 7.0

_USED: Final = ("amount_z", "gap_s", "distance_km", "user_count_30d", "user_age_d", "joint_score")
_read = itemgetter(*map(NAMES.index, _USED))
_UNKNOWN: Final = (inf, -1.0, -1.0, 0.0, 0.0, 0.0)
"""What is read of a payment that was never assessed."""


@dataclass(frozen=True, slots=True)
class Memories:
    """How many payments each norm rests on."""

    amount: float
    category: float
    rhythm: float
    novelty: float
    distance: float
    merchant: float


def observe_payment(payment: Payment, subjects: Subjects, rates: Mapping[str, float]) -> int:
    """Count the payment on its user, merchant, card and device; the time it counts at, in seconds."""
    time_s = seconds(payment.event_time)
    if payment.payment_type is PaymentType.REFUND:
        return time_s
    minor = reference_minor(reference_amount(payment, rates))
    user, name = subjects.user, token(0, payment.user_id)
    _touch(user, time_s)
    user.velocity.add(time_s, minor)
    for entity in (subjects.merchant, subjects.card, subjects.device):
        if entity is not None:
            _touch(entity, time_s)
            entity.velocity.add(time_s, minor)
            entity.saw_user(name)
    if subjects.category is not None:
        # No windows: a category is for amounts, and a busy one would only churn counters.
        _touch(subjects.category, time_s)
    return time_s


def learn_payment(
    payment: Payment,
    subjects: Subjects,
    features: tuple[float, ...],
    rates: Mapping[str, float],
    time_zone: str,
    memories: Memories,
) -> None:
    """Teach all norms one payment; ``features`` are those of its assessment, or empty."""
    if payment.payment_type is PaymentType.REFUND:
        return
    user, population = subjects.user, subjects.population
    time_s = seconds(payment.event_time)
    amount_z, gap_s, distance, month, age_d, joint = _read(features) if features else _UNKNOWN
    if payment.payment_type not in NO_SPENDING:
        log_amount = safe_log(reference_amount(payment, rates))
        if not -_OUTLIER_Z <= amount_z <= _OUTLIER_Z:
            log_amount = _tame(log_amount, user, population)
        _learn_amounts(payment, subjects, log_amount, memories)
        if features:
            subjects.joint.learn(joint_vector(features))
        if joint > 0.0:
            learn(population.norms, JOINT, joint, JOINT_MEMORY)
    hour, weekday = local_hour(payment.event_time, time_s, user.time_zone or time_zone)
    learn_rhythm(user.norms, RHYTHM, hour, weekday, memories.rhythm)
    learn_rhythm(population.norms, ALL_RHYTHM, hour, weekday, POPULATION_MEMORY)
    _learn_novelty(payment, user, population, memories.novelty)
    if gap_s >= 0.0:
        learn(user.norms, GAP, log1p(gap_s), _GAP_MEMORY)
    if age_d >= _RATE_AGE_D:
        _learn_rate(population, month / ((age_d if age_d < 30.0 else 30.0) * 86_400.0))
    position = place_of_payer(payment)
    if position is not None:
        _learn_place(position, time_s, distance, user, population, memories.distance)


def learn_location(location: Location, user: UserProfile, max_accuracy_m: float) -> None:
    """Keep the fix as the last position unless it is mocked, too rough or older than the last one."""
    accuracy_m = location.position.accuracy_m or 0.0
    if not location.mocked and accuracy_m <= max_accuracy_m:
        user.move(location.position, seconds(location.event_time), accuracy_m)


def _touch(profile: UserProfile | EntityProfile, time_s: int) -> None:
    profile.payments += 1
    if time_s > profile.last_s:
        profile.last_s = time_s
    if time_s < profile.first_s or not profile.first_s:
        profile.first_s = time_s


def _tame(log_amount: float, user: UserProfile, population: Population) -> float:
    level, spread = user_level(user, population)
    return min(max(log_amount, level - _OUTLIER_Z * spread), level + _OUTLIER_Z * spread)


def _learn_amounts(payment: Payment, subjects: Subjects, log_amount: float, memories: Memories) -> None:
    user, shared = subjects.user, subjects.population.norms
    own = user.norms
    n = own[AMOUNT]
    if n >= _KNOWN:
        # A deviation from a mean of n values is wider by 1 + 1/n.
        learn(shared, WITHIN, (log_amount - own[AMOUNT + 1]) / sqrt(1.0 + 1.0 / n), POPULATION_MEMORY)
    learn_amount(own, AMOUNT, log_amount, memories.amount)
    learn(shared, ALL_AMOUNT, log_amount, POPULATION_MEMORY)
    subjects.merchant.learn_amount(log_amount, memories.merchant)
    if subjects.category is not None:
        subjects.category.learn_amount(log_amount, CATEGORY_MEMORY)
    key = category_key(payment)
    if key:
        at = user.category(key)
        n = own[at] if at else 0.0
        if n >= _KNOWN:
            off = (log_amount - own[at + 1]) / sqrt(1.0 + 1.0 / n)
            learn(shared, CATEGORY_WITHIN, off, POPULATION_MEMORY)
        user.learn_category(key, log_amount, memories.category)


def _learn_novelty(payment: Payment, user: UserProfile, population: Population, memory: float) -> None:
    own, shared = user.norms, population.norms
    at, all_at = NEW, ALL_NEW
    for name in tokens(payment):
        if name:
            new = 1.0 if user.saw(name) else 0.0
            n = own[at]
            if n >= _KNOWN:
                many = shared[all_at] + 1.0 if shared[all_at] < POPULATION_MEMORY else POPULATION_MEMORY
                shared[all_at] = many
                shared[all_at + 1] += (new - shared[all_at + 1]) / many
            n = n + 1.0 if n < memory else memory
            own[at] = n
            own[at + 1] += (new - own[at + 1]) / n
        at += 2
        all_at += 2


def _learn_rate(population: Population, rate: float) -> None:
    shared = population.norms
    n = shared[RATE] + 1.0 if shared[RATE] < POPULATION_MEMORY else POPULATION_MEMORY
    shared[RATE] = n
    shared[RATE + 1] += (rate - shared[RATE + 1]) / n


def _learn_place(
    position: Position, time_s: int, distance: float, user: UserProfile, population: Population, memory: float
) -> None:
    if distance < 0.0 and (home := user.home) is not None:
        distance = distance_km(home, position)
    if distance >= 0.0:
        log_distance = log1p(distance)
        learn(user.norms, DISTANCE, log_distance, memory)
        learn(population.norms, ALL_DISTANCE, log_distance, POPULATION_MEMORY)
    user.learn_home(position, distance, _HOME_MEMORY)
    user.move(position, time_s, position.accuracy_m or 0.0)
