"""Acknowledgements on their way into their file: all subscribers' together, write after write."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from alerting.alert_source import AlertSource, AlertsUnavailableError, KeptSubscription, Place
from alerting.rpc.alert_hub import AlertHub

PAUSE_S: Final = 1.0
_log = logging.getLogger(__name__)


class Keeps(Protocol):
    """A subscriber whose acknowledgements are kept."""

    def to_keep(self) -> tuple[KeptSubscription, list[str]]:
        """What is to be kept now, and the acknowledgements that it holds and that are not confirmed."""
        ...

    def kept(self, alert_ids: list[str], mark: Place) -> None:
        """It is kept: confirm."""
        ...


class AckKeeper:
    """Writes what has changed; while it writes, more comes together. Must be used on one loop."""

    def __init__(self, source: AlertSource, hub: AlertHub) -> None:
        self._source = source
        self._hub = hub
        self._changed: set[Keeps] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, subscriber: Keeps) -> None:
        """Something of it is to be kept."""
        self._changed.add(subscriber)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def settle(self) -> None:
        """Return when nothing is being written."""
        if self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    async def _write(self) -> None:
        while self._changed:
            subscribers, self._changed = list(self._changed), set()
            states = [each.to_keep() for each in subscribers]
            await self._keep([state for state, _ in states])
            for each, (state, alert_ids) in zip(subscribers, states, strict=True):
                each.kept(alert_ids, state.mark)

    async def _keep(self, states: Sequence[KeptSubscription]) -> None:
        while True:
            try:
                return await self._hub.call(self._source.keep, states)
            except AlertsUnavailableError as error:
                # Nothing is confirmed meanwhile: the subscribers know that alerts may come again.
                _log.error("acknowledgements can't be kept: %s", error)
                await asyncio.sleep(PAUSE_S)
