"""What every call goes through: who calls, what is refused, how an error becomes the reply."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import TypeVar

import grpc
from google.rpc import status_pb2

from alerting.engine import RiskEngine, UnknownTransactionError
from alerting.rpc.callers import Callers, Tenants, tenants_of
from alerting.rpc.convert import OutcomeReport
from alerting.rpc.errors import TooManyStreamsError, UserUnknownError, abort, status_of
from alerting.rpc.params import EdgeParams
from detectors.events import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Calls:
    """The engine and the rules that both services share; ``streams`` are the places left for streams."""

    engine: RiskEngine
    params: EdgeParams
    callers: Callers | None
    streams: BoundedSemaphore

    def latest(self) -> datetime:
        """The latest event time that is allowed now."""
        return self.engine.now() + timedelta(seconds=self.params.max_ahead_s)

    def tenants(self, context: grpc.ServicerContext) -> Tenants:
        """The tenants that the caller may act for."""
        return tenants_of(self.callers, context)

    def answer(self, context: grpc.ServicerContext, work: Callable[[], T]) -> T:
        """What ``work`` gives; its error ends the call."""
        answer = self.attempt(work)
        if isinstance(answer, status_pb2.Status):
            abort(context, answer)
        return answer

    def attempt(self, work: Callable[[], T]) -> T | status_pb2.Status:
        """What ``work`` gives, or the status that says why it gives nothing."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001  # the edge of the process: every error becomes a status
            return status_of(error, self.params.retry_after_s)

    @contextmanager
    def stream(self, context: grpc.ServicerContext) -> Iterator[None]:
        """One of the few places for streams, while it lasts."""
        if not self.streams.acquire(blocking=False):
            abort(context, status_of(TooManyStreamsError(), self.params.retry_after_s))
        try:
            yield
        finally:
            self.streams.release()

    def outcome_of(self, report: OutcomeReport) -> Outcome:
        """The outcome with its user, looked up by its payment where the report names none."""
        if report.user_given:
            return report.outcome
        try:
            user_id = self.engine.find_user(report.outcome.tenant, report.outcome.transaction_id)
        except UnknownTransactionError as error:
            raise UserUnknownError from error
        return report.of_user(user_id)


def new_calls(engine: RiskEngine, params: EdgeParams, callers: Callers | None) -> Calls:
    """The rules of one server."""
    return Calls(engine, params, callers, BoundedSemaphore(params.max_streams))
