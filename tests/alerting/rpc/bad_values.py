"""Every field of every request with values that must be refused, and requests that hold them."""

from typing import Any, Final

from google.protobuf.message import Message

from alerting.rpc.convert import OUTCOME, PAYMENT, write_event
from detectors.events import (
    Consent,
    ConsentPurpose,
    Location,
    Merchant,
    Preferences,
    Tick,
    Trade,
    TradeSide,
    Visit,
)
from geo import Position
from tapwatch.v1 import risk_pb2
from tests.alerting.rpc.fake_engine import NOW, a_payment, an_outcome

PAN: Final = "4111111111111111"
NAN, INF = float("nan"), float("inf")
HUGE = "x" * 30_000
BAD_ID = ("", "x" * 129, HUGE, PAN, "4111 1111-1111 1111", "a\nb", "a\x00", "é")
BAD_TEXT = ("x" * 257, HUGE, f"card {PAN}", "a\x00b")
BAD_CODE = ("be", "BEL", "B1", "", PAN, HUGE)
BAD_MCC = ("", "541", "54111", "abcd", "\uff15\uff14\uff11\uff11", PAN, HUGE)
# Times are seconds and nanos: 1989, 2100, 25 hours ahead, before year 1, after year 9999, no such nanos.
# None leaves a field out.
_NOW_S = int(NOW.timestamp())
BAD_OPTIONAL_TIME = (
    (599_616_000, 0),
    (4_102_444_800, 0),
    (_NOW_S + 90_000, 0),
    (-(10**18), 0),
    (10**18, 0),
    (_NOW_S, -1),
    (_NOW_S, 10**9),
)
BAD_TIME = (None, *BAD_OPTIONAL_TIME)
BAD_ENUM = (99, -1)
BAD_NEEDED_ENUM = (0, 99, -1)
BAD_ABOVE_0 = (0.0, -1.0, NAN, INF, -INF)
BAD_FROM_0 = (-1.0, NAN, INF, -INF)
BAD_LAT = (90.1, -90.1, NAN, INF, float(PAN))
BAD_LON = (180.1, -180.1, NAN, -INF, float(PAN))

_POSITION = {"lat": BAD_LAT, "lon": BAD_LON, "accuracy_m": BAD_FROM_0}


