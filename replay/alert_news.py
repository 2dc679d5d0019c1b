"""What a subscriber of alerts asks for and is told, as values, and how that reads on the wire."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerting.alerts import Alert, AlertKind
from alerting.rpc.alert_wire import read_alert
from alerting.rpc.convert import write_budget
from replay.gateway import RpcProblem
from tapwatch.v1 import alert_pb2 as pb


@dataclass(frozen=True, slots=True)
class SubscriberParams:
    """What to subscribe to, and how.

    Parameters
    ----------
    tenant, kinds, users
        Which alerts: None, or none, is all. ``users`` is a span of buckets, the last one excluded.
    name
        Makes the subscription durable: the server remembers what was acknowledged.
    from_beginning
        Begin with the first alert that is kept, unless the name is known or a cursor given.
    cursor
        Begin behind this place.
    first_pause_s, longest_pause_s
        How long to wait between tries while the server is gone.
    """

    tenant: str | None = None
    kinds: tuple[AlertKind, ...] = ()
    users: tuple[int, int] | None = None
    name: str = ""
    from_beginning: bool = False
    cursor: str = ""
    max_in_flight: int = 64
    lease_s: float = 30.0
    heartbeat_s: float = 10.0
    first_pause_s: float = 0.05
    longest_pause_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """An alert to be taken care of, then acknowledged."""

    alert: Alert
    cursor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TooLate:
    """An alert whose time was over before it was acknowledged; it needs no acknowledgement."""

    alert_id: str
    kind: AlertKind
    tenant: str
    user_id: str
    not_after: datetime
    cursor: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The server keeps these acknowledgements: the alerts won't come again.

    ``cursor`` is where another subscription may go on and lose nothing, as in all that follow.
    """

    alert_ids: tuple[str, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Missed:
    """The subscription could not go on where it was to, and begins with what is kept."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A stream is open; ``resumed`` says that the server knew the name."""

    cursor: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life of the server, with the time that its shard has come to."""

    shard_time: datetime
    cursor: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream has ended, and another one is tried."""

    problem: RpcProblem


News = Delivered | TooLate | Confirmed | Missed | Connected | Alive | Lost


def read_news(response: pb.SubscribeResponse) -> News | None:
    """What a response says; None for what this release does not know."""
    which = response.WhichOneof("response")
    if which == "delivery":
        came = response.delivery
        return Delivered(read_alert(came.alert), came.cursor, came.attempt)
    if which == "expired":
        late = response.expired
        kind = AlertKind(pb.AlertKind.Name(late.kind).removeprefix("ALERT_KIND_"))
        return TooLate(late.alert_id, kind, late.tenant, late.user_id, _time(late.not_after), late.cursor)
    if which == "acked":
        return Confirmed(tuple(response.acked.alert_ids), response.acked.cursor)
    if which == "heartbeat":
        return Alive(_time(response.heartbeat.shard_time), response.heartbeat.cursor)
    if which == "opened":
        return Connected(response.opened.cursor, response.opened.resumed)
    if which == "gap":
        return Missed(pb.GapReason.Name(response.gap.reason).removeprefix("GAP_REASON_"))
    return None


def write_subscription(params: SubscriberParams, cursor: str) -> pb.Subscription:
    """The subscription on the wire, to begin behind ``cursor``."""
    users = None if params.users is None else pb.UserRange(begin=params.users[0], end=params.users[1])
    return pb.Subscription(
        tenant=params.tenant,
        kinds=[kind_number(kind) for kind in params.kinds],
        users=users,
        name=params.name,
        start=pb.START_BEGINNING if params.from_beginning else pb.START_NOW,
        cursor=cursor,
        max_in_flight=params.max_in_flight,
        lease=write_budget(params.lease_s),
        heartbeat=write_budget(params.heartbeat_s),
    )


def kind_number(kind: AlertKind) -> Any:
    """The kind on the wire."""
    return pb.AlertKind.Value(f"ALERT_KIND_{kind}")


def _time(stamp: Any) -> datetime:
    return stamp.ToDatetime(UTC)  # type: ignore[no-any-return]  # published without types
