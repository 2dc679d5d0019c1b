"""Alerts as they are delivered, line by line, for people or for programs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.markup import escape

from alerting.alert_wording import alert_line
from alerting.alerts import Alert, AlertKind, bucket_of
from alerting.cloud_events import cloud_event
from replay.alert_client import AlertClient
from replay.alert_news import Connected, Delivered, Lost, Missed, SubscriberParams, TooLate
from replay.gateway import GatewayError

COLOURS: Final = {
    AlertKind.STEP_UP_REQUEST: "yellow",
    AlertKind.FRAUD_ALERT: "red",
    AlertKind.PROXIMITY: "cyan",
}
_KIND_WIDTH: Final = max(map(len, AlertKind))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts to show: None, or none, is all."""

    tenant: str | None = None
    kinds: tuple[AlertKind, ...] = ()
    user_id: str | None = None

    def shows(self, alert: Alert | TooLate) -> bool:
        """Whether an alert is of the wanted user; the server looks after the rest."""
        return self.user_id in (None, alert.user_id)

    def subscription(self, name: str, from_beginning: bool) -> SubscriberParams:
        """The subscription that brings them."""
        users = None
        if self.user_id is not None and self.tenant is not None:
            bucket = bucket_of(self.tenant, self.user_id)
            users = (bucket, bucket + 1)
        return SubscriberParams(
            tenant=self.tenant, kinds=self.kinds, users=users, name=name, from_beginning=from_beginning
        )


def listed(client: AlertClient, wanted: Wanted, *, suppressed: bool) -> Iterator[tuple[Alert, str]]:
    """What is there, each alert with why it was not sent (empty where it was)."""
    asked: dict[str, Any] = {"tenant": wanted.tenant, "kinds": wanted.kinds, "include_suppressed": suppressed}
    if wanted.tenant is not None:
        asked["user_id"] = wanted.user_id
    return (pair for pair in client.list_all(**asked) if wanted.shows(pair[0]))


def follow(
    client: AlertClient,
    wanted: Wanted,
    show: Callable[[Alert], None],
    say: Callable[[str], None],
    name: str = "",
    *,
    from_beginning: bool = False,
) -> None:
    """Show alerts as they come and acknowledge each when it is shown, until interrupted.

    Raises
    ------
    GatewayError
        When the server refuses, or can't be reached at all.
    """
    subscription = client.subscribe(wanted.subscription(name, from_beginning))
    connected = False
    for news in subscription:
        if isinstance(news, Delivered):
            if wanted.shows(news.alert):
                show(news.alert)
            subscription.ack(news.alert.alert_id)
        elif isinstance(news, TooLate):
            if wanted.shows(news):
                say(f"expired: {news.alert_id} {news.kind} of {news.user_id}")
        elif isinstance(news, Missed):
            say(f"gap ({news.reason}): the server begins with what it keeps")
        elif isinstance(news, Connected):
            say(_hello(name, news.resumed, connected, from_beginning))
            connected = True
        elif isinstance(news, Lost):
            if not connected:
                raise GatewayError(news.problem)
            say(f"lost the server ({news.problem.code}); trying again")


def _hello(name: str, resumed: bool, again: bool, from_beginning: bool) -> str:
    if again:
        return "connected again"
    if resumed:
        return f"going on as {name}"
    return "following, from the beginning" if from_beginning else "following, from now on"


def alert_markup(alert: Alert, suppressed: str = "") -> str:
    """An alert in one line with colours."""
    colour = "dim" if suppressed else COLOURS[alert.kind]
    when = alert.event_time.strftime("%Y-%m-%d %H:%M:%S")
    kind = f"[{colour}]{alert.kind:<{_KIND_WIDTH}}[/]"
    end = f" [dim]not sent: {suppressed}[/]" if suppressed else ""
    who = alert.user_id if alert.tenant == "default" else f"{alert.tenant}/{alert.user_id}"
    return f"{when} {kind} [bold]{escape(who)}[/] {escape(alert_line(alert))}{end} [dim]{alert.alert_id}[/]"


def alert_json(alert: Alert, suppressed: str = "") -> str:
    """An alert as a CloudEvent in one line; one that was not sent says why in ``suppressed``."""
    more = {"suppressed": suppressed} if suppressed else {}
    return json.dumps({**cloud_event(alert), **more}, ensure_ascii=False)
