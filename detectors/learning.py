"""How state changes: facts from every payment, norms from payments that were let through."""

from dataclasses import dataclass
from math import inf, log1p
from operator import itemgetter
from typing import Final

from detectors.ahead import Fact, each_payment, split, with_payment, with_place
from detectors.context import Context
from detectors.events import Location
from detectors.features import NAMES, joint_vector
from detectors.level import user_level
from detectors.moments import learn, learn_amount
from detectors.population import LEARNED, Population
from detectors.population_learning import teach_population
from detectors.profile import AMOUNT, DISTANCE, GAP, NEW, RHYTHM, EntityProfile, UserProfile
from detectors.reading import seconds
from detectors.rhythm_state import learn_rhythm
from detectors.shard_clock import ShardClock
from detectors.subjects import Subjects
from detectors.tokens import token
from geo import Position

CATEGORY_MEMORY: Final = 5_000.0
_GAP_MEMORY: Final = 60.0
_HOME_MEMORY: Final = 50.0
_SAMPLE: Final = 4.0
_SAMPLE_FROM: Final = 2_048.0
_OUTLIER_Z: Final = 3.0
"""Amounts further out than this are learned as if they were there: one slip must not widen a level."""

_USED: Final = ("amount_z", "gap_s", "distance_km", "user_count_30d", "user_age_d", "joint_score")
_read = itemgetter(*map(NAMES.index, _USED))
_AMOUNT_REF: Final = NAMES.index("amount_ref")
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


def observe_payment(context: Context, subjects: Subjects) -> None:
    """Count the payment on its user, merchant, card and device, once the shard's clock has seen it."""
    if not context.counts:
        return
    time_s, minor, clock = context.time_s, context.minor_ref, subjects.population.clock
    name = token(0, context.payment.user_id)
    is_ahead = clock.is_ahead(time_s)
    for profile in (subjects.user, subjects.merchant, subjects.card, subjects.device):
        if profile is None:
            continue
        if is_ahead or profile.ahead:
            _count_ahead(profile, time_s, minor, clock)
        else:
            _touch(profile, time_s)
            profile.velocity.add(time_s, minor)
    for entity in (subjects.merchant, subjects.card, subjects.device):
        if entity is not None:
            entity.saw_user(name)
    if subjects.fresh is not None and not is_ahead:
        # A time that is not believed yet stays with the shard that saw it.
        subjects.fresh.counted(time_s, minor, name)
    if subjects.category is not None and not is_ahead:
        # No windows: a category is for amounts, and a busy one would only churn counters.
        _touch(subjects.category, time_s)


def learn_payment(
    context: Context, subjects: Subjects, features: tuple[float, ...], memories: Memories
) -> None:
    """Teach all norms one payment; ``features`` are those of its assessment, or empty."""
    if not context.counts:
        return
    user, population = subjects.user, subjects.population
    amount_z, gap_s, distance, _, _, joint = read = _read(features) if features else _UNKNOWN
    log_amount = None
    if context.comparable:
        log_amount = context.log_amount
        if not -_OUTLIER_Z <= amount_z <= _OUTLIER_Z:
            log_amount = _tame(log_amount, user, population)
    if distance < 0.0:
        distance = context.usual_distance_km
    sampled = _is_sampled(population)
    if subjects.fresh is not None:
        subjects.fresh.population.norms[LEARNED] += 1.0
    if sampled:
        teach_population(population.norms, context, log_amount, distance, read)
        if subjects.fresh is not None:
            teach_population(subjects.fresh.population.norms, context, log_amount, distance, read)
    if log_amount is not None:
        _learn_amounts(context, subjects, log_amount, memories)
        if features and features[_AMOUNT_REF] >= 0.0 and (sampled or joint <= 0.0):
            _learn_vector(joint_vector(features), subjects)
    learn_rhythm(user.norms, RHYTHM, context.hour, context.weekday, memories.rhythm)
    _learn_novelty(context.names, user, memories.novelty)
    clock = population.clock
    if gap_s >= 0.0 and not clock.is_ahead(context.time_s):
        learn(user.norms, GAP, log1p(gap_s), _GAP_MEMORY)
    if context.position is not None:
        if distance >= 0.0:
            learn(user.norms, DISTANCE, log1p(distance), memories.distance)
        user.learn_home(context.position, distance, _HOME_MEMORY)
        _move(user, context.position, context.time_s, clock)


