"""What can go wrong at the edge, and the gRPC status that says so.

    EdgeError
    +-- InvalidRequestError    fields that can't be used, all of them
    +-- CallerUnknownError     no certificate or token that is on the list
    +-- TenantNotAllowedError  a caller on the list, but not for this tenant
    +-- LimitError             a limit that an operator can set
    |   +-- TooManyCallsError    the caller has its share of calls open
    |   +-- TooManyStreamsError  the caller has its share of streams open, or all have
    |   +-- MessageMissingError  the message of a call did not come
    |   +-- StreamIdleError      the caller neither sends nor takes anything for too long
    +-- UserUnknownError       an outcome without a user, before its payment
    +-- PublishStoppedError    the engine stopped taking events in the middle of a stream
    +-- PeerSilentError        a subscriber answered no heartbeat
    +-- TakenOverError         another stream goes on with the subscription
    +-- SubscriptionDiffersError  the subscription's name is known, with other filters
    +-- AlertsElsewhereError   the server delivers no alerts
    +-- DrainingError          the server ends

A status never repeats a value that may be a card number.
"""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from alerting.alert_source import AlertsUnavailableError
from alerting.engine import EngineUnavailableError, PayloadConflictError, UnknownTransactionError

DOMAIN: Final = "tapwatch"
LIMITS: Final = (
    "max_calls_per_caller",
    "max_streams",
    "max_streams_per_caller",
    "max_subscribers",
    "max_subscribers_per_caller",
    "message_timeout_s",
    "stream_idle_s",
)
"""The settings that a :class:`LimitError` can name."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that can't be used: its path in the request, and why."""

    field: str
    message: str


class EdgeError(Exception):
    """A call that the edge refuses by itself."""


class InvalidRequestError(EdgeError):
    """The request can't be used; ``violations`` holds every bad field."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))
        self.violations = violations


class CallerUnknownError(EdgeError):
    """The caller is not on the list."""


class TenantNotAllowedError(EdgeError):
    """The caller may not act for this tenant."""


class LimitError(EdgeError):
    """A limit of the edge is reached; ``limit`` is the name of its setting."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class TooManyCallsError(LimitError):
    """The caller can't open another call now."""

    def __init__(self) -> None:
        super().__init__("too many calls of this caller are open; try again", "max_calls_per_caller")


class TooManyStreamsError(LimitError):
    """No further stream can be served now."""

    def __init__(self, limit: str) -> None:
        super().__init__("too many streams are open; use fewer or try again", limit)


class MessageMissingError(LimitError):
    """The message of a call did not come."""

    def __init__(self) -> None:
        super().__init__(
            "the call's message did not come in time; send it with the call", "message_timeout_s"
        )


class StreamIdleError(LimitError):
    """The caller let a stream wait too long; ``counts`` says what became of what it had sent."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        message = "the stream was idle for too long; open another when there is something to send"
        super().__init__(message, "stream_idle_s")
        self.counts = counts or {}


class UserUnknownError(EdgeError):
    """The outcome names no user, and its payment is not known."""


class PublishStoppedError(EdgeError):
    """The engine takes no more events; ``counts`` says what became of those before."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__("the engine can't take events now; send the stream again, ids make that safe")
        self.counts = counts


class PeerSilentError(EdgeError):
    """A subscriber sends nothing any more."""


class TakenOverError(EdgeError):
    """A stream that came later goes on with this subscription."""


class SubscriptionDiffersError(EdgeError):
    """The subscription has other filters than were asked for."""


class AlertsElsewhereError(EdgeError):
    """The server delivers no alerts."""


class DrainingError(EdgeError):
    """The server ends; another one, or the next, goes on."""


