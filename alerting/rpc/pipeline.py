"""Many items of a stream under way at a time, finished in the order they came."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")


async def run_in_order(
    items: AsyncIterator[T],
    start: Callable[[T], Awaitable[S]],
    finish: Callable[[S], Awaitable[None]],
    size: int,
) -> None:
    """Start items as they come and finish them in their order, at most ``size`` of them between both.

    An error of ``start`` ends the run once everything before it is finished.

    Examples
    --------
    >>> async def letters() -> AsyncIterator[str]:
    ...     for letter in "abc":
    ...         yield letter
    >>> async def upper(letter: str) -> str:
    ...     return letter.upper()
    >>> async def show(letter: str) -> None:
    ...     print(letter)
    >>> asyncio.run(run_in_order(letters(), upper, show, size=2))
    A
    B
    C
    """
    room = asyncio.Semaphore(size)
    started: asyncio.Queue[S | None] = asyncio.Queue()

    async def start_all() -> None:
        await room.acquire()
        async for item in items:
            started.put_nowait(await start(item))
            await room.acquire()

    starter = asyncio.create_task(start_all())
    starter.add_done_callback(lambda _: started.put_nowait(None))
    try:
        while (one := await started.get()) is not None:
            await finish(one)
            room.release()
        await starter
    finally:
        starter.cancel()
        await asyncio.wait((starter,))
