"""For every field of every event: a good value, and values that no such field may have."""

from typing import Any, Final

NOON: Final = "2026-03-01T12:00:00Z"
PAN: Final = "4111111111111111"
POSITION: Final = {"lat": 50.0, "lon": 4.0, "accuracy_m": 5.0}
WHO: Final = {"user_id": "u-1", "tenant": "shop"}

GOOD: Final[dict[str, dict[str, Any]]] = {
    "payment": {
        "transaction_id": "t-1",
        "amount_minor": 100,
        "currency": "EUR",
        "event_time": NOON,
        "merchant_id": "m-1",
        "payment_type": "PURCHASE",
        "mcc": "5411",
        "merchant_name": "Shop",
        "merchant_country": "BE",
        "merchant_position": POSITION,
        "payer_position": POSITION,
        "device_id": "d-1",
        "channel": "POS",
        "entry_mode": "CHIP",
        "card_token": "c-1",
        **WHO,
    },
    "location": {
        "position": POSITION,
        "event_time": NOON,
        "device_id": "d-1",
        "speed_mps": 1.0,
        "heading_deg": 90.0,
        "mocked": False,
        **WHO,
    },
    "outcome": {
        "outcome_id": "o-1",
        "transaction_id": "t-1",
        "outcome_kind": "STEP_UP",
        "verdict": "GENUINE",
        "event_time": NOON,
        "three_ds_status": "Y",
        "source": "acs",
        "code": "x",
        "confidence": 0.5,
        "reported_time": NOON,
        **WHO,
    },
    "consent": {
        "purpose": "LOCATION_ALERTS",
        "granted": True,
        "version": "v1",
        "event_time": NOON,
        "source": "app",
        **WHO,
    },
    "preferences": {
        "event_time": NOON,
        "time_zone": "Europe/Brussels",
        "quiet_from_min": 0,
        "quiet_to_min": 60,
        "display_currency": "EUR",
        "watched_assets": ["BTC"],
        **WHO,
    },
    "merchant": {
        "merchant_id": "m-1",
        "event_time": NOON,
        "tenant": "shop",
        "name": "Shop",
        "mcc": "5411",
        "country": "BE",
        "position": POSITION,
        "radius_m": 50.0,
        "chain_id": "ch-1",
        "opening_hours": "24/7",
        "closed": False,
        "time_zone": "Europe/Brussels",
    },
    "visit": {
        "visit_id": "v-1",
        "merchant_id": "m-1",
        "event_time": NOON,
        "source": "door",
        **WHO,
    },
    "tick": {
        "venue": "x",
        "asset": "BTC",
        "quote": "USD",
        "event_time": NOON,
        "open": 1.0,
        "high": 1.0,
        "low": 1.0,
        "close": 1.0,
        "volume": 0.0,
        "interval_s": 60,
    },
    "trade": {
        "trade_id": "tr-1",
        "asset": "BTC",
        "quote": "USD",
        "side": "BUY",
        "quantity": 1.0,
        "price": 1.0,
        "event_time": NOON,
        "venue": "x",
        **WHO,
    },
}
NAN, INFINITE, HUGE = float("nan"), float("inf"), "x" * 5_000
_ID = ("", HUGE, PAN, "a\x00b", "é", 7, None, ["a"])
_TEXT = (HUGE, PAN, "a\x00b", 7, ["a"])
_TIME = (
    "1969-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "2026-03-01T12:00:00",
    "2026-03-01T12:00:00+02:00",
    "noon",
    7,
)
_CODE = ("", "eur", "EURO", "E1", 7, PAN)
_ENUM = ("", "NONE", 7)
_NUMBER = (NAN, INFINITE, -INFINITE, "1", True)
_PLACE = tuple(
    {**POSITION, name: value}
    for name, values in (
        ("lat", (90.5, -91.0, NAN, INFINITE, "50")),
        ("lon", (180.5, -181.0, NAN, "4")),
        ("accuracy_m", (-1.0, NAN, INFINITE, "5")),
    )
    for value in values
)

BAD: Final[dict[str, tuple[Any, ...]]] = {
    **dict.fromkeys(
        ("transaction_id", "user_id", "merchant_id", "outcome_id", "trade_id", "visit_id", "venue"), _ID
    ),
    **dict.fromkeys(("asset", "quote", "version", "tenant"), _ID),
    **dict.fromkeys(("device_id", "card_token", "chain_id"), tuple(v for v in _ID if v is not None)),
    **dict.fromkeys(("merchant_name", "name", "source", "code", "opening_hours", "time_zone"), _TEXT),
    **dict.fromkeys(("event_time",), (*_TIME, None)),
    **dict.fromkeys(("reported_time",), _TIME),
    **dict.fromkeys(("merchant_position", "payer_position"), (*_PLACE, {}, 7, "here")),
    "position": (*_PLACE, {}, 7, "here"),
    "amount_minor": (0, -1, 10**15 + 1, 2**63, 1.5, "100", True, None),
    "currency": (*_CODE, "XXQ", None),
    **dict.fromkeys(("merchant_country", "country", "display_currency"), _CODE),
    "mcc": ("", "541", "54111", "abcd", 5411, PAN),
    **dict.fromkeys(("payment_type", "outcome_kind", "verdict", "purpose", "side"), (*_ENUM, None)),
    **dict.fromkeys(("channel", "entry_mode", "three_ds_status"), _ENUM),
    "speed_mps": (*_NUMBER, -1.0, 1e9),
    "heading_deg": (*_NUMBER, -1.0, 360.0),
    "confidence": (*_NUMBER, -0.1, 1.1),
    **dict.fromkeys(("open", "high", "low", "close", "quantity", "price"), (*_NUMBER, 0.0, -1.0)),
    "volume": (*_NUMBER, -1.0),
    "radius_m": (*_NUMBER, 0.0, 1e9),
    **dict.fromkeys(("quiet_from_min", "quiet_to_min"), (-1, 1440, 1.5, "60")),
    "interval_s": (-1, 1.5, "60"),
    **dict.fromkeys(("mocked", "granted", "closed"), ("yes", 1, 0.0)),
    "watched_assets": ("BTC", [""], [7], [PAN], [HUGE]),
}


_COMING_IN: Final = {
    ("merchant", "opening_hours"): ("9 to 5", "Mo-Fr", "Mo 10:00-12:00 and by appointment", ""),
    ("merchant", "time_zone"): ("Mars/Olympus", ""),
}
"""What is refused of events that come in, and can be read in a log."""


def bad_values(kind: str, name: str) -> tuple[Any, ...]:
    """What the field of this kind of event may not be."""
    # A trade's venue may be empty, a tick's may not.
    return _TEXT if (kind, name) == ("trade", "venue") else (*BAD[name], *_COMING_IN.get((kind, name), ()))
