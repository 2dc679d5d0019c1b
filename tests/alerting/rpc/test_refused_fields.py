"""Every field of every request, with every kind of bad value: a clear error that names the field."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from alerting.rpc import EdgeParams
from alerting.rpc.convert import PAYMENT
from tapwatch.v1 import ingest_pb2, ingest_pb2_grpc, risk_pb2, risk_pb2_grpc
from tests.alerting.rpc.bad_values import HUGE, ROWS, TABLES, UNLIMITED, bad_request, put
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import a_payment


@pytest.fixture
def channel(serve: Serve) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{serve(EdgeParams(max_publish_errors=10_000)).port}") as channel:
        yield channel


def _statuses(channel: grpc.Channel, method: str, rows: list[tuple[str, Any]]) -> list[status_pb2.Status]:
    requests: list[Any] = [bad_request(method, path, value) for path, value in rows]
    if method == "Publish":
        response = ingest_pb2_grpc.IngestServiceStub(channel).Publish(iter(requests))
        return [error.status for error in response.errors]
    risk = risk_pb2_grpc.RiskServiceStub(channel)
    if method == "DecideStream":
        return [reply.error for reply in risk.DecideStream(iter(requests))]
    return [_status_of(getattr(risk, method), request) for request in requests]


def _status_of(call: Any, request: Message) -> status_pb2.Status:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    assert isinstance(caught.value, grpc.Call)
    status = rpc_status.from_call(caught.value)
    assert isinstance(status, status_pb2.Status)
    return status


def _details(status: status_pb2.Status) -> tuple[error_details_pb2.ErrorInfo, dict[str, str]]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    return info, {v.field: v.description for v in bad.field_violations}


@pytest.mark.parametrize("method", TABLES)
def test_a_bad_value_is_refused_by_an_error_that_names_its_field_alone(
    channel: grpc.Channel, method: str
) -> None:
    rows = [(path, value) for m, path, value in ROWS if m == method]
    statuses = _statuses(channel, method, rows)
    assert len(statuses) == len(rows)
    for (path, value), status in zip(rows, statuses, strict=True):
        info, named = _details(status)
        assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], (path, value)
        assert (info.domain, info.reason) == ("tapwatch", "INVALID_REQUEST")
        assert list(named) == [path], (path, value, named)
        assert named[path]
        assert len(named[path]) < 300, "errors must fit the trailers"


@pytest.mark.parametrize("method", TABLES)
def test_no_error_repeats_a_card_number_or_the_start_of_one(channel: grpc.Channel, method: str) -> None:
    rows = [(path, value) for m, path, value in ROWS if m == method and "1111" in str(value)]
    for status in _statuses(channel, method, rows):
        assert b"1111" not in status.SerializeToString()


@pytest.mark.parametrize("method", TABLES)
def test_the_table_holds_every_field(method: str) -> None:
    requests = {**risk_pb2.DESCRIPTOR.services_by_name, **ingest_pb2.DESCRIPTOR.services_by_name}
    request = next(
        s.methods_by_name[method].input_type for s in requests.values() if method in s.methods_by_name
    )
    assert set(_leaves(request)) - UNLIMITED == {
        path for path in TABLES[method] if path not in ("payment", "outcome", "location.position")
    }


def _leaves(message: Descriptor, prefix: str = "") -> Iterator[str]:
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.full_name.startswith("google."):
            yield prefix + field.name
        else:
            yield from _leaves(inner, f"{prefix}{field.name}.")


def test_all_bad_fields_of_a_payment_are_named_at_once(channel: grpc.Channel) -> None:
    request = risk_pb2.DecideRequest(payment=PAYMENT.write(a_payment()))
    for path, values in TABLES["Decide"].items():
        if path != "payment":
            put(request, path, next(v for v in reversed(values) if v not in (None, HUGE)))
    _, named = _details(_status_of(risk_pb2_grpc.RiskServiceStub(channel).Decide, request))
    assert set(named) == set(TABLES["Decide"]) - {"payment"}


def test_empty_requests_name_what_is_missing(channel: grpc.Channel) -> None:
    risk = risk_pb2_grpc.RiskServiceStub(channel)
    missing = {
        "payment": _status_of(risk.Decide, risk_pb2.DecideRequest()),
        "transaction_id": _status_of(risk.GetDecision, risk_pb2.GetDecisionRequest()),
        "outcome": _status_of(risk.ReportOutcome, risk_pb2.ReportOutcomeRequest()),
    }
    for field, status in missing.items():
        assert list(_details(status)[1]) == [field]
    published = ingest_pb2_grpc.IngestServiceStub(channel).Publish(iter([ingest_pb2.PublishRequest()]))
    assert list(_details(published.errors[0].status)[1]) == ["event"]


def test_a_payment_without_any_field_names_all_that_it_needs(channel: grpc.Channel) -> None:
    request = risk_pb2.DecideRequest()
    request.payment.SetInParent()
    _, named = _details(_status_of(risk_pb2_grpc.RiskServiceStub(channel).Decide, request))
    needed = ("transaction_id", "user_id", "amount_minor", "currency_code", "event_time", "merchant_id")
    assert set(named) == {f"payment.{field}" for field in needed}
