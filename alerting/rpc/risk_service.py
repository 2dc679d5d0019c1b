"""``RiskService``: decisions inline, one by one or in a stream, and what became of the payments."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from threading import BoundedSemaphore, Thread
from typing import TypeAlias

import grpc
from google.rpc import status_pb2

from alerting.decision import Decision, Reason
from alerting.engine import Pending
from alerting.rpc.callers import Tenants
from alerting.rpc.calls import Calls
from alerting.rpc.convert import DECISION, read_decide, read_key, read_report, write_explanation
from alerting.rpc.window import Window
from tapwatch.v1 import risk_pb2 as pb
from tapwatch.v1 import risk_pb2_grpc

_Started: TypeAlias = "Pending | status_pb2.Status"


class RiskService(risk_pb2_grpc.RiskServiceServicer):
    """Serves an engine; ``describe`` puts a reason into words."""

    def __init__(self, calls: Calls, describe: Callable[[Reason], str]) -> None:
        self._calls = calls
        self._describe = describe
        self._in_flight = BoundedSemaphore(calls.params.max_in_flight)

    def Decide(self, request: pb.DecideRequest, context: grpc.ServicerContext) -> pb.DecideResponse:
        """Answer one payment in time."""
        return self._calls.answer(context, lambda: self._decide(request, context))

    def DecideStream(
        self, request_iterator: Iterator[pb.DecideStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.DecideStreamResponse]:
        """Answer payments in the order of their requests, many of them under way at a time."""
        with self._calls.stream(context):
            tenants = self._calls.answer(context, lambda: self._calls.tenants(context))
            window: Window[_Started] = Window(self._calls.params.stream_window)
            if not context.add_callback(window.close):
                return
            reader = Thread(
                target=self._read_stream, args=(request_iterator, context, tenants, window), daemon=True
            )
            reader.start()
            try:
                for index, started in zip(count(), window, strict=False):
                    yield self._answer_item(index, started)
            finally:
                window.close()

    def GetDecision(
        self, request: pb.GetDecisionRequest, context: grpc.ServicerContext
    ) -> pb.GetDecisionResponse:
        """Give the decision in force."""

        def find() -> pb.GetDecisionResponse:
            tenants, key = self._calls.tenants(context), read_key(request)
            tenants.require(key.tenant)
            decision = self._calls.engine.find_decision(key.tenant, key.transaction_id)
            return pb.GetDecisionResponse(decision=DECISION.write(decision))

        return self._calls.answer(context, find)

    def ReportOutcome(
        self, request: pb.ReportOutcomeRequest, context: grpc.ServicerContext
    ) -> pb.ReportOutcomeResponse:
        """Keep an outcome."""

        def keep() -> pb.ReportOutcomeResponse:
            tenants, report = self._calls.tenants(context), read_report(request, self._calls.latest())
            tenants.require(report.outcome.tenant)
            outcome = self._calls.outcome_of(report)
            receipt = self._calls.engine.publish(outcome)
            return pb.ReportOutcomeResponse(
                outcome_id=outcome.outcome_id, duplicate=receipt.duplicate, log_position=receipt.log_position
            )

        return self._calls.answer(context, keep)

    def ExplainDecision(
        self, request: pb.ExplainDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainDecisionResponse:
        """Tell all that is known of one decision."""

        def explain() -> pb.ExplainDecisionResponse:
            tenants, key = self._calls.tenants(context), read_key(request)
            tenants.require(key.tenant)
            explanation = self._calls.engine.explain(key.tenant, key.transaction_id)
            return write_explanation(explanation, tuple(map(self._describe, explanation.decision.reasons)))

        return self._calls.answer(context, explain)

    def _decide(self, request: pb.DecideRequest, context: grpc.ServicerContext) -> pb.DecideResponse:
        tenants = self._calls.tenants(context)
        waits = self._in_flight.acquire(blocking=False)
        try:
            pending = self._start(request, context, tenants, waits)
            return pb.DecideResponse(decision=DECISION.write(pending.result()))
        finally:
            if waits:
                self._in_flight.release()

    def _start(
        self,
        request: pb.DecideRequest | pb.DecideStreamRequest,
        context: grpc.ServicerContext,
        tenants: Tenants,
        may_wait: bool,
    ) -> Pending:
        payment, budget_s = read_decide(request, self._calls.latest())
        tenants.require(payment.tenant)
        # A payment that may not wait, or whose time is over, still gets its fallback, which the engine logs.
        deadline_s = self._deadline_s(context, budget_s) if may_wait else 0.0
        return self._calls.engine.submit(payment, deadline_s)

    def _deadline_s(self, context: grpc.ServicerContext, budget_s: float | None) -> float:
        params = self._calls.params
        deadline_s = params.default_deadline_s
        remaining_s = context.time_remaining()
        if remaining_s is not None:
            deadline_s = min(deadline_s, remaining_s)
        if budget_s is not None:
            deadline_s = min(deadline_s, budget_s)
        return max(0.0, deadline_s - params.margin_s)

    def _read_stream(
        self,
        requests: Iterator[pb.DecideStreamRequest],
        context: grpc.ServicerContext,
        tenants: Tenants,
        window: Window[_Started],
    ) -> None:
        # A caller that goes away makes the iterator raise; the window is closed by then.
        with suppress(grpc.RpcError):
            for request in requests:
                started = self._calls.attempt(partial(self._start, request, context, tenants, True))
                if not window.put(started):
                    return
        window.finish()

    def _answer_item(self, index: int, started: _Started) -> pb.DecideStreamResponse:
        answer: Decision | status_pb2.Status
        answer = started if isinstance(started, status_pb2.Status) else self._calls.attempt(started.result)
        if isinstance(answer, status_pb2.Status):
            return pb.DecideStreamResponse(index=index, error=answer)
        return pb.DecideStreamResponse(index=index, decision=DECISION.write(answer))