def _within(field: str, table: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {f"{field}.{name}": bad for name, bad in table.items()}


_PAYMENT: dict[str, tuple[Any, ...]] = {
    "transaction_id": BAD_ID,
    "user_id": BAD_ID,
    "amount_minor": (0, -1, 10**15 + 1, int(PAN), -int(PAN), -(2**63)),
    "currency_code": ("", "eur", "EURO", "ZZZ", PAN, HUGE),
    "event_time": BAD_TIME,
    "merchant_id": BAD_ID,
    "tenant": BAD_ID,
    "payment_type": BAD_ENUM,
    "mcc": BAD_MCC,
    "merchant_name": BAD_TEXT,
    "merchant_country": BAD_CODE,
    **_within("merchant_position", _POSITION),
    **_within("payer_position", _POSITION),
    "device_id": BAD_ID,
    "channel": BAD_ENUM,
    "entry_mode": BAD_ENUM,
    "card_token": BAD_ID,
}
_OUTCOME: dict[str, tuple[Any, ...]] = {
    "outcome_id": BAD_ID,
    "transaction_id": BAD_ID,
    "user_id": BAD_ID,
    "outcome_kind": BAD_NEEDED_ENUM,
    "verdict": BAD_NEEDED_ENUM,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "three_ds_status": (*BAD_ENUM, 1),
    "source": BAD_TEXT,
    "code": BAD_TEXT,
    "confidence": (-0.1, 1.1, NAN, INF, float(PAN)),
    "reported_time": BAD_OPTIONAL_TIME,
}
_LOCATION: dict[str, tuple[Any, ...]] = {
    "user_id": BAD_ID,
    "position": (None,),
    **_within("position", _POSITION),
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "device_id": BAD_ID,
    "speed_mps": (-0.1, 1_000.1, NAN, INF),
    "heading_deg": (-0.1, 360.0, NAN, INF),
}
_CONSENT: dict[str, tuple[Any, ...]] = {
    "user_id": BAD_ID,
    "purpose": BAD_NEEDED_ENUM,
    "version": BAD_ID,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "source": BAD_TEXT,
}
_PREFERENCES: dict[str, tuple[Any, ...]] = {
    "user_id": BAD_ID,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "time_zone": BAD_TEXT,
    "quiet_from_min": (-1, 1_440),
    "quiet_to_min": (-1, 1_440),
    "display_currency_code": ("eur", "EURO", "", PAN),
    "watched_assets": ([""], ["BTC", PAN], ["é"]),
}
_MERCHANT: dict[str, tuple[Any, ...]] = {
    "merchant_id": BAD_ID,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "name": BAD_TEXT,
    "mcc": BAD_MCC,
    "country": BAD_CODE,
    **_within("position", _POSITION),
    "radius_m": (*BAD_ABOVE_0, 50_000.1),
    "chain_id": BAD_ID,
    "opening_hours": (*BAD_TEXT, "9 to 5", "Mo-Fr", ""),
    "time_zone": (*BAD_TEXT, "Mars/Olympus", ""),
}
_VISIT: dict[str, tuple[Any, ...]] = {
    "visit_id": BAD_ID,
    "user_id": BAD_ID,
    "merchant_id": BAD_ID,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "source": BAD_TEXT,
}
_TICK: dict[str, tuple[Any, ...]] = {
    "venue": BAD_ID,
    "asset": BAD_ID,
    "quote": BAD_ID,
    "event_time": BAD_TIME,
    "open": BAD_ABOVE_0,
    "high": BAD_ABOVE_0,
    "low": BAD_ABOVE_0,
    "close": BAD_ABOVE_0,
    "volume": BAD_FROM_0,
    "interval_s": (-1, -(2**31)),
}
_TRADE: dict[str, tuple[Any, ...]] = {
    "trade_id": BAD_ID,
    "user_id": BAD_ID,
    "asset": BAD_ID,
    "quote": BAD_ID,
    "side": BAD_NEEDED_ENUM,
    "quantity": BAD_ABOVE_0,
    "price": BAD_ABOVE_0,
    "event_time": BAD_TIME,
    "tenant": BAD_ID,
    "venue": BAD_TEXT,
}
_KEY: dict[str, tuple[Any, ...]] = {"transaction_id": BAD_ID, "tenant": BAD_ID}
_BUDGET: dict[str, tuple[Any, ...]] = {
    "budget": ((0, 0), (-1, 0), (0, -1), (10**11, 0), (-(2**63), 0), (0, 10**9))
}
UNLIMITED = {"location.mocked", "consent.granted", "merchant.closed"}
"""Either value of these is fine."""

_EVENTS = (
    Location("user-1", Position(50.0, 4.0), NOW),
    Consent("user-1", ConsentPurpose.LOCATION_ALERTS, True, "v1", NOW),
    Preferences("user-1", NOW),
    Merchant("merchant-1", NOW, position=Position(50.0, 4.0)),
    Tick("kraken", "BTC", "EUR", NOW, 1.0, 1.0, 1.0, 1.0, 0.0),
    Trade("trade-1", "user-1", "BTC", "EUR", TradeSide.BUY, 1.0, 1.0, NOW),
    Visit("visit-1", "user-1", "merchant-1", NOW),
)
TABLES: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    "Decide": {"payment": (None,), **_within("payment", _PAYMENT), **_BUDGET},
    "DecideStream": {"payment": (None,), **_within("payment", _PAYMENT), **_BUDGET},
    "GetDecision": _KEY,
    "ReportOutcome": {"outcome": (None,), **_within("outcome", _OUTCOME)},
    "ExplainDecision": _KEY,
    "Publish": {
        **_within("outcome", _OUTCOME),
        **_within("location", _LOCATION),
        **_within("consent", _CONSENT),
        **_within("preferences", _PREFERENCES),
        **_within("merchant", _MERCHANT),
        **_within("tick", _TICK),
        **_within("trade", _TRADE),
        **_within("visit", _VISIT),
    },
}


def good_request(method: str, path: str) -> Message:
    """A request with nothing wrong, of the event that ``path`` is about."""
    match method:
        case "Decide":
            return risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment()))
        case "DecideStream":
            return risk_pb2.DecideStreamRequest(payment=PAYMENT.write(a_payment()))
        case "GetDecision":
            return risk_pb2.GetDecisionRequest(transaction_id="t-1")
        case "ReportOutcome":
            return risk_pb2.ReportOutcomeRequest(outcome=OUTCOME.write(an_outcome()))
        case "ExplainDecision":
            return risk_pb2.ExplainDecisionRequest(transaction_id="t-1")
    events = {"outcome": an_outcome(), **{event.kind: event for event in _EVENTS}}
    return write_event(events[path.partition(".")[0]])


def bad_request(method: str, path: str, value: Any) -> Message:
    """A request in which that field alone is bad."""
    request = good_request(method, path)
    put(request, path, value)
    return request


def put(request: Message, path: str, value: Any) -> None:
    """Set the field at ``path``; a pair is seconds and nanos, None leaves the field out."""
    *parents, name = path.split(".")
    message: Any = request
    for parent in parents:
        message = getattr(message, parent)
    match value:
        case None:
            message.ClearField(name)
        case tuple():
            field = getattr(message, name)
            field.seconds, field.nanos = value
        case list():
            getattr(message, name)[:] = value
        case _:
            setattr(message, name, value)


ROWS: Final = [
    (method, path, value)
    for method, table in TABLES.items()
    for path, values in table.items()
    for value in values
]
