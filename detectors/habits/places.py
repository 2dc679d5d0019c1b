"""A merchant as a place of habits: known by 32-bit names."""

from typing import Final

from detectors.habits.history import Place
from detectors.tokens import token

_MERCHANT: Final = 7
_CHAIN: Final = 8


def merchant_token(merchant_id: str) -> int:
    """A merchant's 32-bit name among the places of habits."""
    return token(_MERCHANT, merchant_id)


def place_of(merchant_id: str, mcc: str | None = None, chain_id: str | None = None) -> Place:
    """A merchant as a place of habits."""
    chain = token(_CHAIN, chain_id) if chain_id else 0
    return Place(merchant_token(merchant_id), 0 if mcc is None else int(mcc), chain)
