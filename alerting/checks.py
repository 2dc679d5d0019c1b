"""Checks that the parts of a policy share. Each message names the key, the value and what is allowed."""

from math import isfinite
from re import compile as compile_pattern

from alerting.decision import Action

STRICTNESS = {action: rank for rank, action in enumerate(Action)}
"""How strict an action is, from 0 for APPROVE."""

_ID = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_id(value: str) -> None:
    """Refuse an id that could not stand in a list of rule ids."""
    if _ID.fullmatch(value) is None:
        raise ValueError(f"id: {value[:70]!r} is no id; allowed: 1..64 letters, digits, '_', '.', '-'")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside ``low..high``, and what is not a number."""
    if not (isfinite(value) and low <= value <= high):
        raise ValueError(f"{name}: {value!r} is out of range; allowed: {low:g}..{high:g}")


def check_stricter(name: str, action: Action) -> None:
    """Refuse APPROVE where only a stricter action makes sense."""
    if action is Action.APPROVE:
        raise ValueError(f"{name}: 'APPROVE' makes nothing stricter; allowed: STEP_UP, REVIEW, DECLINE")


def strictest(one: Action, other: Action) -> Action:
    """The stricter of two actions.

    >>> strictest(Action.STEP_UP, Action.DECLINE)
    <Action.DECLINE: 'DECLINE'>
    """
    return one if STRICTNESS[one] >= STRICTNESS[other] else other
