"""Lists: what they look at, for whom, and until when in event time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from alerting.decision import Action
from alerting.lists import ListEntry, ListField, ListIndex, Listing, ListKind
from detectors.events import Payment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PAYMENT = Payment(
    "t-1",
    "u-1",
    5_000,
    "EUR",
    NOON,
    "m-1",
    mcc="7995",
    merchant_country="MT",
    device_id="d-1",
    card_token="c-1",
)


def deny(field: ListField, *entries: ListEntry, name: str = "deny", action: Action | None = None) -> Listing:
    return Listing(name, ListKind.DENY, field, entries, action)


def denied(payment: Payment, *listings: Listing) -> list[str]:
    return [hit.id for hit in ListIndex(listings).look_up(payment)[0]]


@pytest.mark.parametrize("field", ListField)
def test_a_list_looks_at_its_field_alone(field: ListField) -> None:
    value = getattr(PAYMENT, field.value)
    assert denied(PAYMENT, deny(field, ListEntry("other"), ListEntry(value))) == ["deny"]
    assert denied(PAYMENT, deny(field, ListEntry("other"))) == []
    others = [other for other in ListField if other is not field]
    assert [denied(PAYMENT, deny(other, ListEntry(value))) for other in others] == [[]] * len(others)


def test_an_absent_field_is_on_no_list() -> None:
    assert denied(replace(PAYMENT, mcc=None), deny(ListField.MCC, ListEntry("None"))) == []


@pytest.mark.parametrize(("event_time", "holds"), [(NOON - TICK, True), (NOON, False), (NOON + TICK, False)])
def test_an_entry_ends_at_its_expiry_in_event_time(event_time: datetime, holds: bool) -> None:
    listing = deny(ListField.USER_ID, ListEntry("u-1", NOON))
    assert denied(replace(PAYMENT, event_time=event_time), listing) == (["deny"] if holds else [])


def test_a_repeated_value_holds_as_long_as_one_of_its_entries() -> None:
    listing = deny(ListField.USER_ID, ListEntry("u-1", NOON - TICK), ListEntry("u-1", NOON + TICK))
    assert denied(PAYMENT, listing) == ["deny"]


def test_a_tenant_s_list_is_for_its_own_payments() -> None:
    listing = replace(deny(ListField.USER_ID, ListEntry("u-1")), tenant="shop")
    assert denied(PAYMENT, listing) == []
    assert denied(replace(PAYMENT, tenant="shop"), listing) == ["deny"]


def test_denials_come_strictest_first_whatever_field_they_look_at() -> None:
    listings = (
        deny(ListField.USER_ID, ListEntry("u-1"), name="mild", action=Action.STEP_UP),
        deny(ListField.MCC, ListEntry("7995"), name="strict"),
        deny(ListField.USER_ID, ListEntry("u-1"), name="middle", action=Action.REVIEW),
        deny(ListField.CARD_TOKEN, ListEntry("c-1"), name="also-mild", action=Action.STEP_UP),
    )
    assert denied(PAYMENT, *listings) == ["strict", "middle", "mild", "also-mild"]


def test_allow_lists_are_named_and_deny_nothing() -> None:
    allow = Listing("friends", ListKind.ALLOW, ListField.USER_ID, (ListEntry("u-1", NOON + TICK),))
    assert ListIndex((allow,)).look_up(PAYMENT) == ([], ["friends"])
    assert ListIndex((allow,)).look_up(replace(PAYMENT, event_time=NOON + TICK)) == ([], [])


def test_a_list_refuses_what_it_can_t_mean() -> None:
    with pytest.raises(ValueError, match="action: 'REVIEW' on an allow list; allowed: none"):
        Listing("a", ListKind.ALLOW, ListField.MCC, (), Action.REVIEW)
    with pytest.raises(ValueError, match="action: 'APPROVE'"):
        deny(ListField.MCC, action=Action.APPROVE)
    with pytest.raises(ValueError, match=r"expires: .*\+01:00 is not in UTC"):
        ListEntry("u-1", datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1))))
    with pytest.raises(ValueError, match="value: has 129 characters"):
        ListEntry("x" * 129)
    with pytest.raises(ValueError, match="id: 'a b' is no id"):
        deny(ListField.MCC, name="a b")