def learn_location(location: Location, user: UserProfile, clock: ShardClock, max_accuracy_m: float) -> None:
    """Keep the fix as the last position unless it is mocked, too rough or older than the last one."""
    accuracy_m = location.position.accuracy_m or 0.0
    if not location.mocked and accuracy_m <= max_accuracy_m:
        _move(user, location.position, seconds(location.event_time), clock)


def _move(user: UserProfile, position: Position, time_s: int, clock: ShardClock) -> None:
    accuracy_m = position.accuracy_m or 0.0
    if clock.is_ahead(time_s):
        user.ahead = with_place(user.ahead, Fact(time_s, 0, 0, position.lat, position.lon, accuracy_m))
    else:
        user.move(position, time_s, accuracy_m)


def _settle(profile: UserProfile | EntityProfile, clock: ShardClock) -> None:
    """Let the counters have what waited, as far as the shard's time has come near."""
    ready, profile.ahead = split(profile.ahead, lambda time_s: not clock.is_ahead(time_s))
    for fact in ready:
        if fact.payments:
            _touch(profile, fact.time_s)
            for minor in each_payment(fact):
                profile.velocity.add(fact.time_s, minor)
        elif isinstance(profile, UserProfile):
            profile.move(Position(fact.lat, fact.lon), fact.time_s, fact.accuracy_m)


def _count_ahead(profile: UserProfile | EntityProfile, time_s: int, minor: int, clock: ShardClock) -> None:
    _settle(profile, clock)
    if clock.is_ahead(time_s):
        profile.ahead = with_payment(profile.ahead, time_s, minor)
        return
    _touch(profile, time_s)
    profile.velocity.add(time_s, minor)


def _touch(profile: UserProfile | EntityProfile, time_s: int) -> None:
    profile.payments += 1
    if time_s > profile.last_s:
        profile.last_s = time_s
    if time_s < profile.first_s or not profile.first_s:
        profile.first_s = time_s


def _tame(log_amount: float, user: UserProfile, population: Population) -> float:
    level, spread = user_level(user, population)
    return min(max(log_amount, level - _OUTLIER_Z * spread), level + _OUTLIER_Z * spread)


def _is_sampled(population: Population) -> bool:
    """Whether the population and the joint model learn this payment: at first all, later one in four.

    What is normal for all users moves slowly, so a sample tells as much and costs a quarter.
    """
    learned = population.norms[LEARNED] + 1.0
    population.norms[LEARNED] = learned
    return learned < _SAMPLE_FROM or learned % _SAMPLE == 0.0


def _learn_vector(x: tuple[float, ...], subjects: Subjects) -> None:
    subjects.joint.learn(x)
    if subjects.fresh is not None:
        subjects.fresh.learned_vector(x)


def _learn_amounts(context: Context, subjects: Subjects, log_amount: float, memories: Memories) -> None:
    learn_amount(subjects.user.norms, AMOUNT, log_amount, memories.amount)
    subjects.merchant.learn_amount(log_amount, memories.merchant)
    if subjects.fresh is not None:
        subjects.fresh.learned_amount(log_amount)
    if subjects.category is not None:
        subjects.category.learn_amount(log_amount, CATEGORY_MEMORY)
    if context.category_key:
        subjects.user.learn_category(context.category_key, log_amount, memories.category, context.category_at)


def _learn_novelty(names: tuple[int, ...], user: UserProfile, memory: float) -> None:
    norms, at = user.norms, NEW
    for name, is_new in zip(names, user.saw_all(names), strict=True):
        if name:
            n = norms[at]
            n = n + 1.0 if n < memory else memory
            norms[at] = n
            share = norms[at + 1]
            if is_new:
                norms[at + 1] = share + (1.0 - share) / n
            elif share:
                norms[at + 1] = share - share / n
        at += 2
