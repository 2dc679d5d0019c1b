"""Knowledge of several shards, merged: it is what one shard would know, in whatever order it comes."""

from collections.abc import Sequence
from itertools import permutations
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.entity import EntityProfile
from detectors.entity_delta import EntityDelta, sum_up, unpack_deltas
from detectors.fresh import Fresh, Lesson, pack_lessons, unpack_lessons, vectors_of
from detectors.joint_model import SIZE, JointModel
from detectors.moments import learn, merge_mean, merge_moments
from detectors.pooling import PIECE, Pooled, PooledEntities, PooledJoint, PooledPopulation
from detectors.population import AMOUNT, JOINT, LEARNED, RATE, RHYTHM, WITHIN, Population
from detectors.population_learning import MEMORY, merge_population
from detectors.rhythm_state import RHYTHM_SIZE, learn_rhythm, merge_rhythm, new_rhythm
from detectors.velocity import WINDOWS

NOW = 1_700_000_000
AMOUNTS = st.floats(-4.0, 12.0)
LESSONS = st.builds(
    Lesson,
    merchant=st.sampled_from(["merchant/a/m-1", "merchant/a/m-2", "merchant/a/café"]),
    category=st.sampled_from(["", "category/a/5411"]),
    time_s=st.integers(NOW - 3_000_000, NOW),
    minor=st.integers(0, 10**12),
    user=st.integers(0, 63),
    amount=st.one_of(AMOUNTS, st.just(nan)),
    vector=st.sampled_from([b"", bytes(range(2 * SIZE))]),
)


def learned(values: Sequence[float]) -> list[float]:
    numbers = [0.0, 0.0, 0.0]
    for value in values:
        learn(numbers, 0, value, 1e9)
    return numbers


@given(st.lists(AMOUNTS, max_size=20), st.lists(AMOUNTS, max_size=20), st.lists(AMOUNTS, max_size=20))
def test_moments_merge_to_what_one_would_have_learned(
    first: list[float], second: list[float], third: list[float]
) -> None:
    for order in permutations((first, second, third)):
        merged = [0.0, 0.0, 0.0]
        for values in order:
            n, mean, variance = learned(values)
            merge_moments(merged, 0, n, mean, variance, 1e9)
        assert merged == pytest.approx(learned(first + second + third), rel=1e-9, abs=1e-9)


def test_old_values_fade_when_a_full_memory_merges() -> None:
    numbers = [100.0, 5.0, 1.0]
    merge_moments(numbers, 0, 50.0, 8.0, 1.0, 100.0)
    assert numbers[:2] == [100.0, pytest.approx(6.5)]
    merge_mean(numbers, 0, 1_000.0, 2.0, 100.0)
    assert numbers[1] == pytest.approx(2.0)


def profile_of(lessons: Sequence[Lesson]) -> EntityProfile:
    """The profile that learned everything itself."""
    profile = EntityProfile()
    for lesson in lessons:
        profile.payments += 1
        profile.last_s = max(profile.last_s, lesson.time_s)
        profile.first_s = min(profile.first_s or lesson.time_s, lesson.time_s)
        profile.velocity.add(lesson.time_s, lesson.minor)
        profile.saw_user(lesson.user)
        if lesson.amount == lesson.amount:
            profile.learn_amount(lesson.amount, 2_000.0)
    return profile


def seen(profile: EntityProfile) -> tuple[object, ...]:
    windows = profile.velocity.windows(NOW)
    return (profile.payments, profile.first_s, profile.last_s, profile.users, windows)


