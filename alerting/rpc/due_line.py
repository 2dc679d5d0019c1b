"""Payments of one stream on their way to answers, each of them answered when it is due."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from google.rpc import status_pb2

from alerting.decision import Decision
from alerting.engine import Pending
from alerting.rpc.mailbox import Mailbox

Answer: TypeAlias = Decision | status_pb2.Status


class Waiting:
    """A payment in the line; ``told`` is done when its answer is there or must be."""

    __slots__ = ("answer", "pending", "timer", "told")

    def __init__(self, pending: Pending, told: "asyncio.Future[None]") -> None:
        self.pending = pending
        self.told = told
        self.timer: asyncio.TimerHandle | None = None
        self.answer: Answer | None = None


class DueLine:
    """Fixes every answer at its due time at the latest, also while nobody can deliver it.

    Replies leave in the order of the requests, so a payment that is due takes those before it along: what
    the engine has not answered by then gets the fallback, even if it had some time left. Otherwise a long
    budget would make the shorter ones behind it late.

    Parameters
    ----------
    mailbox
        Tells the loop what other threads have done.
    status_of
        The status that answers an error of the engine.
    """

    def __init__(self, mailbox: Mailbox, status_of: Callable[[Exception], status_pb2.Status]) -> None:
        self._mailbox = mailbox
        self._status_of = status_of
        self._loop = asyncio.get_running_loop()
        self._line: deque[Waiting] = deque()

    def join(self, pending: Pending) -> Waiting:
        """Put a payment at the end of the line."""
        one = Waiting(pending, self._mailbox.told(pending.on_answer))
        one.timer = self._loop.call_at(pending.due, self._fix_up_to, one)
        self._line.append(one)
        return one

    async def answer(self, first: Waiting) -> Answer:
        """The answer to the first one in the line, who leaves it."""
        await first.told
        if first.timer is not None:
            first.timer.cancel()
        if self._line and self._line[0] is first:
            self._line.popleft()
        return self._fixed(first)

    def leave(self) -> None:
        """Drop everybody: there is no one left to answer."""
        while self._line:
            timer = self._line.popleft().timer
            if timer is not None:
                timer.cancel()

    def _fix_up_to(self, last: Waiting) -> None:
        while self._line:
            one = self._line.popleft()
            self._fixed(one)
            if one.timer is not None:
                one.timer.cancel()
            if not one.told.done():
                one.told.set_result(None)
            if one is last:
                return

    def _fixed(self, one: Waiting) -> Answer:
        if one.answer is None:
            try:
                one.answer = one.pending.answer_now()
            except Exception as error:  # noqa: BLE001  # an item's error is its answer, and the stream goes on
                one.answer = self._status_of(error)
        return one.answer
