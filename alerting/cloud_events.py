"""Alerts as CloudEvents 1.0: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md.

====================  ==============================================================
attribute             content
====================  ==============================================================
``id``                the alert's id: a repeat of an alert has the id of the first
``source``            ``/tapwatch/`` and the tenant; with the id it is unique
``type``              ``tapwatch.alert.`` and the kind in lower case, and ``.v1``
``subject``           the user id
``time``              the event time of the cause
``data``              the details that belong to the kind
extensions            ``notafter``, ``priority``, ``collapsekey``, ``supersedes``,
                      ``logposition`` (a text: integers end at 2^31 - 1 there)
====================  ==============================================================
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from alerting.alerts import Alert

CONTENT_TYPE: Final = "application/cloudevents+json"


def cloud_event(alert: Alert) -> dict[str, Any]:
    """The alert in CloudEvents' JSON format, as plain values; attributes without a value are left out."""
    event = {
        "specversion": "1.0",
        "id": alert.alert_id,
        "source": f"/tapwatch/{quote(alert.tenant, safe='')}",
        "type": f"tapwatch.alert.{alert.kind.lower()}.v1",
        "subject": alert.user_id,
        "time": _time(alert.event_time),
        "datacontenttype": "application/json",
        "notafter": _time(alert.not_after),
        "priority": alert.priority.lower(),
        "collapsekey": alert.collapse_key,
        "supersedes": alert.supersedes,
        "logposition": str(alert.log_position),
        "data": {name: value for name, value in asdict(alert.details).items() if value is not None},
    }
    return {name: value for name, value in event.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