@given(
    st.lists(LESSONS, min_size=1, max_size=12), st.lists(LESSONS, max_size=12), st.lists(LESSONS, max_size=12)
)
def test_a_merchant_knows_after_merging_what_all_shards_saw(
    own: list[Lesson], second: list[Lesson], third: list[Lesson]
) -> None:
    everything = profile_of([lesson._replace(merchant="m") for lesson in own + second + third])
    for others in ((second, third), (third, second)):
        merged = profile_of(own)
        for lessons in others:
            for delta in sum_up([lesson._replace(merchant="m", category="") for lesson in lessons]).values():
                merged.merge(delta, 2_000.0)
        assert seen(merged) == seen(everything)
        assert merged.norms.tolist() == pytest.approx(everything.norms.tolist(), rel=1e-4, abs=1e-4)
        again = EntityProfile.unpack(merged.pack())
        assert (seen(again), again.norms) == (seen(merged), merged.norms)


def test_a_category_counts_payments_but_keeps_no_windows() -> None:
    lesson = Lesson("merchant/a/m", "category/a/5411", NOW, 500, 3, 2.0, b"")
    category = EntityProfile()
    category.merge(sum_up([lesson, lesson])["category/a/5411"], 5_000.0)
    assert (category.payments, category.last_s, len(category.velocity)) == (2, NOW, 0)
    assert category.norms[:2].tolist() == [2.0, 2.0]


@given(st.lists(LESSONS, max_size=20))
def test_lessons_and_deltas_come_back_as_they_were(lessons: list[Lesson]) -> None:
    assert repr(unpack_lessons(pack_lessons(lessons))) == repr(lessons)  # NaN equals itself in words only
    deltas = sum_up(lessons)
    packed = b"".join(delta.pack(name) for name, delta in deltas.items())
    back = dict(unpack_deltas(packed))
    assert list(back) == list(deltas)
    assert b"".join(delta.pack(name) for name, delta in back.items()) == packed


def test_what_was_not_counted_teaches_amounts_only() -> None:
    released = Lesson("m", "", 0, 0, 255, 3.0, b"")
    profile = EntityProfile()
    profile.merge(sum_up([released])["m"], 2_000.0)
    assert (profile.payments, profile.first_s, profile.users, len(profile.velocity)) == (0, 0, 0, 0)
    assert profile.norms[:2].tolist() == [1.0, 3.0]


def test_rhythms_merge_to_what_one_would_have_learned() -> None:
    one, two, both = ([0.0] * RHYTHM_SIZE for _ in range(3))
    for numbers in (one, two, both):
        new_rhythm(numbers, 0)
    for hour in range(40):
        for numbers in (one if hour < 15 else two, both):
            learn_rhythm(numbers, 0, hour % 24, hour % 7, MEMORY)
    merge_rhythm(one, 0, two, 0)
    assert one == pytest.approx(both, rel=1e-12)


def taught(population: Population, numbers: Sequence[int]) -> Population:
    for number in numbers:
        population.see(NOW + 60 * number)
        population.observe([("amount", number % 5 / 2)], number % 7 / 2)
        for at in (AMOUNT, WITHIN, JOINT):
            learn(population.norms, at, number % 11 / 3, MEMORY)
        merge_mean(population.norms, RATE, 1.0, number % 3, MEMORY)
        learn_rhythm(population.norms, RHYTHM, number % 24, number % 7, MEMORY)
        population.norms[LEARNED] += 1.0
    return population


def judged(population: Population) -> list[float]:
    tails = [population.tail(raw / 4) for raw in range(12)]
    calibrated = [population.calibrated("amount", surprise / 4) for surprise in range(12)]
    return [*tails, *calibrated, *population.norms]


def test_a_population_knows_after_merging_what_all_shards_saw() -> None:
    everything = judged(taught(Population(), range(300)))
    parts = [taught(Population.without_prior(), span) for span in (range(100, 180), range(180, 300))]
    for order in (parts, parts[::-1]):
        merged = taught(Population(), range(100))
        for part in order:
            merge_population(merged, Population.unpack(part.pack()))
        assert judged(merged) == pytest.approx(everything, rel=2e-3, abs=1e-9)


