"""Acknowledgements on their way into their file: all subscribers' together, write after write."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, ParamSpec, Protocol, TypeVar

from alerting.alert_source import (
    AlertSource,
    AlertsUnavailableError,
    KeptSubscription,
    Place,
    SubscriptionName,
)

PAUSE_S: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Keeps(Protocol):
    """A subscriber whose acknowledgements are kept, under a name."""

    @property
    def name(self) -> SubscriptionName:
        """The name."""
        ...

    def to_keep(self) -> tuple[KeptSubscription, list[str]]:
        """What is to be kept now, and the acknowledgements that it holds and that are not confirmed."""
        ...

    def kept(self, alert_ids: list[str], mark: Place) -> None:
        """It is kept: confirm."""
        ...


class AckKeeper:
    """Writes what has changed; while it writes, more comes together. Must be made and used on one loop.

    It has a thread of its own: a file that can't be written holds up no reader of alerts.
    """

    def __init__(self, source: AlertSource) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ack-keeper")
        self._changed: set[Keeps] = set()
        self._writing: list[Keeps] = []
        self._task: asyncio.Task[None] | None = None
        self._under_way: asyncio.Future[None] = self._loop.create_future()
        self._coming: asyncio.Future[None] = self._loop.create_future()
        self._ended = False

    async def load(self, name: SubscriptionName) -> KeptSubscription | None:
        """What is kept under a name."""
        return await self._call(self._source.load, name)

    async def begin(self, subscription: KeptSubscription) -> None:
        """Keep a subscription that begins."""
        await self._call(self._source.keep, [subscription])

    def note(self, subscriber: Keeps) -> None:
        """Something of it is to be kept."""
        if self._ended:
            return
        self._changed.add(subscriber)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def settle(self, name: SubscriptionName | None = None) -> None:
        """Return when what was noted so far, under a name or all, is written, whatever is noted meanwhile.

        Raises
        ------
        AlertsUnavailableError
            When it can't be written now.
        """
        if self._task is None or self._task.done():
            return
        if any(name in (None, each.name) for each in self._changed):
            written = self._coming
        elif any(name in (None, each.name) for each in self._writing):
            written = self._under_way
        else:
            return
        await asyncio.wait((written, self._task), return_when=asyncio.FIRST_COMPLETED)
        if written.done():
            written.result()

    async def end(self) -> None:
        """Write what was noted, if that can be done now, and no more."""
        self._ended = True
        with suppress(AlertsUnavailableError):
            await self.settle()
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False)

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._loop.run_in_executor(self._thread, partial(function, *args, **kwargs))

    async def _write(self) -> None:
        while self._changed:
            self._writing, self._changed = list(self._changed), set()
            states = [each.to_keep() for each in self._writing]
            self._under_way, self._coming = self._coming, self._loop.create_future()
            await self._keep([state for state, _ in states])
            self._under_way.set_result(None)
            for each, (state, alert_ids) in zip(self._writing, states, strict=True):
                each.kept(alert_ids, state.mark)
            self._writing = []

    async def _keep(self, states: Sequence[KeptSubscription]) -> None:
        while True:
            try:
                return await self._call(self._source.keep, states)
            except AlertsUnavailableError as error:
                # Nothing is confirmed meanwhile: the subscribers know that alerts may come again.
                _log.error("acknowledgements can't be kept: %s", error)
                self._tell_who_waits(error)
                await asyncio.sleep(PAUSE_S)

    def _tell_who_waits(self, error: AlertsUnavailableError) -> None:
        for written in (self._under_way, self._coming):
            written.set_exception(error)
            written.exception()  # whether anybody waits or not
        self._under_way, self._coming = self._loop.create_future(), self._loop.create_future()
