"""Dead letters say why and where, hold the record, and never a card number."""

import base64
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.pan import contains_pan
from flows.codec import BadRecord
from flows.masking import mask_pans
from replay.dead_letters import DeadLetterWriter, encode_dead_letter, read_dead_letters

PAN = "4111111111111111"


def test_a_letter_has_reason_origin_and_record(tmp_path: Path) -> None:
    with DeadLetterWriter(tmp_path) as writer:
        writer.write(BadRecord("no good", "s.jsonl:3", b'{"kind":"x"}'))
        writer.write(BadRecord("no text", "s.jsonl:4", b"\xff\x00\xfe"))
    assert writer.count == 2
    first, second = read_dead_letters(tmp_path)
    assert first == {"reason": "no good", "origin": "s.jsonl:3", "encoding": "utf-8", "raw": '{"kind":"x"}'}
    assert second["encoding"] == "base64"
    assert base64.b64decode(second["raw"]) == b"\xff\x00\xfe"


def test_without_bad_records_the_file_is_empty(tmp_path: Path) -> None:
    with DeadLetterWriter(tmp_path):
        pass
    assert list(read_dead_letters(tmp_path)) == []


@pytest.mark.parametrize(
    "text",
    [
        PAN,
        f"card={PAN}.",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111 1111 1111 1111 123",
        f"000{PAN}0000",
        "".join(f"\\u003{digit}" for digit in PAN),
        "\x00".join(PAN),
    ],
)
def test_a_card_number_is_masked_in_whatever_dress(text: str) -> None:
    masked = mask_pans(text)
    assert not re.search(r"\d", masked.replace("u003", ""))


def test_other_numbers_stay_readable() -> None:
    text = "at 2018-04-01T00:00:31Z amount 100000000001 user 12345678901"
    assert mask_pans(text) == text


def test_card_numbers_are_masked_in_reason_origin_and_binary_records_too() -> None:
    line = encode_dead_letter(BadRecord(f"bad {PAN}", f"{PAN}.jsonl:1", b"\xff" + PAN.encode() + b"\xfe"))
    letter = json.loads(line)
    assert PAN not in line.decode()
    assert base64.b64decode(letter["raw"]) == b"\xff" + b"*" * 16 + b"\xfe"


@given(before=st.binary(max_size=30), after=st.binary(max_size=30), digits=st.integers(10**10, 10**18 - 1))
def test_no_letter_ever_holds_a_card_number(before: bytes, after: bytes, digits: int) -> None:
    body = str(digits)
    check = next(c for c in "0123456789" if contains_pan(body + c))
    letter = json.loads(encode_dead_letter(BadRecord("r", "o", before + (body + check).encode() + after)))
    raw = (
        letter["raw"] if letter["encoding"] == "utf-8" else base64.b64decode(letter["raw"]).decode("latin-1")
    )
    assert body + check not in raw
    assert not contains_pan(raw)
