"""A payment whose time is far ahead: it is scored, and it blinds nobody to what comes after it."""

from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.ahead import MAX_PAYMENTS
from detectors.events import Location
from detectors.features import NAMES
from detectors.profile import EntityProfile, UserProfile
from detectors.velocity import WINDOW_NAMES, WINDOWS
from geo import Position
from tests.detectors.builders import START, World, a_full_payment, a_settled_world, a_stream

MONTH, YEAR = timedelta(days=31), timedelta(days=365)
AWAY = Position(41.9, 12.5)
FACTS = (
    *(f"{who}_count_{w}" for who in ("user", "merchant", "card", "device") for w in WINDOW_NAMES),
    "gap_s",
)


def features_of(world: World, **changes: object) -> dict[str, float]:
    return dict(zip(NAMES, world.assess(a_full_payment(**changes)).features, strict=True))


@pytest.mark.parametrize("leap", [timedelta(days=2), MONTH, YEAR, 60 * YEAR])
def test_later_payments_see_what_they_would_have_seen_without_it(leap: timedelta) -> None:
    odd, calm = a_settled_world(), a_settled_world()
    odd.pay(a_full_payment(event_time=START + leap, payer_position=AWAY))
    for number in range(12):
        at = START + timedelta(minutes=number)
        seen = features_of(odd, event_time=at, payer_position=AWAY)
        expected = features_of(calm, event_time=at, payer_position=AWAY)
        assert {name: seen[name] for name in FACTS} == {name: expected[name] for name in FACTS}
        assert seen["speed_kmh"] == pytest.approx(expected["speed_kmh"])
        for world in (odd, calm):
            world.pay(a_full_payment(event_time=at, merchant_id=f"s-{number}"))
    assert "VELOCITY_COUNT" in odd.found(a_full_payment(event_time=START + timedelta(minutes=12)))


def test_impossible_travel_is_still_seen_after_it() -> None:
    world = a_settled_world()
    world.pay(a_full_payment(event_time=START + YEAR))
    world.scorer.locate(Location("u-1", AWAY, START + YEAR), world.users["u-1"], world.population)
    world.pay(a_full_payment(event_time=START))
    away = a_full_payment(event_time=START + timedelta(minutes=20), payer_position=AWAY)
    assert "IMPOSSIBLE_TRAVEL" in world.found(away)


def test_a_burst_with_times_far_ahead_is_counted_however_long_it_is() -> None:
    world = a_settled_world()
    for number in range(5 * MAX_PAYMENTS):
        world.pay(a_full_payment(event_time=START + timedelta(seconds=60 * number)))  # the clock goes on
        seen = features_of(world, event_time=START + YEAR + timedelta(seconds=10 * number))
        assert seen["device_count_10m"] == number + 1
        world.pay(a_full_payment(event_time=START + YEAR + timedelta(seconds=10 * number)))
    assert len(world.users["u-1"].ahead) <= MAX_PAYMENTS + 4


gaps = st.integers(0, 3_600) | st.integers(0, 3 * 86_400) | st.integers(0, 45 * 86_400)


@settings(max_examples=60, deadline=None)
@given(st.lists(gaps, min_size=1, max_size=40))
def test_windows_of_a_quiet_shard_are_exact_whatever_the_gaps(steps: list[int]) -> None:
    world, times = World(), list(accumulate(steps))
    for number, after_s in enumerate(times):
        at = START + timedelta(seconds=after_s)
        features = dict(zip(NAMES, world.pay(a_full_payment(event_time=at)).features, strict=True))
        for name, window_s in zip(WINDOW_NAMES, WINDOWS, strict=True):
            count = sum(after_s - window_s < earlier <= after_s for earlier in times[: number + 1])
            assert features[f"user_count_{name}"] == features[f"merchant_count_{name}"] == count
            assert features[f"card_sum_{name}"] == 25.0 * count
        assert features["gap_s"] == (after_s - times[number - 1] if number else -1)
        if number % 7 == 3:
            world = world.restored()


def test_speed_is_measured_after_a_long_silence_too() -> None:
    world = a_settled_world()
    world.pay(a_full_payment(event_time=START + YEAR))
    away = a_full_payment(event_time=START + YEAR + timedelta(minutes=20), payer_position=AWAY)
    assert "IMPOSSIBLE_TRAVEL" in world.found(away)


def test_what_waits_is_stored_and_a_profile_without_it_is_stored_as_before() -> None:
    world = a_settled_world(payments=20)
    assert world.users["u-1"].pack()[0] == 1
    world.pay(a_full_payment(event_time=START + YEAR))
    for profile in (world.users["u-1"], world.entities["card/c-1"]):
        packed = profile.pack()
        assert packed[0] == 2
        assert type(profile).unpack(packed).ahead == profile.ahead != ()
    assert UserProfile().ahead == EntityProfile().ahead == ()


def test_payments_of_other_users_never_notice() -> None:
    odd, calm = World(), World()
    for number, payment in enumerate(a_stream(150)):
        if number % 10 == 5:
            odd.pay(
                a_full_payment(
                    user_id="x", merchant_id="x", card_token="x", device_id="x", event_time=START + YEAR
                )
            )
        seen, expected = odd.pay(payment).features, calm.pay(payment).features
        assert seen[: NAMES.index("user_age_d")] == expected[: NAMES.index("user_age_d")]
