"""Something that happens once, and whoever wants to hear of it."""

import threading
from collections.abc import Callable


class News:
    """Tells callbacks and waiting threads, once it happened.

    Without a lock: a callback that comes just then may be called twice, so callbacks must not mind.
    """

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] | None = []

    def tell(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when it happens; at once if it has happened."""
        callbacks = self._callbacks
        if callbacks is not None:
            callbacks.append(callback)
        if self._callbacks is None:
            callback()

    def spread(self) -> None:
        """It happened."""
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def wait(self, timeout_s: float) -> bool:
        """Block until it happens; False when it did not within ``timeout_s``."""
        if self._callbacks is None:
            return True
        happened = threading.Event()
        self.tell(happened.set)
        return happened.wait(max(0.0, timeout_s))
