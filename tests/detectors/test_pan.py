"""Card numbers in the dresses people put them in, and what is none."""

import pytest

from detectors.pan import contains_pan

PAN = "4111111111111111"


@pytest.mark.parametrize(
    "text",
    [
        PAN,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111/1111/1111/1111",
        "4111_1111_1111_1111",
        "4111,1111,1111,1111",
        "4111|1111|1111|1111",
        "4111   1111   1111   1111",
        "4111\u00b71111\u00b71111\u00b71111",
        "4111\u22121111\u22121111\u22121111",
        "4111  1111  1111  1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20131111\u20131111\u20131111",
        "4111 1111 1111 1111 123",
        f"{PAN} 12/25",
        f"{PAN}-12-25-123",
        f"1 {PAN}",
        f"card{PAN}x",
        "378282246310005",
    ],
)
def test_a_card_number_is_seen(text: str) -> None:
    assert contains_pan(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",
        f"{PAN}2345",
        "2026-03-01T12:00:00.000000+00:00",
        "9b2d4a0e-1111-4111-8111-411111111111",
        "order-9b2d4a0e-1111-4111-8111-411111111111",
        "a" + PAN * 2 + "b" * 20,
        "12345678901",
    ],
)
def test_what_is_none_passes(text: str) -> None:
    assert not contains_pan(text)
