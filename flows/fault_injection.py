"""Faults on purpose, for drills: what the server does when its flow stands still or dies."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BeforeBatch = Callable[[int], None]
"""Called by the flow with each batch's number of payments."""


class PlantedError(RuntimeError):
    """Kills a flow, because a drill wished it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that a drill wants; see :func:`stalls` and :func:`dies_at`."""

    stall: str | None = None
    slow_ms: float = 0.0
    die_at: int = 0

    def hook(self) -> BeforeBatch:
        """What the flow calls."""
        return in_turn([stalls(self.stall, self.slow_ms), dies_at(self.die_at)])


def stalls(spec: str | None, slow_ms: float) -> BeforeBatch:
    """A hook for the flow that sleeps.

    Parameters
    ----------
    spec
        ``"0.5/5"`` stands still for half a second every five seconds; None never does.
    slow_ms
        Milliseconds added per payment.
    """
    length_s, every_s = map(float, spec.split("/")) if spec else (0.0, float("inf"))
    next_stall = time.monotonic() + every_s

    def before_batch(payments: int) -> None:
        nonlocal next_stall
        if slow_ms:
            time.sleep(payments * slow_ms / 1_000)
        if time.monotonic() >= next_stall:
            time.sleep(length_s)
            next_stall = time.monotonic() + every_s

    return before_batch


def dies_at(payment: int) -> BeforeBatch:
    """A hook that kills the flow once, with the batch that holds this payment (1 is the first)."""
    left = payment

    def before_batch(payments: int) -> None:
        nonlocal left
        before, left = left, left - payments
        if left <= 0 < before:
            raise PlantedError(f"planted at payment {payment}")

    return before_batch


def in_turn(hooks: Sequence[BeforeBatch]) -> BeforeBatch:
    """All of ``hooks`` as one."""

    def before_batch(payments: int) -> None:
        for hook in hooks:
            hook(payments)

    return before_batch
