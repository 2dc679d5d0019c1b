"""``RiskService``: decisions inline, one by one or in a stream, and what became of the payments."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count

from google.rpc import status_pb2

from alerting.decision import Reason
from alerting.engine import Pending
from alerting.rpc.callers import Context, Tenants
from alerting.rpc.calls import Calls, requests_of
from alerting.rpc.convert import DECISION, parse, read_decide, read_key, read_report, write_explanation
from alerting.rpc.due_line import Answer, DueLine, Waiting
from alerting.rpc.pipeline import run_in_order
from alerting.rpc.serve import Serve
from tapwatch.v1 import risk_pb2 as pb


class RiskService:
    """Serves an engine; ``describe`` puts a reason into words."""

    def __init__(self, calls: Calls, describe: Callable[[Reason], str]) -> None:
        self._calls = calls
        self._describe = describe
        self._in_flight = 0

    def methods(self) -> Mapping[str, Serve]:
        """The coroutines that serve, by the names of their methods."""
        return {
            "Decide": self.decide,
            "DecideStream": self.decide_stream,
            "GetDecision": self.get_decision,
            "ReportOutcome": self.report_outcome,
            "ExplainDecision": self.explain_decision,
        }

    async def decide(self, raw: bytes, context: Context, tenants: Tenants) -> bytes:
        """Answer one payment in time."""
        request = parse(pb.DecideRequest, raw)
        self._in_flight += 1
        try:
            may_wait = self._in_flight <= self._calls.params.max_in_flight
            pending = self._submit(request, context, tenants, may_wait)
            decision = await self._calls.decision(pending)
        finally:
            self._in_flight -= 1
        return pb.DecideResponse(decision=DECISION.write(decision)).SerializeToString()

    async def decide_stream(self, _request: bytes, context: Context, tenants: Tenants) -> None:
        """Answer payments in the order of their requests, many of them under way at a time.

        The time of a payment starts when the server reads its message. While ``stream_window`` payments are
        under way, no further one is read: the sender is held back, and the time of what it has not got
        through has not started. From then on each payment is answered by its deadline, by the fallback if
        need be, also while the caller is slow to take its replies.
        """
        line, params = self._calls.line(), self._calls.params
        start = partial(self._start_item, context, tenants, line)
        settle = partial(self._settle_item, line)
        deliver = partial(self._deliver_item, context, count())
        requests, size = requests_of(context), params.stream_window
        try:
            await run_in_order(requests, start, settle, deliver, size, params.stream_idle_s)
        finally:
            line.leave()

    async def get_decision(self, raw: bytes, _context: Context, tenants: Tenants) -> bytes:
        """Give the decision in force."""
        key = read_key(parse(pb.GetDecisionRequest, raw))
        tenants.require(key.tenant)
        decision = await self._calls.look_up(self._calls.engine.find_decision, key.tenant, key.transaction_id)
        return pb.GetDecisionResponse(decision=DECISION.write(decision)).SerializeToString()

    async def report_outcome(self, raw: bytes, _context: Context, tenants: Tenants) -> bytes:
        """Keep an outcome."""
        report = read_report(parse(pb.ReportOutcomeRequest, raw), self._calls.latest())
        tenants.require(report.outcome.tenant)
        outcome = await self._calls.outcome_of(report)
        receipt = await self._calls.receipt(self._calls.engine.offer(outcome))
        return pb.ReportOutcomeResponse(
            outcome_id=outcome.outcome_id, duplicate=receipt.duplicate, log_position=receipt.log_position
        ).SerializeToString()

    async def explain_decision(self, raw: bytes, _context: Context, tenants: Tenants) -> bytes:
        """Tell all that is known of one decision."""
        key = read_key(parse(pb.ExplainDecisionRequest, raw))
        tenants.require(key.tenant)
        explanation = await self._calls.look_up(self._calls.engine.explain, key.tenant, key.transaction_id)
        texts = tuple(map(self._describe, explanation.decision.reasons))
        return write_explanation(explanation, texts).SerializeToString()

    def _submit(
        self,
        request: pb.DecideRequest | pb.DecideStreamRequest,
        context: Context,
        tenants: Tenants,
        may_wait: bool,
    ) -> Pending:
        payment, budget_s = read_decide(request, self._calls.latest())
        tenants.require(payment.tenant)
        # A payment that may not wait, or whose time is over, still gets its fallback, which the engine logs.
        deadline_s = self._deadline_s(context, budget_s) if may_wait else 0.0
        return self._calls.engine.submit(payment, deadline_s)

    def _deadline_s(self, context: Context, budget_s: float | None) -> float:
        params = self._calls.params
        deadline_s = params.default_deadline_s
        # The published types leave out that a call may have no deadline.
        remaining_s: float | None = context.time_remaining()
        if remaining_s is not None:
            deadline_s = min(deadline_s, remaining_s)
        if budget_s is not None:
            deadline_s = min(deadline_s, budget_s)
        return max(0.0, deadline_s - params.margin_s)

    async def _start_item(
        self, context: Context, tenants: Tenants, line: DueLine, raw: bytes
    ) -> Waiting | status_pb2.Status:
        return await self._calls.attempt(self._submit_item(context, tenants, line, raw))

    async def _submit_item(self, context: Context, tenants: Tenants, line: DueLine, raw: bytes) -> Waiting:
        request = parse(pb.DecideStreamRequest, raw)
        return line.join(self._submit(request, context, tenants, may_wait=True))

    async def _settle_item(self, line: DueLine, started: Waiting | status_pb2.Status) -> Answer:
        return started if isinstance(started, status_pb2.Status) else await line.answer(started)

    async def _deliver_item(self, context: Context, indexes: "count[int]", answer: Answer) -> None:
        reply = pb.DecideStreamResponse(index=next(indexes))
        if isinstance(answer, status_pb2.Status):
            reply.error.CopyFrom(answer)
        else:
            reply.decision.CopyFrom(DECISION.write(answer))
        await context.write(reply.SerializeToString())
