"""Alerts in the envelope of CloudEvents 1.0."""

import json
import re
from dataclasses import replace

import pytest

from alerting.alerts import Alert
from alerting.cloud_events import cloud_event
from tests.alerting.alerts_made import a_payment_alert, a_proximity_alert

ALERTS = (a_payment_alert(), a_proximity_alert())


@pytest.mark.parametrize("alert", ALERTS)
def test_every_attribute_has_the_form_that_the_specification_asks_for(alert: Alert) -> None:
    event = json.loads(json.dumps(cloud_event(alert)))
    assert event["specversion"] == "1.0"
    for name in ("id", "source", "type", "subject", "time"):
        assert isinstance(event[name], str)
        assert event[name]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", event["time"])
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)
    assert all(not isinstance(value, dict | list) for name, value in event.items() if name != "data")


def test_what_it_is_about_is_the_data() -> None:
    event = cloud_event(ALERTS[1])
    assert (event["type"], event["source"]) == ("tapwatch.alert.proximity.v1", "/tapwatch/default")
    assert (event["id"], event["subject"]) == (ALERTS[1].alert_id, "u-1")
    assert event["data"]["merchant_name"] == "Corner café"
    assert (event["supersedes"], event["priority"], event["logposition"]) == ("a-0", "normal", "1")


def test_what_has_no_value_is_left_out() -> None:
    event = cloud_event(ALERTS[0])
    assert "supersedes" not in event
    assert "fallback_cause" not in event["data"]


def test_no_attribute_is_a_number_that_the_specification_does_not_know() -> None:
    event = cloud_event(replace(ALERTS[0], log_position=2**40))
    assert event.pop("data")
    assert all(isinstance(value, str) for value in event.values())
    assert event["logposition"] == "1099511627776"


def test_a_tenants_name_can_not_break_the_source() -> None:
    assert cloud_event(replace(ALERTS[0], tenant="a b/c"))["source"] == "/tapwatch/a%20b%2Fc"
