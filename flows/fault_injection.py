"""Stalls on purpose, for drills: what the server does when its flow stands still."""

import time
from collections.abc import Callable


def stalls(spec: str | None, slow_ms: float) -> Callable[[int], None]:
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
