"""What always holds, on random ways with rests, gaps, glitches, two devices and crowded fences."""

from collections import defaultdict
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import (
    Approach,
    Dwell,
    Enter,
    Exit,
    FenceIndex,
    Fix,
    FixParams,
    Position,
    Presence,
    PresenceParams,
    Refused,
    Stopped,
    Transition,
    WentOn,
)
from geo.plane import away_m
from tests.geo.fixes_made import CORNER, START_S, town, wandering

CORNERS = (CORNER, Position(0.0, 179.999), Position(71.0, -179.999), Position(89.998, 10.0))
seeds = st.integers(0, 1 << 32)
END_S = START_S + 100_000_000


def followed(
    track: list[Fix], fences: FenceIndex, params: PresenceParams | None = None, on_time: bool = True
) -> list[Transition]:
    """All that is said of a track, its timers on time or late, and what is due at the end."""
    presence, said = Presence(params or PresenceParams()), []
    for each in track:
        while on_time and (due_s := presence.due_s) is not None and due_s <= each.time_s:
            said += presence.advance(due_s, fences)
        said += presence.see(each, fences)
    while (due_s := presence.due_s) is not None and due_s < END_S:
        said += presence.advance(due_s, fences)
    return said


def meant(said: list[Transition]) -> list[Transition]:
    return [each for each in said if not isinstance(each, Refused)]


def world(seed: int) -> tuple[list[Fix], FenceIndex]:
    corner = CORNERS[seed % len(CORNERS)]
    return wandering(seed, 300, corner), FenceIndex(town(seed, corner))


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_nobody_enters_twice_or_leaves_what_they_are_not_in(seed: int) -> None:
    track, fences = world(seed)
    inside: dict[str, Enter] = {}
    dwelt: dict[str, int] = defaultdict(int)
    for each in followed(track, fences):
        if isinstance(each, Enter):
            assert each.fence_id not in inside
            assert each.since_s <= each.time_s
            inside[each.fence_id] = each
            dwelt[each.fence_id] = 0
        elif isinstance(each, Dwell):
            assert inside[each.fence_id].since_s == each.since_s
            dwelt[each.fence_id] += 1
            assert dwelt[each.fence_id] == 1
        elif isinstance(each, Exit):
            enter = inside.pop(each.fence_id)
            assert enter.since_s == each.since_s <= each.until_s <= each.time_s
            assert enter.time_s <= each.time_s
        elif isinstance(each, Approach):
            assert each.fence_id not in inside
            assert 0.0 <= each.confidence <= 1.0
            assert each.distance_m >= 0.0
    assert inside == {}


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_all_is_told_in_order_of_time_and_stops_end_before_others_begin(seed: int) -> None:
    said = meant(followed(*world(seed)))
    assert [each.time_s for each in said] == sorted(each.time_s for each in said)
    stopped = None
    for each in said:
        if isinstance(each, Stopped):
            assert stopped is None
            stopped = each
        elif isinstance(each, WentOn):
            assert stopped is not None
            assert stopped.since_s == each.since_s <= each.until_s <= each.time_s
            stopped = None


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_packed_and_unpacked_at_any_point_nothing_changes(seed: int) -> None:
    track, fences = world(seed)
    random, presence, plain = Random(seed), Presence(), Presence()
    for each in track:
        if random.random() < 0.3:
            packed = presence.pack()
            presence = Presence.unpack(packed)
            assert presence.pack() == packed
        assert presence.due_s == plain.due_s
        assert presence.see(each, fences) == plain.see(each, fences)
    assert presence.pack() == plain.pack()
    assert presence.advance(END_S, fences) == plain.advance(END_S, fences)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_within_the_bound_the_order_of_arrival_changes_nothing(seed: int) -> None:
    track, fences = world(seed)
    random = Random(seed)
    track = [each for each in track if not each.mocked]
    bound_s = PresenceParams().fixes.lateness_s
    late = [(each.time_s + random.uniform(0.0, bound_s - 0.01), number) for number, each in enumerate(track)]
    shuffled = [track[number] for _, number in sorted(late)]
    for on_time in (False, True):
        in_order = meant(followed(track, fences, on_time=on_time))
        assert meant(followed(shuffled, fences, on_time=on_time)) == in_order


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_repeats_and_mocked_fixes_change_nothing(seed: int) -> None:
    track, fences = world(seed)
    random = Random(seed)
    plain = [each for each in track if not each.mocked]
    messy = []
    for each in track:
        messy += [each, each] if random.random() < 0.4 else [each]
        if random.random() < 0.2:
            elsewhere = Position(each.position.lat / 2.0, each.position.lon / 2.0, 3.0)
            messy.append(each._replace(position=elsewhere, mocked=True))
    assert meant(followed(messy, fences)) == meant(followed(plain, fences))


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_timers_that_are_called_late_say_the_same(seed: int) -> None:
    track, fences = world(seed)
    assert meant(followed(track, fences, on_time=False)) == meant(followed(track, fences, on_time=True))


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_looking_around_at_every_fix_finds_no_enter_that_the_quiet_circle_hides(seed: int) -> None:
    track, fences = world(seed)
    params = PresenceParams()
    always = replace(params, around=replace(params.around, scan_s=1))
    assert _stays(followed(track, fences, params)) == _stays(followed(track, fences, always))


def _stays(told: list[Transition]) -> list[Transition]:
    """Enters, dwells and exits. How long it is remembered when a fence was left depends on when one looks."""
    kept = [each for each in told if isinstance(each, Enter | Exit | Dwell)]
    return [each._replace(left_s=0) if isinstance(each, Enter) else each for each in kept]


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_an_enter_is_never_far_from_a_believed_fix_inside(seed: int) -> None:
    track, fences = world(seed)
    for each in followed(track, fences):
        if isinstance(each, Enter):
            fence = fences.get(each.fence_id)
            assert fence is not None
            assert each.distance_m <= fence.radius_m + 0.1
            inside = [
                fix
                for fix in track
                if each.since_s <= fix.time_s <= each.time_s
                and away_m(fix.position.lat, fix.position.lon, fence.position.lat, fence.position.lon)
                <= fence.radius_m + 0.1
            ]
            assert inside


def test_a_state_of_another_version_is_refused() -> None:
    packed = bytes([99]) + Presence().pack()[1:]
    with pytest.raises(ValueError, match="version: 99 of a presence is unknown; allowed: 1"):
        Presence.unpack(packed)


def test_a_new_user_takes_little_room_and_one_in_town_not_much_more() -> None:
    track, fences = world(4)
    presence = Presence()
    assert len(presence.pack()) < 200
    sizes = []
    for each in track:
        presence.see(each, fences)
        sizes.append(len(presence.pack()))
    assert sorted(sizes)[len(sizes) // 2] < 500


def test_without_a_bound_a_fix_acts_at_once() -> None:
    track, fences = world(8)
    prompt = replace(PresenceParams(), fixes=FixParams(lateness_s=0))
    presence = Presence(prompt)
    for each in track:
        presence.see(each, fences)
        if not each.mocked and (each.position.accuracy_m or 0.0) <= 1_000.0:
            assert presence._queue.first_s is None
