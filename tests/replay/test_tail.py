"""Alerts in a terminal and as CloudEvents; what the command refuses."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerting.alert_source import AlertFilter, KeptSubscription, Place, SubscriptionName
from alerting.alert_wording import alert_line
from alerting.alerts import Alert, AlertKind
from alerting.decision import Action, FallbackCause, Source
from alerting.delivery.reasons import Suppression
from alerting.rpc import EdgeServer, build_server
from flows.cli import Exit
from flows.subscription_file import SubscriptionFile
from replay.alert_client import AlertClient
from replay.cli import app
from replay.gateway import GatewayError
from replay.tail import Wanted, alert_json, alert_markup, follow
from tests.alerting.alerts_made import NOON, a_payment_alert, a_proximity_alert
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.fake_engine import FakeEngine, describe


@pytest.fixture
def alerts() -> FakeAlerts:
    return FakeAlerts()


@pytest.fixture
def server(alerts: FakeAlerts) -> Iterator[EdgeServer]:
    made = build_server(FakeEngine(), "127.0.0.1:0", describe=describe, alerts=alerts)
    made.start()
    yield made
    made.stop(0.0)


def tail(server: EdgeServer, *arguments: str) -> Result:
    target = f"127.0.0.1:{server.port}"
    return CliRunner().invoke(app, ["tail", "--target", target, "--no-follow", *arguments])


def test_what_is_there_is_listed_a_line_for_each(server: EdgeServer, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_proximity_alert(2, "u-2"))
    done = tail(server)
    assert done.exit_code == Exit.DONE
    first, second = done.stdout.splitlines()
    assert first.startswith("2026-05-01 12:00:01 STEP_UP_REQUEST u-1 t-1 1,250.00 EUR to m-1")
    assert "Corner café in 180 m" in second
    assert a_payment_alert(1).alert_id in first


def test_kinds_tenants_and_users_are_chosen(server: EdgeServer, alerts: FakeAlerts) -> None:
    alerts.add(
        a_payment_alert(1),
        a_payment_alert(2, "u-2", AlertKind.FRAUD_ALERT),
        a_payment_alert(3, "u-2", tenant="shop"),
    )
    for arguments, count in (
        (("--kind", "FRAUD_ALERT"), 1),
        (("--kind", "FRAUD_ALERT", "--kind", "STEP_UP_REQUEST"), 3),
        (("--tenant", "shop"), 1),
        (("--user", "u-2"), 2),
        (("--user", "u-2", "--tenant", "shop"), 1),
    ):
        assert len(tail(server, *arguments).stdout.splitlines()) == count, arguments


def test_json_is_a_cloud_event_in_each_line(server: EdgeServer, alerts: FakeAlerts) -> None:
    alerts.add(a_proximity_alert(1))
    (line,) = tail(server, "--json").stdout.splitlines()
    assert json.loads(line)["id"] == a_proximity_alert(1).alert_id


def test_what_was_not_sent_is_shown_with_its_reason_on_demand(server: EdgeServer, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), suppressed=Suppression.NOT_JUDGED)
    assert tail(server).stdout == ""
    assert "not sent: NOT_JUDGED" in tail(server, "--suppressed").stdout
    assert json.loads(tail(server, "--suppressed", "--json").stdout)["suppressed"] == "NOT_JUDGED"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--suppressed",), "--suppressed: goes with --no-follow only"),
        (("--no-follow", "--name", "x"), "--name: goes with --follow only"),
        (("--name", "x", "--user", "u-1"), "--user: goes with --name only beside --tenant"),
        (("--kind", "PARTY"), "'PARTY' is not one of"),
        (("--target", "127.0.0.1:1"), "127.0.0.1:1: UNAVAILABLE"),
        (("--no-follow", "--target", "127.0.0.1:1"), "127.0.0.1:1: UNAVAILABLE"),
        (("--token-file", "none"), "none"),
    ],
)
def test_bad_input_exits_2_and_says_why(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["tail", *arguments])
    assert done.exit_code == Exit.BAD_INPUT
    assert says in done.stderr


def test_a_server_without_alerts_is_told_apart() -> None:
    made = build_server(FakeEngine(), "127.0.0.1:0", describe=describe)
    made.start()
    done = tail(made)
    made.stop(0.0)
    assert (done.exit_code, "on a topic" in done.stderr) == (Exit.BAD_INPUT, True)


class Enough(Exception):
    """The test has seen what it waits for."""


def test_following_one_user_tells_nothing_of_others(alerts: FakeAlerts) -> None:
    engine = FakeEngine()
    engine.time = alerts.now = NOON + timedelta(minutes=5)
    made = build_server(engine, "127.0.0.1:0", describe=describe, alerts=alerts)
    made.start()
    late = [a_payment_alert(n, user, lives_s=0) for n, user in ((1, "u-1"), (2, "u-2"))]
    alerts.add(*late, a_payment_alert(3, "u-2"))
    said: list[str] = []

    def enough(_: Alert) -> None:
        raise Enough

    with AlertClient(f"127.0.0.1:{made.port}") as client, pytest.raises(Enough):
        follow(client, Wanted(user_id="u-2"), enough, said.append, from_beginning=True)
    made.stop(0.0)
    assert said[1:] == [f"expired: {late[1].alert_id} STEP_UP_REQUEST of u-2"]


def test_following_shows_acknowledges_and_goes_on_behind(server: EdgeServer, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2), a_payment_alert(3))
    shown: list[Alert] = []

    def show(alert: Alert) -> None:
        shown.append(alert)
        if len(shown) in (2, 3):
            raise Enough

    with AlertClient(f"127.0.0.1:{server.port}") as client:
        for count in (2, 3):
            said: list[str] = []
            with pytest.raises(Enough):
                follow(client, Wanted(), show, said.append, "desk", from_beginning=True)
            assert len(shown) == count
        assert said == ["going on as desk"]
    # What was shown when it ended is not acknowledged, and so comes again.
    assert [alert.log_position for alert in shown] == [1, 2, 2]


def test_only_the_wanted_user_is_shown_although_the_server_sends_the_bucket(
    server: EdgeServer, alerts: FakeAlerts
) -> None:
    alerts.add(a_payment_alert(1, "u-2"), a_payment_alert(2, "u-1"))
    shown: list[Alert] = []

    def show(alert: Alert) -> None:
        shown.append(alert)
        raise Enough

    with AlertClient(f"127.0.0.1:{server.port}") as client, pytest.raises(Enough):
        follow(client, Wanted(user_id="u-1"), show, lambda _: None, from_beginning=True)
    assert [alert.user_id for alert in shown] == ["u-1"]


def test_what_expired_is_told_of_the_wanted_user_only(server: EdgeServer, alerts: FakeAlerts) -> None:
    at = NOON - timedelta(minutes=9)
    made = [a_payment_alert(1, "u-2"), a_payment_alert(2, "u-1")]
    late = [replace(alert, event_time=at, not_after=at) for alert in made]
    alerts.add(*late, a_payment_alert(3, "u-1"))
    alerts.now = NOON
    said: list[str] = []

    def show(_alert: Alert) -> None:
        raise Enough

    with AlertClient(f"127.0.0.1:{server.port}") as client, pytest.raises(Enough):
        follow(client, Wanted(user_id="u-1"), show, said.append, from_beginning=True)
    assert said[1:] == [f"expired: {late[1].alert_id} STEP_UP_REQUEST of u-1"]


def test_a_server_that_is_not_there_ends_it_at_once() -> None:
    with AlertClient("127.0.0.1:1") as client, pytest.raises(GatewayError):
        follow(client, Wanted(), lambda _: None, lambda _: None)


def test_markup_in_what_others_sent_is_only_text() -> None:
    near = a_proximity_alert()
    assert near.proximity is not None
    bold = replace(near, proximity=replace(near.proximity, merchant_name="[bold]x[/bold]"))
    assert r"\[bold]x" in alert_markup(bold)
    assert json.loads(alert_json(bold))["data"]["merchant_name"] == "[bold]x[/bold]"


def test_wordings_say_what_is_known() -> None:
    paid, near = a_payment_alert(kind=AlertKind.FRAUD_ALERT), a_proximity_alert()
    assert paid.payment is not None
    assert near.proximity is not None
    assert alert_line(paid).startswith("t-1 1,250.00 EUR to m-1 declined: Amount above")
    fallback = replace(
        paid.payment, source=Source.FALLBACK, fallback_cause=FallbackCause.DEADLINE, action=Action.STEP_UP
    )
    assert alert_line(replace(paid, payment=fallback)).endswith("by the fallback (DEADLINE)")
    bare = replace(near.proximity, eta_s=None, usual_minute=None, usual_weekday=None)
    assert alert_line(replace(near, proximity=bare)) == "Corner café in 180 m; 62 % likely"
    daily = replace(near.proximity, usual_weekday=None)
    assert "usual: 08:30" in alert_line(replace(near, proximity=daily))


def test_the_story_of_an_alert_is_told(tmp_path: Path) -> None:
    from flows.policy_file import default_policy_text
    from replay.alerts import read_alerts
    from replay.run import ReplayParams, replay
    from replay.streams import StreamWriter
    from tests.replay.events_made import a_payment

    rule = '\n[[rules]]\nid = "all"\nwhen = "amount >= 0"\naction = "STEP_UP"\n'
    with StreamWriter(tmp_path / "s.jsonl") as writer:
        writer.write(a_payment(1))
    run = tmp_path / "run"
    replay([tmp_path / "s.jsonl"], run, ReplayParams(default_policy_text() + rule, keep_shard=True))
    (row,) = read_alerts(run)
    command = ["explain", row.alert.alert_id, "--data-dir", str(run)]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == Exit.DONE, told.output
    assert f"{row.alert.alert_id}: STEP_UP_REQUEST sent" in told.output
    assert "candidate at log position 2: sent" in told.output
    story = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert (story["sent"], story["cause"]["transaction_id"]) == (True, "t-1")
    file = SubscriptionFile(run / "subscriptions.db")
    names = (SubscriptionName(None, "desk"), SubscriptionName("default", "desk"))
    file.keep([KeptSubscription(name, AlertFilter(), Place(at, 9)) for at, name in enumerate(names, 1)])
    file.close()
    told = CliRunner().invoke(app, command)
    assert "subscriber desk: not done with it" in told.output
    assert "subscriber desk of tenant default: done with it" in told.output
    for path in run.glob("subscriptions.db-*"):
        path.unlink()
    (run / "subscriptions.db").write_bytes(b"no database at all, but long enough to be looked at")
    damaged = CliRunner().invoke(app, command)
    assert (damaged.exit_code, "subscriptions.db" in damaged.stderr) == (Exit.BAD_INPUT, True)
    unknown = CliRunner().invoke(app, ["explain", "a-" + "0" * 32, "--data-dir", str(run)])
    assert (unknown.exit_code, "no decision or alert" in unknown.stderr) == (Exit.BAD_INPUT, True)
