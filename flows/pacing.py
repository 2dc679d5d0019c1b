"""How long the flow takes over a payment, and what follows for the queue."""

from typing import Final

_GAIN: Final = 0.1


class Pacing:
    """An estimate that follows a lasting change within some twenty batches; one stall hardly moves it."""

    __slots__ = ("_payment_s",)

    def __init__(self) -> None:
        self._payment_s = 0.0

    def worked(self, payments: int, seconds: float) -> None:
        """Note how long the flow took over a batch."""
        sample = min(seconds / payments, 4.0 * self._payment_s + 0.0005)
        self._payment_s += _GAIN * (sample - self._payment_s)

    def needed_s(self, payments: int) -> float:
        """How long the flow will take over so many payments."""
        return payments * self._payment_s

    def fitting(self, seconds: float, most: int) -> int:
        """How many payments the flow gets done in that time: one at least, ``most`` at most."""
        if self._payment_s <= 0.0:
            return most
        return max(1, min(most, int(seconds / self._payment_s)))
