"""What a cursor in an acknowledgement is good for: what its subscriber was sent, and nothing else."""

from google.protobuf.duration_pb2 import Duration

from alerting.alert_source import BEGINNING
from replay.alert_client import AlertClient
from tapwatch.v1 import alert_pb2 as pb
from tests.alerting.alerts_made import a_payment_alert, a_proximity_alert
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_alerts import FakeAlerts
from tests.alerting.rpc.raw_subscriber import Raw


def test_acknowledging_up_to_a_cursor_is_confirmed_by_id(raw: Raw, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2, "u-2"))
    raw.say(subscription=pb.Subscription(start=pb.START_BEGINNING))
    places = [raw.heard().delivery.cursor for _ in range(3)][1:]
    raw.say(ack=pb.Ack(through_cursor=places[1]))
    assert set(raw.heard().acked.alert_ids) == {
        a_payment_alert(1).alert_id,
        a_payment_alert(2, "u-2").alert_id,
    }


def test_a_cursor_of_another_log_acknowledges_nothing(raw: Raw, alerts: FakeAlerts) -> None:
    alerts.add(a_payment_alert(1), a_payment_alert(2, "u-2"))
    raw.say(subscription=pb.Subscription(name="push", start=pb.START_BEGINNING))
    assert [raw.heard().WhichOneof("response") for _ in range(3)] == ["opened", "delivery", "delivery"]
    raw.say(ack=pb.Ack(through_cursor=FakeAlerts(b"other").place(2).cursor))
    assert [name for name, _ in raw.refusal().violations] == ["ack.through_cursor"]
    (kept,) = alerts.subscriptions.values()
    assert (kept.mark, kept.done) == (BEGINNING, ())


def test_what_is_just_being_looked_up_is_acknowledged_by_no_cursor(serve: Serve, alerts: FakeAlerts) -> None:
    alerts.add(a_proximity_alert(1), a_payment_alert(2, "u-2"))
    alerts.may_look_up.clear()
    port = serve().port
    raw = Raw(port)
    calm = Duration(seconds=60)
    raw.say(subscription=pb.Subscription(name="push", start=pb.START_BEGINNING, heartbeat=calm))
    assert raw.heard().HasField("opened")
    urgent = raw.heard().delivery
    assert alerts.looking_up.wait(30.0)
    raw.say(ack=pb.Ack(through_cursor=urgent.cursor))
    with AlertClient(f"127.0.0.1:{port}") as client:
        while alerts.kept < 2:  # its beginning, and the acknowledgement
            client.list_page()
    alerts.may_look_up.set()
    heard = [raw.heard(), raw.heard()]
    assert [name for each in heard for name in each.acked.alert_ids] == [urgent.alert.alert_id]
    assert [each.delivery.alert.log_position for each in heard if each.HasField("delivery")] == [1]
    raw.end()
    raw.channel.close()
