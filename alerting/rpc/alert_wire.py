"""Alerts on the wire: requests read with every bad field named, responses written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration

from alerting.alert_source import (
    AlertFilter,
    GapReason,
    Place,
    StoredAlert,
    SubscriptionName,
    read_cursor,
)
from alerting.alerts import Alert, AlertKind, PaymentDetails, ProximityDetails
from alerting.decision import Reason
from alerting.rpc.convert import write_budget
from alerting.rpc.intake import Intake
from alerting.rpc.shape import Shape, to_timestamp
from detectors.checks import MAX_ID
from detectors.pan import contains_pan
from tapwatch.v1 import alert_pb2 as pb
from tapwatch.v1 import decision_pb2

ALERT: Final = Shape(
    Alert,
    pb.Alert,
    Shape(PaymentDetails, pb.PaymentDetails, Shape(Reason, decision_pb2.Reason)),
    Shape(ProximityDetails, pb.ProximityDetails),
)
MOST_IN_FLIGHT: Final = 1_000
MOST_ON_A_PAGE: Final = 1_000
PAGE_BYTES: Final = 2**21
"""A page that has grown beyond ends early: clients of gRPC take 4 MB unless told otherwise."""
MOST_ACKED: Final = 10_000
_EVER: Final = datetime.max.replace(tzinfo=UTC)
NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a shard that has seen no event."""
_KINDS: Final = {pb.AlertKind.Value(f"ALERT_KIND_{kind}"): kind for kind in AlertKind}
_ALLOWED_KINDS: Final = ", ".join(f"ALERT_KIND_{kind}" for kind in AlertKind)
_ALLOWED_STARTS: Final = "START_NOW, START_BEGINNING"
_GAPS: Final = {reason: pb.GapReason.Value(f"GAP_REASON_{reason}") for reason in GapReason}


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription as asked for; ``cursor`` is where to begin, None where that is now or the beginning."""

    wanted: AlertFilter
    name: SubscriptionName | None
    from_beginning: bool
    cursor: Place | None
    max_in_flight: int
    lease_s: float
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class PageWish:
    """A page as asked for."""

    wanted: AlertFilter
    size: int
    after: Place | None


def read_subscription(request: pb.SubscribeRequest) -> Wish:
    """What the first request of a subscriber asks for."""
    intake = Intake(_EVER)
    if request.WhichOneof("request") != "subscription":
        intake.refuse("", "subscription", "is required in the first request")
        intake.finish()
    asked, path = request.subscription, "subscription"
    if asked.start not in pb.Start.values():
        intake.refuse(path, "start", f"{asked.start} is not a known value; allowed: {_ALLOWED_STARTS}")
    users = asked.users if asked.HasField("users") else None
    wish = Wish(
        wanted=_read_filter(asked, path, users, intake),
        name=_read_name(asked, path, intake),
        from_beginning=asked.start == pb.START_BEGINNING,
        cursor=_read_place(asked.cursor, path, "cursor", intake),
        max_in_flight=_within(asked.max_in_flight or 64, MOST_IN_FLIGHT, path, "max_in_flight", intake),
        lease_s=_read_seconds(asked, path, "lease", 30.0, (1.0, 600.0), intake),
        heartbeat_s=_read_seconds(asked, path, "heartbeat", 10.0, (0.1, 60.0), intake),
    )
    intake.finish()
    return wish


def read_page_wish(request: pb.ListAlertsRequest) -> PageWish:
    """What a request for a page asks for."""
    intake = Intake(_EVER)
    if request.HasField("user_id") and not request.HasField("tenant"):
        intake.refuse("", "tenant", "is required with user_id")
    wish = PageWish(
        _read_filter(request, "", None, intake),
        _within(request.page_size or 100, MOST_ON_A_PAGE, "", "page_size", intake),
        _read_place(request.page_token, "", "page_token", intake),
    )
    intake.finish()
    return wish


def read_ids(request: pb.Ack | pb.Nack | pb.Extend, path: str) -> list[str]:
    """The alerts that an acknowledgement names."""
    if len(request.alert_ids) > MOST_ACKED:
        intake = Intake(_EVER)
        intake.refuse(path, "alert_ids", f"has {len(request.alert_ids)} entries; allowed: {MOST_ACKED}")
        intake.finish()
    return list(request.alert_ids)


def read_through(ack: pb.Ack) -> Place | None:
    """Up to where everything that was delivered is acknowledged."""
    intake = Intake(_EVER)
    place = _read_place(ack.through_cursor, "ack", "through_cursor", intake)
    intake.finish()
    return place


def read_pause(nack: pb.Nack) -> float:
    """How long to wait before the alerts come again, in seconds."""
    intake = Intake(_EVER)
    pause_s = _read_seconds(nack, "nack", "retry_after", 0.0, (0.0, 600.0), intake)
    intake.finish()
    return pause_s


def read_alert(message: pb.Alert) -> Alert:
    """The alert that a server sent."""
    intake = Intake(_EVER)
    alert = ALERT.read(message, "alert", intake)
    intake.finish()
    return alert


def delivery(stored: StoredAlert, attempt: int) -> bytes:
    """An alert on its way."""
    message = pb.Delivery(alert=ALERT.write(stored.alert), cursor=stored.place.cursor, attempt=attempt)
    return pb.SubscribeResponse(delivery=message).SerializeToString()


def expired(stored: StoredAlert) -> bytes:
    """An alert whose time is over."""
    alert = stored.alert
    message = pb.Expired(
        alert_id=alert.alert_id,
        kind=pb.AlertKind.Value(f"ALERT_KIND_{alert.kind}"),
        tenant=alert.tenant,
        user_id=alert.user_id,
        not_after=to_timestamp(alert.not_after),
        cursor=stored.place.cursor,
    )
    return pb.SubscribeResponse(expired=message).SerializeToString()


def opened(wish: Wish, begin: Place, resumed: bool) -> bytes:
    """The subscription as it is served."""
    message = pb.Opened(
        cursor=begin.cursor,
        resumed=resumed,
        max_in_flight=wish.max_in_flight,
        lease=write_budget(wish.lease_s),
        heartbeat=write_budget(wish.heartbeat_s),
    )
    return pb.SubscribeResponse(opened=message).SerializeToString()


def acked(alert_ids: list[str], mark: Place) -> bytes:
    """Acknowledgements that are kept."""
    return pb.SubscribeResponse(acked=pb.Acked(alert_ids=alert_ids, cursor=mark.cursor)).SerializeToString()


def heartbeat(number: int, mark: Place, shard_now: datetime) -> bytes:
    """A sign of life."""
    message = pb.Heartbeat(number=number, cursor=mark.cursor, shard_time=to_timestamp(shard_now))
    return pb.SubscribeResponse(heartbeat=message).SerializeToString()


def gap(reason: GapReason, wanted: Place, begin: Place) -> bytes:
    """The subscription does not begin where it was to."""
    message = pb.Gap(reason=_GAPS[reason], wanted=wanted.cursor, cursor=begin.cursor)
    return pb.SubscribeResponse(gap=message).SerializeToString()


def page(alerts: Sequence[StoredAlert], *, full: bool) -> bytes:
    """Candidates and what became of each, as many as fit; ``full`` says that there may be more of them."""
    listed: list[pb.ListedAlert] = []
    size = 0
    for stored in alerts:
        listed.append(_listed(stored))
        size += listed[-1].ByteSize()
        if size > PAGE_BYTES:
            break
    more = full or len(listed) < len(alerts)
    token = alerts[len(listed) - 1].place.cursor if more else ""
    return pb.ListAlertsResponse(alerts=listed, next_page_token=token).SerializeToString()


def _listed(stored: StoredAlert) -> pb.ListedAlert:
    return pb.ListedAlert(
        alert=ALERT.write(stored.alert), suppressed=stored.suppressed or "", cursor=stored.place.cursor
    )


def _read_filter(
    asked: pb.Subscription | pb.ListAlertsRequest, path: str, users: pb.UserRange | None, intake: Intake
) -> AlertFilter:
    kinds = set()
    for number in asked.kinds:
        if number in _KINDS:
            kinds.add(_KINDS[number])
        else:
            intake.refuse(path, "kinds", f"{number} is not a known value; allowed: {_ALLOWED_KINDS}")
    tenant = asked.tenant if asked.HasField("tenant") else None
    if tenant is not None:
        _check_text(tenant, path, "tenant", intake)
    span = {} if users is None else {"begin": users.begin, "end": users.end}
    more: dict[str, object] = {}
    if isinstance(asked, pb.ListAlertsRequest):
        more["suppressed"] = asked.include_suppressed
        more["user_id"] = asked.user_id if asked.HasField("user_id") else None
    try:
        return AlertFilter(tenant, frozenset(kinds), **span, **more)  # type: ignore[arg-type]  # by name
    except ValueError as error:
        intake.refuse(path, "users", str(error).removeprefix("users: "))
        return AlertFilter()


def _read_name(asked: pb.Subscription, path: str, intake: Intake) -> SubscriptionName | None:
    if not asked.name:
        return None
    _check_text(asked.name, path, "name", intake)
    return SubscriptionName(asked.tenant if asked.HasField("tenant") else None, asked.name)


def _check_text(text: str, path: str, name: str, intake: Intake) -> None:
    if not (0 < len(text) <= MAX_ID and text.isascii() and text.isprintable()):
        intake.refuse(path, name, f"is not a name; allowed: 1 to {MAX_ID} printable ASCII characters")
    elif contains_pan(text):
        intake.refuse(path, name, "looks like a card number; allowed: tokens only")


def _read_place(text: str, path: str, name: str, intake: Intake) -> Place | None:
    try:
        return read_cursor(text) if text else None
    except ValueError as error:
        intake.refuse(path, name, str(error))
        return None


def _within(value: int, most: int, path: str, name: str, intake: Intake) -> int:
    if not 1 <= value <= most:
        intake.refuse(path, name, f"{value} is out of range; allowed: 0 (the default) to {most}")
        return most
    return value


def _read_seconds(
    asked: pb.Subscription | pb.Nack,
    path: str,
    name: str,
    default: float,
    allowed: tuple[float, float],
    intake: Intake,
) -> float:
    if not asked.HasField(name):  # type: ignore[arg-type]  # one of the two has it
        return default
    given: Duration = getattr(asked, name)
    seconds = given.seconds + given.nanos / 1e9
    if not allowed[0] <= seconds <= allowed[1]:
        intake.refuse(
            path, name, f"{seconds:g} s is out of range; allowed: {allowed[0]:g} to {allowed[1]:g} s"
        )
        return default
    return seconds
