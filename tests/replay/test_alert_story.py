"""The story of an alert names its cause, and nobody but its user."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from alerting.alert_source import SubscriptionName
from flows.alert_story import AlertStory, read_alert_story
from flows.codec import Event
from flows.policy_file import default_policy_text
from replay.alerts import read_alerts
from replay.run import ReplayParams, replay
from replay.streams import StreamWriter
from tests.flows.outings_made import ARRIVAL, HOUR, MINUTE, TODAY, USER, fix, of_habit, rest, tick


def the_story(folder: Path, *events: Event) -> AlertStory:
    """The story of the one alert that these events lead to."""
    with StreamWriter(folder / "s.jsonl") as writer:
        for event in events:
            writer.write(event)
    replay([folder / "s.jsonl"], folder / "run", ReplayParams(default_policy_text(), keep_shard=True))
    (row,) = read_alerts(folder / "run")
    story = read_alert_story(folder / "run", row.alert.alert_id)
    assert story is not None
    return story


def test_an_alert_that_a_position_caused_shows_it(tmp_path: Path) -> None:
    story = the_story(tmp_path, *of_habit(), *ARRIVAL)
    assert (story.cause["kind"], story.cause["user_id"]) == ("location", USER)


def test_an_alert_that_fell_due_at_somebody_elses_record_shows_nothing_of_it(tmp_path: Path) -> None:
    near = rest(TODAY - 4 * HOUR, 250, 20)
    story = the_story(tmp_path, *of_habit(), *near, *(tick(TODAY + n * MINUTE) for n in range(-219, -190)))
    assert story.cause == {"kind": "time_passed", "event_time": "2026-03-26T07:41:00Z"}
    assert "  cause     time passed at 2026-03-26T07:41:00+00:00" in story.lines()


def test_another_tenants_user_of_the_same_name_is_somebody_else(tmp_path: Path) -> None:
    near = rest(TODAY - 4 * HOUR, 250, 20)
    start = near[0].event_time
    others = (fix(start + timedelta(minutes=n), 90_000.0, tenant="shop") for n in range(21, 50))
    story = the_story(tmp_path, *of_habit(), *near, *others)
    assert story.cause["kind"] == "time_passed"


def test_a_subscriber_that_is_done_with_an_alert_need_not_have_acknowledged_it(tmp_path: Path) -> None:
    story = the_story(tmp_path, *of_habit(), *ARRIVAL)
    (line, other) = replace(
        story,
        subscriptions=((SubscriptionName(None, "desk"), True), (SubscriptionName("shop", "push"), False)),
    ).lines()[-2:]
    assert line == "  subscriber desk: done with it: acknowledged, expired, or of before it began"
    assert other == "  subscriber push of tenant shop: not done with it"
