"""Cursors say where they are and to which log they belong; filters say whom they want."""

from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert_source import BEGINNING, AlertFilter, Place, StoredAlert, read_cursor
from alerting.alerts import AlertKind
from alerting.delivery.reasons import Suppression
from tests.alerting.alerts_made import a_payment_alert, a_proximity_alert

PLACES = st.builds(
    Place, st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.binary(min_size=8, max_size=8)
)


@given(PLACES)
def test_a_cursor_gives_its_place_back(place: Place) -> None:
    assert read_cursor(place.cursor) == place
    assert place.cursor.isascii()
    assert "=" not in place.cursor


@pytest.mark.parametrize(
    "text",
    ["x", "????", "AQ", BEGINNING.cursor + "AA", "é" * 28, BEGINNING.cursor[:-1], Place(2**63, 0).cursor],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no cursor"):
        read_cursor(text)


def test_a_cursor_of_another_release_is_named() -> None:
    with pytest.raises(ValueError, match="another release"):
        read_cursor(urlsafe_b64encode(b"\x07" + bytes(20)).decode())


def test_places_compare_by_position_then_seq_and_not_by_their_proof() -> None:
    assert Place(2, 0).is_behind(Place(1, 9))
    assert Place(1, 9).is_behind(Place(1, 8, b"zzzzzzzz"))
    assert not Place(1, 8, b"zzzzzzzz").is_behind(Place(1, 8))


PAID = StoredAlert(Place(1, 0), a_payment_alert(user="u-1"))
"""Its user is in bucket 6958."""


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        (AlertFilter(), True),
        (AlertFilter(tenant="default"), True),
        (AlertFilter(tenant="shop"), False),
        (AlertFilter(kinds=frozenset({AlertKind.STEP_UP_REQUEST})), True),
        (AlertFilter(kinds=frozenset({AlertKind.FRAUD_ALERT, AlertKind.PROXIMITY})), False),
        (AlertFilter(begin=6_958, end=6_959), True),
        (AlertFilter(begin=6_959), False),
        (AlertFilter(end=6_958), False),
        (AlertFilter(user_id="u-1"), True),
        (AlertFilter(user_id="u-2"), False),
    ],
)
def test_a_filter_wants_what_it_says(wanted: AlertFilter, answer: bool) -> None:
    assert wanted.wants(PAID) is answer


def test_what_was_suppressed_is_wanted_only_by_who_says_so() -> None:
    kept = replace(PAID, suppressed=Suppression.NOT_JUDGED)
    assert not AlertFilter().wants(kept)
    assert AlertFilter(suppressed=True).wants(kept)
    assert AlertFilter(suppressed=True).wants(StoredAlert(Place(2, 0), a_proximity_alert()))


@pytest.mark.parametrize("span", [(5, 5), (6, 5), (-1, 5), (0, 65_537)])
def test_a_span_that_holds_nobody_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="users"):
        AlertFilter(begin=span[0], end=span[1])
