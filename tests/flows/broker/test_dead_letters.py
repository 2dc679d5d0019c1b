"""A dead letter keeps what came and says what was wrong; no card number stays readable in it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.broker.ingest.dead_letters import (
    ATTEMPT,
    MAX_KEPT_BYTES,
    Letter,
    Message,
    Place,
    headers_to_send_again,
    read_letter,
    write_letter,
    write_mark,
)
from flows.broker.ingest.inputs import Refusal, Trouble
from tests.flows.broker.received_made import NOW, Made

CARD = b"4111111111111111"
PLAIN = st.binary(max_size=50).filter(lambda raw: sum(48 <= byte <= 57 for byte in raw) < 12)
NAMES = st.text(st.characters(exclude_characters="0123456789", codec="utf-8"), max_size=10)


def refusal(made: Made, reason: str = "user_id: is required") -> Refusal:
    return Refusal(reason, "somewhere", made.value or b"", Trouble.INVALID)


def as_received(message: Message) -> Made:
    return Made("tapwatch.dead-letters.v1", message.value, tuple(message.headers), message.key)


def stored(made: Made, reason: str = "user_id: is required") -> Letter:
    letter = read_letter(as_received(write_letter(made, refusal(made, reason), NOW)))
    assert isinstance(letter, Letter)
    return letter


@given(
    key=st.none() | PLAIN,
    value=st.none() | PLAIN,
    headers=st.lists(st.tuples(NAMES, PLAIN), max_size=3).map(tuple),
)
def test_a_letter_keeps_the_record_as_it_came(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    letter = stored(Made("tapwatch.payments.v1", value, headers, key, 3, 42, 1_000))
    assert (letter.key, letter.value, tuple(letter.headers)) == (key, value, headers)
    assert letter.whole
    assert letter.place == Place("tapwatch.payments.v1", 3, 42)
    assert str(letter.place) == "tapwatch.payments.v1/3/42"
    assert (letter.timestamp_ms, letter.refused_at, letter.attempt) == (1_000, NOW, 1)
    assert (letter.reason, letter.trouble) == ("user_id: is required", "invalid")


@pytest.mark.parametrize(
    "dress",
    [
        CARD,
        b"4111 1111 1111 1111",
        b"4111-1111-1111-1111",
        b"4111/1111/1111/1111",
        b"".join(b"\\u003%c" % digit for digit in CARD),
        CARD.decode().encode("utf-16-le"),
        b"\xff\xfe" + CARD,
    ],
)
@pytest.mark.parametrize("where", ["key", "value", "header"])
def test_a_card_number_is_masked_wherever_it_stands(dress: bytes, where: str) -> None:
    parts = {"key": b"k", "value": b"v", "header": b"h", where: b'{"card":"%b"}' % dress}
    made = Made(value=parts["value"], key=parts["key"], headers=(("x", parts["header"]),))
    message = write_letter(made, refusal(made), NOW)
    everything = b"|".join([message.key or b"", message.value or b"", *(v for _, v in message.headers)])
    assert dress not in everything
    assert not stored(made).whole


def test_a_card_number_does_not_get_into_the_reason() -> None:
    assert stored(Made(value=b"x"), "kind: '4111 1111 1111 1111' is unknown").reason == (
        "kind: '**** **** **** ****' is unknown"
    )


def test_what_is_no_card_number_can_be_sent_again() -> None:
    value = b'{"kind":"payment","transaction_id":"4111111111111112","amount_minor":-1}'
    assert stored(Made(value=value)).value == value


@pytest.mark.parametrize("extra", [0, 1])
def test_a_letter_always_fits_into_a_message(extra: int) -> None:
    letter = stored(Made(value=b"v" * (MAX_KEPT_BYTES + extra), key=None))
    assert letter.whole is (extra == 0)
    assert len(letter.value or b"") == (MAX_KEPT_BYTES if letter.whole else 65_536)
    assert stored(Made(value=b"v", headers=(("x", b"h" * MAX_KEPT_BYTES),))).headers == []


@pytest.mark.parametrize(("before", "after"), [(b"1", 2), (b"41", 42), (b"many", 1), (b"9" * 40, 1)])
def test_attempts_are_counted_up(before: bytes, after: int) -> None:
    letter = stored(Made(value=b"x", headers=(("a", b"b"), (ATTEMPT, before))))
    assert letter.attempt == after
    assert headers_to_send_again(letter) == [("a", b"b"), (ATTEMPT, str(after).encode())]


def test_a_mark_names_the_place() -> None:
    place = Place("tapwatch.ticks.v1", 1, 2)
    assert read_letter(as_received(write_mark(place, NOW))) == place


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["original-topic", "original-partition", "original-offset", "refused-at", "x"]),
            st.binary(max_size=5),
        )
    ).map(tuple),
    value=st.none() | st.binary(max_size=5),
)
def test_what_somebody_else_wrote_there_is_passed_over(
    headers: tuple[tuple[str, bytes], ...], value: bytes | None
) -> None:
    assert not isinstance(read_letter(Made("tapwatch.dead-letters.v1", value, headers)), Letter)


def test_times_are_in_utc() -> None:
    assert stored(Made(value=b"x")).refused_at.tzinfo is UTC
    assert isinstance(stored(Made(value=b"x")).refused_at, datetime)
