"""What both services share: the engine, the limits, and waiting without holding up the loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import grpc.aio
from google.rpc import status_pb2

from alerting.decision import Decision
from alerting.engine import Pending, PendingReceipt, Receipt, RiskEngine, UnknownTransactionError
from alerting.rpc.callers import Context
from alerting.rpc.convert import OutcomeReport
from alerting.rpc.due_line import DueLine
from alerting.rpc.errors import InvalidRequestError, UserUnknownError, Violation, status_of
from alerting.rpc.mailbox import Mailbox
from alerting.rpc.params import EdgeParams
from detectors.events import Location, Outcome, Visit

T = TypeVar("T")
_NOT_THE_PAYER: Final = "is not the user who made this payment; allowed: that user, or none"


class Calls:
    """The engine as the coroutines of one loop use it; must be made on that loop."""

    def __init__(self, engine: RiskEngine, params: EdgeParams) -> None:
        self.engine = engine
        self.params = params
        self._mailbox = Mailbox()
        self._loop = asyncio.get_running_loop()
        self._ahead = timedelta(seconds=params.max_ahead_s)
        self._device_ahead = timedelta(seconds=params.max_device_ahead_s)

    def latest(self) -> datetime:
        """The latest event time that is allowed now."""
        return self.engine.now() + self._ahead

    def require_device_time(self, event: Location | Visit) -> None:
        """Refuse what a device says by a clock that runs ahead."""
        latest = self.engine.now() + self._device_ahead
        if event.event_time > latest:
            said = f"is too far ahead of the server's clock; allowed: {latest:%Y-%m-%dT%H:%M:%SZ}"
            raise InvalidRequestError((Violation(f"{event.kind}.event_time", said),))

    async def attempt(
        self, work: Awaitable[T], fatal: type[Exception] = grpc.aio.BaseError
    ) -> T | status_pb2.Status:
        """What an item's ``work`` gives, or the status that answers its error; a ``fatal`` one is raised."""
        try:
            return await work
        except fatal:
            raise
        except Exception as error:  # noqa: BLE001  # an item's error is its answer, and the stream goes on
            return status_of(error, self.params.retry_after_s)

    async def decision(self, pending: Pending) -> Decision:
        """The answer, by the time it is due."""
        await self._mailbox.wait(pending.on_answer, pending.due)
        return pending.answer_now()

    def line(self) -> DueLine:
        """Where the payments of one stream wait for their answers."""
        return DueLine(self._mailbox, partial(status_of, retry_after_s=self.params.retry_after_s))

    async def receipt(self, pending: PendingReceipt) -> Receipt:
        """The receipt, once the event is durable."""
        due = self._loop.time() + self.params.publish_timeout_s
        await self._mailbox.wait(pending.on_settled, due)
        return pending.receipt_now()

    async def look_up(self, find: Callable[[str, str], T], tenant: str, transaction_id: str) -> T:
        """What ``find`` reads, on a thread that may wait for files."""
        return await self._loop.run_in_executor(None, find, tenant, transaction_id)

    async def outcome_of(self, report: OutcomeReport) -> Outcome:
        """The outcome with its user: the payer where the payment is known, else whom the report names."""
        outcome = report.outcome
        try:
            payer_id = await self.look_up(self.engine.find_user, outcome.tenant, outcome.transaction_id)
        except UnknownTransactionError as error:
            if report.user_given:
                return outcome
            raise UserUnknownError from error
        if report.user_given and outcome.user_id != payer_id:
            raise InvalidRequestError((Violation("outcome.user_id", _NOT_THE_PAYER),))
        return report.of_user(payer_id)


async def requests_of(context: Context) -> AsyncIterator[bytes]:
    """The requests of a stream, until the caller ends it."""
    while True:
        request = await context.read()
        if not isinstance(request, bytes):  # the mark of the end is no message
            return
        yield request
