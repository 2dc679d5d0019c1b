"""The messages of calls that have just one, waited for no longer than they deserve."""

import asyncio
from typing import Any, TypeAlias

from alerting.rpc.callers import Context
from alerting.rpc.errors import InvalidRequestError, MessageMissingError, Violation

_Task: TypeAlias = "asyncio.Task[Any]"


class FirstMessages:
    """Reads the message of a call; must be made on the loop that serves.

    The calls that wait are swept in two generations, so that a call pays for two entries in a set and for
    no timer.

    Parameters
    ----------
    timeout_s
        A call that waits longer is ended, at twice this time at the latest.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._young: set[_Task] = set()
        self._old: set[_Task] = set()
        self._ended: set[_Task] = set()
        self._loop.call_later(timeout_s, self._sweep)

    async def read(self, context: Context) -> bytes:
        """The message.

        Raises
        ------
        MessageMissingError
            When it does not come in time.
        InvalidRequestError
            When the caller ends the call without it.
        """
        task = asyncio.current_task()
        assert task is not None
        generation = self._young
        generation.add(task)
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if task in self._ended:
                raise MessageMissingError from None
            raise
        finally:
            generation.discard(task)
            self._ended.discard(task)
        if isinstance(message, bytes):
            return message
        raise InvalidRequestError((Violation("request", "the call ended without its message"),))

    def _sweep(self) -> None:
        late, self._old, self._young = self._old, self._young, set()
        for task in late:
            self._ended.add(task)
            task.cancel()
        self._loop.call_later(self._timeout_s, self._sweep)
