"""The judge of fences: what is a stay, a place, a visit; what counts as a repeat, missed, a pass-by."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detectors.events import Location
from flows.cli import Exit
from geo import Fix, PresenceParams
from replay.cli import app
from replay.errors import SourceError
from replay.presence_judge import TruthParams, judge_presence
from replay.presence_judge.counts import (
    AlertCounts,
    EnterCounts,
    Part,
    arrivals_at,
    count_alerts,
    count_enters,
)
from replay.presence_judge.rules import Said, distance_alerts, naive_enters
from replay.presence_judge.truth import Place, Stay, find_stays, places
from replay.streams import StreamWriter
from tests.geo.fixes_made import START_S, fix, place

TRUTH = TruthParams()
ALWAYS = Part(0, float("inf"))
MIDDLE = place(0.0)


def rest(start_s: int, end_s: int, east_m: float = 0.0, step_s: int = 60) -> list[Fix]:
    return [fix(at_s, east_m) for at_s in range(start_s, end_s + 1, step_s)]


def walk(start_s: int, from_m: float, to_m: float) -> list[Fix]:
    steps = int(abs(to_m - from_m) / 7.0)
    way = 7.0 if to_m > from_m else -7.0
    return [fix(start_s + 5 * number, from_m + way * number) for number in range(steps)]


def commute(days: int) -> list[Fix]:
    """Home until 8, half an hour at a shop 1.5 km away, past a second one, and back."""
    track = []
    for day in range(days):
        at_s = 86_400 * day
        track += rest(at_s, at_s + 28_800, step_s=120)
        track += walk(at_s + 28_805, 0.0, 1_500.0)
        track += rest(at_s + 30_000, at_s + 31_800, 1_500.0)
        track += walk(at_s + 31_805, 1_500.0, 0.0)
        track += rest(at_s + 33_000, at_s + 80_000, step_s=120)
    return track


def a_place(*visits: tuple[int, int]) -> Place:
    stays = [Stay(START_S + start, START_S + end, MIDDLE.lat, MIDDLE.lon) for start, end in visits]
    return Place("place-0", MIDDLE, stays, stays, stays)


def said(*at_s: int) -> list[Said]:
    return [Said("place-0", START_S + each) for each in at_s]


def enters(place: Place, *at_s: int) -> dict[str, Any]:
    counts = EnterCounts()
    count_enters(counts, said(*at_s), [place], ALWAYS)
    return counts.as_dict()


def alerts(place: Place, arrivals: list[int], *at_s: int) -> dict[str, Any]:
    counts = AlertCounts()
    when = {"place-0": [START_S + each for each in arrivals]}
    count_alerts(counts, said(*at_s), [place], when, ALWAYS)
    return counts.as_dict()


@pytest.mark.parametrize(("minutes", "stays"), [(19, 0), (20, 1), (300, 1)])
def test_a_stay_lasts_twenty_minutes(minutes: int, stays: int) -> None:
    track = [*rest(0, 60 * minutes), *rest(60 * minutes + 60, 60 * minutes + 600, 900.0)]
    assert len(find_stays(track, TRUTH)) == stays


def test_a_stay_ends_where_somebody_is_too_far_from_its_first_fix_or_silent_for_half_a_day() -> None:
    track = [*rest(0, 1_800), *rest(1_860, 3_660, 201.0), *rest(60_000, 61_800, 201.0)]
    found = find_stays(track, TRUTH)
    assert [(stay.start_s - START_S, stay.end_s - START_S) for stay in found] == [
        (0, 1_800),
        (1_860, 3_660),
        (60_000, 61_800),
    ]


def test_a_gap_of_eleven_hours_is_part_of_a_stay() -> None:
    assert len(find_stays([*rest(0, 600), *rest(40_000, 40_600)], TRUTH)) == 1


def test_a_place_was_stayed_at_twice_and_pieces_of_a_visit_are_joined() -> None:
    track = [*rest(0, 1_800), *rest(1_860, 1_920, 300.0), *rest(1_980, 3_600), *rest(9_000, 12_000, 5_000.0)]
    track += rest(90_000, 93_000)
    (found,) = places(track, TRUTH)
    assert (len(found.stays), len(found.visits)) == (3, 2)
    assert found.visits[0].end_s - START_S == 3_600


def test_an_enter_belongs_to_a_visit_from_five_minutes_before_it_until_its_end() -> None:
    visit = a_place((1_000, 3_000))
    for at_s, missed in ((699, 1), (700, 0), (3_000, 0), (3_001, 1)):
        counted = enters(visit, at_s)
        assert (counted["missed"], counted["without_a_stay"]) == (missed, missed)


def test_repeats_are_what_comes_after_the_first_enter_of_a_visit() -> None:
    counted = enters(a_place((1_000, 3_000), (9_000, 11_000)), 1_040, 1_500, 2_000, 5_000)
    assert counted == {
        "visits": 2,
        "enters": 4,
        "repeats": 2,
        "missed": 1,
        "without_a_stay": 1,
        "repeats_per_visit": 1.0,
        "missed_share": 0.5,
        "median_latency_s": 40,
    }


def test_an_enter_before_the_start_of_a_visit_is_not_late() -> None:
    assert enters(a_place((1_000, 3_000)), 800)["median_latency_s"] == 0


def test_an_alert_recalls_a_visit_up_to_half_an_hour_before_its_arrival() -> None:
    visit = a_place((10_000, 13_000))
    for at_s, recalled in ((8_299, 0), (8_300, 1), (10_100, 1), (10_101, 0)):
        assert alerts(visit, [10_100], at_s)["recalled"] == recalled
    assert alerts(visit, [10_100], 9_500)["median_lead_s"] == 600


def test_an_alert_without_a_stay_there_within_half_an_hour_is_a_pass_by() -> None:
    visit = a_place((10_000, 13_000))
    for at_s, passed in ((8_199, 1), (8_200, 0), (13_000, 0), (13_001, 1)):
        assert alerts(visit, [10_100], at_s)["pass_bys"] == passed


def test_a_second_alert_within_half_an_hour_does_not_count() -> None:
    assert alerts(a_place((10_000, 13_000)), [], 100, 1_900, 1_901)["alerts"] == 2


def test_the_simplest_rules_say_what_they_are_named_for() -> None:
    track = [
        fix(10 * number, east) for number, east in enumerate((400, 250, 90, 110, 90, 440, 290, 460, 290))
    ]
    there = a_place()
    assert [each.time_s - START_S for each in naive_enters(track, [there], 100.0)] == [20, 40]
    assert [each.time_s - START_S for each in distance_alerts(track, [there], 300.0)] == [10, 80]


def test_an_arrival_is_the_first_fix_inside_that_belongs_to_the_visit() -> None:
    track = [*rest(0, 100, step_s=50), *rest(800, 900, 190.0), *rest(1_000, 3_000)]
    assert arrivals_at(track, a_place((900, 3_000)), 100.0) == [START_S + 1_000]


def locations(track: list[Fix]) -> list[Location]:
    return [Location("u", each.position, datetime.fromtimestamp(each.time_s, UTC)) for each in track]


def test_a_life_of_two_places_is_judged_without_a_fault() -> None:
    report = judge_presence(locations(commute(6)), TRUTH, PresenceParams())
    assert (report.users, report.places, report.visits, report.best_missed) == (1, 2, 13, 0)
    counted = report.enters["presence"]["all"]
    names = ("enters", "repeats", "missed", "without_a_stay")
    assert [counted[name] for name in names] == [13, 0, 0, 0]
    assert 0 <= counted["median_latency_s"] <= 60
    parts = report.enters["presence"]
    assert parts["early"]["visits"] + parts["late"]["visits"] == 13
    told = report.alerts["almost there"]["all"]
    assert (told["alerts"], told["pass_bys"], told["recalled"]) == (12, 0, 12)
    assert report.alerts["approach"]["all"]["median_lead_s"] > told["median_lead_s"]
    assert max(map(len, report.as_text().splitlines())) <= 80


def test_tracks_of_people_who_stay_nowhere_twice_can_not_be_judged() -> None:
    with pytest.raises(SourceError, match="no place was stayed at twice"):
        judge_presence(locations(rest(0, 3_600)), TRUTH, PresenceParams())


def test_the_command_judges_a_stream(tmp_path: Path) -> None:
    with StreamWriter(tmp_path / "track.jsonl") as writer:
        for each in locations(commute(3)):
            writer.write(each)
    done = CliRunner().invoke(app, ["judge", "fences", str(tmp_path / "track.jsonl"), "--json"])
    assert done.exit_code == Exit.DONE
    assert json.loads(done.stdout)["visits"] == 7
    shown = CliRunner().invoke(app, ["judge", "fences", str(tmp_path / "track.jsonl")])
    assert "presence" in shown.stdout
    missing = CliRunner().invoke(app, ["judge", "fences", str(tmp_path / "none.jsonl")])
    assert missing.exit_code == Exit.BAD_INPUT
