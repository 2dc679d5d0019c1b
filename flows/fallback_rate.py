"""How large a share of the last minute's answers came from the fallback."""

import threading
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 60


class FallbackRate:
    """Counts answers by second over a sliding minute. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds = [0] * WINDOW_S
        self._answers = [0] * WINDOW_S
        self._fallbacks = [0] * WINDOW_S

    def count(self, *, fallback: bool) -> None:
        """Count one answer."""
        second = int(self._clock())
        slot = second % WINDOW_S
        with self._lock:
            if self._seconds[slot] != second:
                self._seconds[slot], self._answers[slot], self._fallbacks[slot] = second, 0, 0
            self._answers[slot] += 1
            self._fallbacks[slot] += fallback

    def share(self) -> float:
        """Fallback answers as a share (0..1) of all answers of the last minute."""
        oldest = int(self._clock()) - WINDOW_S
        with self._lock:
            fresh = [slot for slot in range(WINDOW_S) if self._seconds[slot] > oldest]
            answers = sum(self._answers[slot] for slot in fresh)
            return sum(self._fallbacks[slot] for slot in fresh) / answers if answers else 0.0
