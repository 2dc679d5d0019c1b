"""A small typed client of the gRPC edge, as a payment gateway would use it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from alerting.decision import Decision
from alerting.engine import Published
from alerting.rpc.convert import OUTCOME, PAYMENT, read_decision, write_budget, write_event
from detectors.events import Outcome, Payment
from tapwatch.v1 import ingest_pb2, ingest_pb2_grpc, risk_pb2, risk_pb2_grpc


@dataclass(frozen=True, slots=True)
class RpcProblem:
    """Why the server gave no answer.

    ``reason`` is the machine-readable cause, such as ``PAYLOAD_CONFLICT``; ``violations`` are the bad fields
    with what is wrong with each.
    """

    code: str
    reason: str
    message: str
    violations: tuple[tuple[str, str], ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None


class GatewayError(Exception):
    """A call failed; ``problem`` says why."""

    def __init__(self, problem: RpcProblem) -> None:
        super().__init__(f"{problem.code} {problem.reason}: {problem.message}")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class OutcomeReceipt:
    """Where an outcome is kept, and whether it had been there already."""

    outcome_id: str
    log_position: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """What became of the published events; ``problems`` by their place in the stream."""

    accepted: int
    duplicates: int
    rejected: int
    problems: tuple[tuple[int, RpcProblem], ...]


class GatewayClient:
    """Calls one server; a context manager that closes its connection.

    Parameters
    ----------
    target
        Host and port.
    credentials
        TLS credentials; plain text without.
    token
        Bearer token sent with every call.
    """

    def __init__(
        self, target: str, *, credentials: grpc.ChannelCredentials | None = None, token: str | None = None
    ) -> None:
        if credentials is None:
            self.channel = grpc.insecure_channel(target)
        else:
            self.channel = grpc.secure_channel(target, credentials)
        self._risk = risk_pb2_grpc.RiskServiceStub(self.channel)
        self._ingest = ingest_pb2_grpc.IngestServiceStub(self.channel)
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def decide(self, payment: Payment, timeout_s: float = 1.0, budget_s: float | None = None) -> Decision:
        """The answer to one payment."""
        budget = None if budget_s is None else write_budget(budget_s)
        request = risk_pb2.DecideRequest(payment=PAYMENT.write(payment), budget=budget)
        try:
            response = self._risk.Decide(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error
        return read_decision(response.decision)

    def decide_stream(
        self, payments: Iterable[Payment], timeout_s: float | None = None
    ) -> Iterator[Decision | RpcProblem]:
        """The answers in the order of the payments; one that has none gives its problem instead."""
        requests = (risk_pb2.DecideStreamRequest(payment=PAYMENT.write(p)) for p in payments)
        try:
            for reply in self._risk.DecideStream(requests, timeout=timeout_s, metadata=self._metadata):
                yield _problem(reply.error) if reply.HasField("error") else read_decision(reply.decision)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error

    def get_decision(self, transaction_id: str, tenant: str = "default", timeout_s: float = 1.0) -> Decision:
        """The decision in force."""
        request = risk_pb2.GetDecisionRequest(transaction_id=transaction_id, tenant=tenant)
        try:
            response = self._risk.GetDecision(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error
        return read_decision(response.decision)

    def report_outcome(
        self, outcome: Outcome, timeout_s: float = 5.0, *, name_user: bool = True
    ) -> OutcomeReceipt:
        """Report how a payment turned out; without ``name_user`` the server looks the user up."""
        message = OUTCOME.write(outcome)
        if not name_user:
            message.ClearField("user_id")
        request = risk_pb2.ReportOutcomeRequest(outcome=message)
        try:
            response = self._risk.ReportOutcome(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error
        return OutcomeReceipt(response.outcome_id, response.log_position, response.duplicate)

    def explain(
        self, transaction_id: str, tenant: str = "default", timeout_s: float = 1.0
    ) -> risk_pb2.ExplainDecisionResponse:
        """All that is known of one decision, as the server words it."""
        request = risk_pb2.ExplainDecisionRequest(transaction_id=transaction_id, tenant=tenant)
        try:
            return self._risk.ExplainDecision(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error

    def publish(
        self, events: Iterable[Outcome | Published], timeout_s: float | None = None
    ) -> PublishSummary:
        """Append events that need no answer."""
        try:
            response = self._ingest.Publish(
                map(write_event, events), timeout=timeout_s, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise GatewayError(problem_of(error)) from error
        return _summary(response)

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def problem_of(error: grpc.RpcError) -> RpcProblem:
    """What a failed call says of its cause."""
    if not isinstance(error, grpc.Call):
        return RpcProblem("UNKNOWN", "", str(error))
    status = rpc_status.from_call(error)
    if status is None:
        return RpcProblem(error.code().name, "", error.details() or "")
    return _problem(status)


def _problem(status: status_pb2.Status) -> RpcProblem:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        for known in (info, bad, retry):
            detail.Unpack(known)
    return RpcProblem(
        code=code_pb2.Code.Name(status.code),
        reason=info.reason,
        message=status.message,
        violations=tuple((v.field, v.description) for v in bad.field_violations),
        metadata=dict(info.metadata),
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds()
        if retry.HasField("retry_delay")
        else None,
    )


def _summary(response: ingest_pb2.PublishResponse) -> PublishSummary:
    problems = tuple((error.index, _problem(error.status)) for error in response.errors)
    return PublishSummary(response.accepted, response.duplicates, response.rejected, problems)
