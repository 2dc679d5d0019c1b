"""Many items of a stream under way at a time, finished in the order they came."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from alerting.rpc.errors import StreamIdleError

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")


async def run_in_order(
    items: AsyncIterator[T],
    start: Callable[[T], Awaitable[S]],
    settle: Callable[[S], Awaitable[R]],
    deliver: Callable[[R], Awaitable[None]],
    size: int,
    idle_s: float,
) -> None:
    """Start items as they come, settle and deliver them in their order, at most ``size`` at a time.

    A further item is not even read while there is no room: its sender is held back, and its time has not
    begun. An error of ``start`` ends the run once everything before it is delivered.

    Parameters
    ----------
    items
        What the caller sends.
    start
        Takes an item up; must not wait for the item to be done.
    settle
        Waits until the item is done. The time that this takes is never held against the caller.
    deliver
        Hands the result to the caller, who may be slow to take it.
    size
        Items under way at a time.
    idle_s
        How long the caller may neither send nor take anything while the run waits for just that; it may
        last twice as long.

    Raises
    ------
    StreamIdleError
        When the caller lets the run wait too long.

    Examples
    --------
    >>> async def letters() -> AsyncIterator[str]:
    ...     for letter in "abc":
    ...         yield letter
    >>> async def upper(letter: str) -> str:
    ...     return letter.upper()
    >>> async def double(letter: str) -> str:
    ...     return letter * 2
    >>> async def show(letter: str) -> None:
    ...     print(letter)
    >>> asyncio.run(run_in_order(letters(), upper, double, show, size=2, idle_s=60.0))
    AA
    BB
    CC
    """
    room = asyncio.Semaphore(size)
    started: asyncio.Queue[S | None] = asyncio.Queue()

    async def start_all() -> None:
        await room.acquire()
        async for item in items:
            patience.moves += 1
            started.put_nowait(await start(item))
            await room.acquire()

    async def finish_all() -> None:
        while (one := await started.get()) is not None:
            patience.on_caller = False
            result = await settle(one)
            patience.on_caller = True
            await deliver(result)
            patience.moves += 1
            room.release()

    try:
        async with asyncio.timeout(None) as limit:
            patience = _Patience(limit, idle_s)
            starter = asyncio.create_task(start_all())
            starter.add_done_callback(lambda _: started.put_nowait(None))
            try:
                await finish_all()
                await starter
            finally:
                patience.end()
                starter.cancel()
                await asyncio.wait((starter,))
    except TimeoutError:
        if limit.expired():
            raise StreamIdleError from None
        raise


class _Patience:
    """Looks now and then whether the caller has moved, which is cheaper than a timer for each item."""

    def __init__(self, limit: asyncio.Timeout, idle_s: float) -> None:
        self.moves = 0
        self.on_caller = True
        self._seen = 0
        self._limit = limit
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(idle_s, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        if self.on_caller and self.moves == self._seen:
            self._limit.reschedule(self._loop.time())
            return
        # Time that the engine took is no silence of the caller: it counts from the next look on.
        self._seen = self.moves if self.on_caller else -1
        self._timer = self._loop.call_later(self._idle_s, self._look)