def test_masses_fade_to_the_time_of_who_merges_them() -> None:
    late, early = Population(), taught(Population.without_prior(), range(50))
    late.see(NOW + 50 * 60 + 86_400)
    late.add_masses(early)
    assert 0.94 * 50 < late.payments < 0.96 * 50  # a day is a fourteenth of the half-life


def test_the_joint_model_learns_the_vectors_of_others_as_its_own() -> None:
    fresh, own, other = Fresh(), JointModel(), JointModel()
    for number in range(600):
        x = tuple((number * (place + 3) % 97) / 96 for place in range(SIZE))
        own.learn(x)
        fresh.learned_vector(x)
        fresh.learned_amount(1.0)
        fresh.close("m", "")
    (delta,) = PooledJoint(own).tell(fresh)
    PooledJoint(other).read(delta)()
    x = (0.31,) * SIZE
    assert own.score(x) > 0.0
    assert other.score(x) == pytest.approx(own.score(x), abs=0.01)
    assert next(vectors_of(delta, SIZE)) == pytest.approx((0.0,) * SIZE, abs=1e-4)


def test_a_large_delta_is_told_in_pieces() -> None:
    fresh, found = Fresh(), []
    for number in range(4_000):
        fresh.counted(NOW, 100, number)
        fresh.close(f"merchant/a/{number}", "")
    model = PooledEntities(lambda name, _: found.append(name))
    pieces = model.tell(fresh)
    assert len(pieces) > 1
    assert all(len(piece) <= PIECE for piece in pieces)
    for piece in pieces:
        model.read(piece)()
    assert found == [f"merchant/a/{number}" for number in range(4_000)]


def a_delta(**changes: object) -> bytes:
    delta = EntityDelta(windows=True)
    delta.add(NOW, 100, 3, 2.0)
    for name, value in changes.items():
        setattr(delta, name, value)
    return delta.pack("merchant/a/m")


POPULATION = taught(Population.without_prior(), range(10)).pack()
BAD_POPULATION = Population.without_prior()
BAD_POPULATION.norms[AMOUNT + 1] = nan


@pytest.mark.parametrize(
    ("model", "delta"),
    [
        (PooledEntities, a_delta()[:-1]),
        (PooledEntities, a_delta()[:20]),
        (PooledEntities, b"\x09" + a_delta()[1:]),
        (PooledEntities, a_delta(amounts=[1.0, nan, 0.0])),
        (PooledEntities, a_delta(amounts=[1.0, 2.0, -1.0])),
        (PooledEntities, a_delta(payments=2)),
        (PooledEntities, EntityDelta(windows=False).pack("")),
        (PooledPopulation, b""),
        (PooledPopulation, POPULATION[:100]),
        (PooledPopulation, POPULATION[:-3]),
        (PooledPopulation, POPULATION[:-8]),
        (PooledPopulation, b"\x09" + POPULATION[1:]),
        (PooledPopulation, BAD_POPULATION.pack()),
        (PooledJoint, bytes(2 * SIZE + 1)),
    ],
)
def test_what_no_shard_tells_is_refused_before_anything_changes(model: type, delta: bytes) -> None:
    population, joint, found = Population(), JointModel(), list[str]()
    made: dict[type, Pooled] = {
        PooledEntities: PooledEntities(lambda name, _: found.append(name)),
        PooledPopulation: PooledPopulation(population),
        PooledJoint: PooledJoint(joint),
    }
    with pytest.raises(ValueError, match=r"."):
        made[model].read(delta)
    assert found == []
    assert population.pack() == Population().pack()


def test_windows_hold_what_other_shards_counted() -> None:
    profile = EntityProfile()
    for shard in range(4):
        delta = EntityDelta(windows=True)
        for number in range(5):
            delta.add(NOW - 10 * number - shard, 100, shard, nan)
        profile.merge(delta, 2_000.0)
    counts = dict(zip(WINDOWS, profile.velocity.counts(NOW), strict=True))
    assert counts[60] == 20
    assert profile.distinct_users() == 4
