"""How an event loop hears of what other threads have done."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import get_ident

Tell = Callable[[Callable[[], None]], None]
"""Takes a callback and calls it when something has happened, from any thread, maybe twice."""


class Mailbox:
    """Lets coroutines of one loop wait for callbacks; must be made on that loop.

    To wake a loop costs a system call and hands the interpreter over, so a burst of news wakes it once.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._told: deque[asyncio.Future[None]] = deque()
        self._wakes = False

    async def wait(self, tell: Tell, due: float) -> None:
        """Return when ``tell`` calls back, at ``due`` (``time.monotonic``) at the latest."""
        told = self.told(tell)
        if told.done():
            return
        timer = self._loop.call_at(due, _settle, told)
        try:
            await told
        finally:
            timer.cancel()

    def told(self, tell: Tell) -> "asyncio.Future[None]":
        """What is done when ``tell`` calls back."""
        told = self._loop.create_future()
        tell(partial(self._post, told))
        return told

    def _post(self, told: "asyncio.Future[None]") -> None:
        if get_ident() == self._thread:
            _settle(told)
            return
        self._told.append(told)
        if not self._wakes:
            self._wakes = True
            # A loop that has closed has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # Before the mailbox is emptied: whoever posts from now on wakes the loop again.
        self._wakes = False
        while self._told:
            _settle(self._told.popleft())


def _settle(told: "asyncio.Future[None]") -> None:
    if not told.done():
        told.set_result(None)
