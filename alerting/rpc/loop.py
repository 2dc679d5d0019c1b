"""The event loop of the edge."""

import asyncio
from selectors import DefaultSelector, SelectorKey
from typing import Final

_UNASKED: Final = 4


class _BusySelector(DefaultSelector):
    """Leaves the kernel alone for a few rounds while the loop has callbacks to run.

    A call goes through some nine rounds of the loop. To ask the kernel in each of them costs a system call
    and lends the interpreter to the flow's thread, which gives it back only when it has to.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = _UNASKED

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What is ready; nothing, without a look, when the loop would not wait and has looked lately."""
        if timeout is not None and timeout <= 0 and self._left:
            self._left -= 1
            return []
        self._left = _UNASKED
        return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for a thread that shares the interpreter with a busy one."""
    return asyncio.SelectorEventLoop(_BusySelector())
