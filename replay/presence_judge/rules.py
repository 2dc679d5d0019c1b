"""What is said of a user on their way: by the state machine, and by the simple rules beside it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from geo import Approach, Enter, Fence, FenceIndex, Presence, PresenceParams, Transition
from geo.plane import away_m
from replay.presence_judge.truth import Place, Track


class Said(NamedTuple):
    """Something was said of a place at an event time."""

    place: str
    time_s: int


class Spoken(NamedTuple):
    """What the state machine said of one user."""

    enters: list[Said]
    approaches: list[Said]
    """When an approach began."""
    near: list[Said]
    """When the user was almost there."""


def played(track: Track, places: list[Place], radius_m: float, params: PresenceParams) -> Spoken:
    """One user's fixes through the state machine, its timers on time.

    What it says counts from the moment in which it says it, so waiting for late fixes costs it time.
    """
    fences = FenceIndex(Fence(place.name, place.middle, radius_m) for place in places)
    presence, spoken = Presence(params), Spoken([], [], [])
    for fix in track:
        while (due_s := presence.due_s) is not None and due_s < fix.time_s:
            _note(presence.advance(due_s, fences), due_s, spoken)
        _note(presence.see(fix, fences), fix.time_s, spoken)
    return spoken


def naive_enters(track: Track, places: list[Place], radius_m: float) -> list[Said]:
    """An enter whenever a fix is inside and the one before it was not."""
    return [
        Said(place.name, time_s)
        for place in places
        for time_s in _crossings(track, place, _within(radius_m), _beyond(radius_m))
    ]


def distance_alerts(track: Track, places: list[Place], reach_m: float) -> list[Said]:
    """An alert at the first fix within reach, and the next one only after half that distance more."""
    return [
        Said(place.name, time_s)
        for place in places
        for time_s in _crossings(track, place, _within(reach_m), _beyond(1.5 * reach_m))
    ]


def _within(limit_m: float) -> Callable[[float], bool]:
    return lambda away_m: away_m <= limit_m


def _beyond(limit_m: float) -> Callable[[float], bool]:
    return lambda away_m: away_m > limit_m


def _crossings(
    track: Track, place: Place, starts: Callable[[float], bool], ends: Callable[[float], bool]
) -> Iterator[int]:
    on, middle = False, place.middle
    for fix in track:
        away = away_m(middle.lat, middle.lon, fix.position.lat, fix.position.lon)
        if on:
            on = not ends(away)
        elif starts(away):
            on = True
            yield fix.time_s


def _note(transitions: list[Transition], now_s: int, spoken: Spoken) -> None:
    for each in transitions:
        if isinstance(each, Enter):
            spoken.enters.append(Said(each.fence_id, now_s))
        elif isinstance(each, Approach):
            (spoken.near if each.near else spoken.approaches).append(Said(each.fence_id, now_s))
