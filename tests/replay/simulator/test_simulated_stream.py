"""The simulated stream as a whole: repeatable, in order, bounded."""

import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.events import Consent, Merchant, Payment, Preferences
from detectors.pan import contains_pan
from flows.codec import decode_event, encode_event
from replay.simulator import SimulatorParams, simulate

DIGEST = """
from hashlib import sha256
from flows.codec import encode_event
from replay.simulator import SimulatorParams, simulate
events = simulate(SimulatorParams(seed=5, users=40, days=4, fraud_rate=0.05))
print(sha256(b"".join(map(encode_event, events))).hexdigest())
"""


def digest(params: SimulatorParams) -> str:
    return sha256(b"".join(map(encode_event, simulate(params)))).hexdigest()


def small(seed: int = 5, users: int = 40, days: int = 4, fraud_rate: float = 0.05) -> SimulatorParams:
    return SimulatorParams(seed=seed, users=users, days=days, fraud_rate=fraud_rate)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_same_parameters_give_the_same_bytes_under_any_hash_seed(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest(small())


def test_another_seed_gives_another_world() -> None:
    assert digest(small(seed=5)) != digest(small(seed=6))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(-(2**70), 2**70),
    users=st.integers(1, 12),
    days=st.integers(1, 5),
    fraud_rate=st.sampled_from([0.0, 0.01, 0.2]),
    tick_interval_s=st.sampled_from([0, 60, 3600]),
)
def test_any_world_is_in_order_of_time_with_unique_valid_events(
    seed: int, users: int, days: int, fraud_rate: float, tick_interval_s: int
) -> None:
    params = SimulatorParams(
        seed, users, days=days, fraud_rate=fraud_rate, tick_interval_s=tick_interval_s, compromises=50.0
    )
    events = list(simulate(params))
    assert all(a.event_time <= b.event_time for a, b in pairwise(events))
    assert len({event.event_id for event in events}) == len(events)
    assert events[0].event_time == params.start


def test_every_event_survives_its_bytes() -> None:
    assert all(decode_event(encode_event(event), "memory") == event for event in simulate(small()))


def test_no_id_looks_like_a_card_number_or_holds_a_long_run_of_digits() -> None:
    for event in simulate(small()):
        assert not contains_pan(event.event_id)
        if isinstance(event, Payment):
            ids = (event.transaction_id, event.user_id, event.merchant_id, event.card_token or "")
            assert not any(character.isdigit() for one in ids for character in one)


def test_merchants_come_first_and_users_introduce_themselves_before_they_pay() -> None:
    events = list(simulate(small(users=60)))
    kinds = [isinstance(event, Merchant) for event in events]
    assert kinds == sorted(kinds, reverse=True)
    directory = {event.merchant_id for event in events if isinstance(event, Merchant)}
    introduced = set()
    for event in events:
        if isinstance(event, Preferences):
            introduced.add(event.user_id)
        elif isinstance(event, Consent):
            assert event.user_id in introduced
        elif isinstance(event, Payment):
            assert event.user_id in introduced
            assert event.merchant_id in directory or event.merchant_id.startswith("payee-")


def test_all_but_labels_and_returns_happens_inside_the_run() -> None:
    params = small(days=3)
    end = params.start + timedelta(days=3)
    late = {event.kind for event in simulate(params) if event.event_time >= end + timedelta(days=1)}
    assert late <= {"outcome", "payment"}


def test_newcomers_appear_over_the_whole_run() -> None:
    params = SimulatorParams(seed=2, users=200, days=10, newcomers=0.5, tick_interval_s=0)
    joined = [event.event_time for event in simulate(params) if isinstance(event, Preferences)]
    on_first_day = sum(time < params.start + timedelta(days=1, hours=10) for time in joined)
    assert 90 < on_first_day < 150
    assert max(joined) > params.start + timedelta(days=8)


def test_memory_does_not_grow_with_the_days() -> None:
    def peak_kb(days: int) -> float:
        tracemalloc.start()
        for _ in simulate(SimulatorParams(seed=3, users=60, days=days, fraud_rate=0.0)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / 1024

    peak_kb(1)
    assert peak_kb(24) < 1.5 * peak_kb(6)


def test_a_large_world_keeps_few_people_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.simulator.stream._KNOWN_PEOPLE", 100)
    stream = simulate(SimulatorParams(seed=1, users=10_000, days=300))
    tracemalloc.start()
    assert len(list(islice(stream, 3_000))) == 3_000
    peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    # Below 1 kB for each person, the directory of merchants included.
    assert peak_mb < 9.0


@pytest.mark.parametrize(
    "change",
    [
        {"users": 0},
        {"days": 0},
        {"fraud_rate": float("nan")},
        {"fraud_rate": 0.5},
        {"report_rate": 1.5},
        {"tick_interval_s": -1},
    ],
)
def test_impossible_parameters_are_refused_and_named(change: dict[str, float]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=f"^{name}: .* is out of range"):
        SimulatorParams(**{"seed": 1, "users": 10, **change})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("start", [datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 1, 5)])  # noqa: DTZ001
def test_a_start_that_is_no_utc_midnight_is_refused(start: datetime) -> None:
    with pytest.raises(ValueError, match=r"^start: .* is not allowed"):
        SimulatorParams(seed=1, users=1, start=start)