def status_of(
    error: Exception, retry_after_s: float = 0.25, about: Mapping[str, str] | None = None
) -> status_pb2.Status:
    """The status that answers ``error``; ``about`` becomes metadata of its ``ErrorInfo``.

    The one place where status codes are chosen.
    """
    match error:
        case InvalidRequestError():
            fields = ", ".join(v.field for v in error.violations)
            bad = _bad_request(error.violations)
            return _status(
                code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", f"can't be used: {fields}", about, bad
            )
        case CallerUnknownError():
            message = "the caller is not known; use a listed certificate or bearer token"
            return _status(code_pb2.UNAUTHENTICATED, "CALLER_UNKNOWN", message, about)
        case TenantNotAllowedError():
            message = "the caller may not act for this tenant"
            return _status(code_pb2.PERMISSION_DENIED, "TENANT_NOT_ALLOWED", message, about)
        case TooManyCallsError() | TooManyStreamsError():
            reason = "TOO_MANY_CALLS" if isinstance(error, TooManyCallsError) else "TOO_MANY_STREAMS"
            limit, retry = {"limit": error.limit}, _retry(retry_after_s)
            return _status(code_pb2.RESOURCE_EXHAUSTED, reason, str(error), limit, retry)
        case MessageMissingError():
            limit = {"limit": error.limit}
            return _status(code_pb2.DEADLINE_EXCEEDED, "MESSAGE_MISSING", str(error), limit)
        case StreamIdleError():
            known = {"limit": error.limit, **_texts(error.counts)}
            return _status(code_pb2.DEADLINE_EXCEEDED, "STREAM_IDLE", str(error), known)
        case UserUnknownError():
            message = (
                "no payment is known by this transaction_id; an outcome that comes first must give user_id"
            )
            return _status(code_pb2.NOT_FOUND, "USER_UNKNOWN", message, about)
        case UnknownTransactionError():
            message = "no decision is known by this transaction_id"
            return _status(code_pb2.NOT_FOUND, "UNKNOWN_TRANSACTION", message, about)
        case PayloadConflictError():
            message = "the id was used before with other content"
            return _status(code_pb2.FAILED_PRECONDITION, "PAYLOAD_CONFLICT", message, about)
        case PublishStoppedError():
            counts, retry = _texts(error.counts), _retry(retry_after_s)
            return _status(code_pb2.UNAVAILABLE, "ENGINE_UNAVAILABLE", str(error), counts, retry)
        case EdgeError() if type(error) in _OF_ALERTS:
            code, reason, message = _OF_ALERTS[type(error)]
            return _status(code, reason, message, about)
        case AlertsUnavailableError():
            message = "alerts can't be read, or acknowledgements kept, now; try again"
            return _status(code_pb2.UNAVAILABLE, "ALERTS_UNAVAILABLE", message, about, _retry(retry_after_s))
        case EngineUnavailableError():
            message = "the engine can't take this now; try again"
            retry = _retry(retry_after_s)
            return _status(code_pb2.UNAVAILABLE, "ENGINE_UNAVAILABLE", message, about, retry)
    # The error's own text stays out of the reply and the log: it may hold what the caller sent.
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s at the edge\n%s", type(error).__name__, frames)
    return _status(code_pb2.INTERNAL, "INTERNAL", "unexpected error in the server", about)


_OF_ALERTS: Final[Mapping[type[EdgeError], tuple[int, str, str]]] = {
    PeerSilentError: (
        code_pb2.DEADLINE_EXCEEDED,
        "PEER_SILENT",
        "the subscriber answered no heartbeat; open another stream",
    ),
    TakenOverError: (
        code_pb2.ABORTED,
        "TAKEN_OVER",
        "another stream goes on with this subscription; use another name to have both",
    ),
    SubscriptionDiffersError: (
        code_pb2.FAILED_PRECONDITION,
        "SUBSCRIPTION_DIFFERS",
        "the name is known with other filters; use these or another name",
    ),
    AlertsElsewhereError: (
        code_pb2.UNIMPLEMENTED,
        "ALERTS_ELSEWHERE",
        "this server delivers no alerts; those of shards on Kafka are on a topic",
    ),
    DrainingError: (code_pb2.UNAVAILABLE, "DRAINING", "the server ends; open another stream"),
}


def _texts(counts: Mapping[str, int]) -> Mapping[str, str]:
    return {name: str(count) for name, count in counts.items()}


def _status(
    code: int, reason: str, message: str, about: Mapping[str, str] | None, *details: Message
) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=about)
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def _bad_request(violations: tuple[Violation, ...]) -> Message:
    named = error_details_pb2.BadRequest.FieldViolation
    detail: Message = error_details_pb2.BadRequest(
        field_violations=[named(field=v.field, description=v.message) for v in violations]
    )
    return detail


def _retry(after_s: float) -> Message:
    whole, part = divmod(after_s, 1.0)
    delay = duration_pb2.Duration(seconds=int(whole), nanos=int(part * 1e9))
    detail: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return detail
