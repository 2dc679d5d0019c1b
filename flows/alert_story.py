"""An alert's story: what caused it, what became of it, and which subscribers are done with it."""

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alerting.alert_source import KeptSubscription, Place, StoredAlert, SubscriptionName
from alerting.alert_wording import alert_line
from alerting.alerts import Alert
from alerting.delivery.reasons import TITLES, Suppression
from flows.codec import Event, decode_alert, encode_event, plain_alert
from flows.shard_folder import shard_files
from flows.sqlite_shard import SqliteShard
from flows.subscription_file import SUBSCRIPTIONS_FILE, read_subscriptions

TIME_PASSED: Final = "time_passed"
"""The cause of an alert that fell due at a record which has nothing to do with its user."""
_DONE: Final = "done with it: acknowledged, expired, or of before it began"


@dataclass(frozen=True, slots=True)
class AlertStory:
    """What is on record of an alert.

    Attributes
    ----------
    candidates
        Each time that its cause made a candidate: the log position, and why it was not sent (None where it
        was).
    cause
        The record behind the alert, as plain values; where its time had come, by a record that has nothing to
        do with its user, no more than that.
    subscriptions
        The durable subscriptions that want it, and whether they are done with it: whether it came before they
        began, was acknowledged or expired is not kept.
    """

    alert: Alert
    candidates: tuple[tuple[int, str | None], ...]
    cause: dict[str, Any]
    subscriptions: tuple[tuple[SubscriptionName, bool], ...]

    @property
    def sent(self) -> bool:
        """Whether it was sent."""
        return any(reason is None for _, reason in self.candidates)

    def as_dict(self) -> dict[str, Any]:
        """The story as plain values."""
        return {
            "alert": plain_alert(self.alert),
            "sent": self.sent,
            "candidates": [{"log_position": at, "suppressed": reason} for at, reason in self.candidates],
            "cause": self.cause,
            "subscriptions": [{**name._asdict(), "done": done} for name, done in self.subscriptions],
        }

    def lines(self) -> list[str]:
        """The story in words."""
        alert = self.alert
        lines = [
            f"{alert.alert_id}: {alert.kind} {'sent' if self.sent else 'not sent'}",
            f"  says      {alert_line(alert)}",
            f"  user      {alert.user_id} of tenant {alert.tenant}",
            f"  cause     {self.cause['kind'].replace('_', ' ')} at {alert.event_time.isoformat()}",
            f"  valid     until {alert.not_after.isoformat()} in event time; priority {alert.priority}",
        ]
        lines += [f"  candidate at log position {at}: {_end(reason)}" for at, reason in self.candidates]
        lines += [
            f"  subscriber {_named(name)}: {_DONE if done else 'not done with it'}"
            for name, done in self.subscriptions
        ]
        if alert.payment is not None:
            lines.append(f"  decision  tapwatch explain {alert.payment.transaction_id}")
        return lines


def read_alert_story(data_dir: Path, alert_id: str) -> AlertStory | None:
    """The story of an alert in ``data_dir``; None where there is no such alert.

    Raises
    ------
    ShardFileError
        When the folder holds no shard.
    """
    for path in shard_files(data_dir):
        with closing(SqliteShard.open_reader(path)) as shard:
            story = _story(shard, data_dir, alert_id)
            if story is not None:
                return story
    return None


def _story(shard: SqliteShard, data_dir: Path, alert_id: str) -> AlertStory | None:
    rows = shard.alerts.named(alert_id) if shard.alerts.exists() else []
    if not rows:
        return None
    told = next((row for row in rows if row.suppressed is None), rows[0])
    stored = StoredAlert(Place(told.position, told.seq), decode_alert(told.alert), told.suppressed)
    cause = _cause(stored.alert, shard.read(told.position - 1, 1)[0].event)
    candidates = tuple((row.position, row.suppressed) for row in rows)
    kept = read_subscriptions(data_dir / SUBSCRIPTIONS_FILE)
    return AlertStory(stored.alert, candidates, cause, tuple(_states(kept, stored)))


def _cause(alert: Alert, event: Event) -> dict[str, Any]:
    """The record as plain values, unless all it did was to let time pass: then it may be about anybody."""
    if alert.proximity is not None and _whose(event) != (alert.tenant, alert.user_id):
        return {"kind": TIME_PASSED, "event_time": plain_alert(alert)["event_time"]}
    return json.loads(encode_event(event))  # type: ignore[no-any-return]  # an object, by its schema


def _whose(event: Event) -> tuple[str, str]:
    return getattr(event, "tenant", ""), getattr(event, "user_id", "")


def _states(kept: list[KeptSubscription], stored: StoredAlert) -> list[tuple[SubscriptionName, bool]]:
    return [
        (each.name, not stored.place.is_behind(each.mark) or stored.place[:2] in each.done)
        for each in kept
        if each.wanted.wants(stored)
    ]


def _named(name: SubscriptionName) -> str:
    return name.name if name.tenant is None else f"{name.name} of tenant {name.tenant}"


def _end(reason: str | None) -> str:
    return "sent" if reason is None else f"{reason}: {TITLES[Suppression(reason)].lower()}"
