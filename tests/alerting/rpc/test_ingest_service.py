"""Events that need no answer: counted, explained, kept in order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest

from alerting.engine import Published
from alerting.rpc import EdgeParams
from alerting.rpc.convert import write_event
from detectors.events import Consent, ConsentPurpose, Location, Outcome, Preferences, Tick, Visit
from geo import Position
from replay.gateway import GatewayClient, GatewayError
from tapwatch.v1 import ingest_pb2_grpc
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import NOW, FakeEngine, a_payment, an_outcome

FIX = Location("user-1", Position(50.0, 4.0), NOW)
CONSENT = Consent("user-1", ConsentPurpose.TRADING_ALERTS, False, "v1", NOW)
TICK = Tick("kraken", "BTC", "EUR", NOW, 1.0, 1.0, 1.0, 1.0, 0.0, interval_s=0)


def test_events_are_kept_in_the_order_of_the_stream(client: GatewayClient, engine: FakeEngine) -> None:
    events: list[Outcome | Published] = [FIX, CONSENT, Preferences("user-1", NOW), TICK, an_outcome()]
    summary = client.publish(events)
    assert (summary.accepted, summary.duplicates, summary.rejected) == (5, 0, 0)
    assert list(engine.events.values()) == events


def test_what_a_device_says_by_a_clock_that_runs_ahead_is_refused(client: GatewayClient) -> None:
    nearly, ahead = NOW + timedelta(seconds=119), NOW + timedelta(seconds=121)
    said = [replace(FIX, event_time=nearly), replace(FIX, event_time=ahead)]
    seen = [Visit("v-1", "user-1", "m-1", nearly), Visit("v-2", "user-1", "m-1", ahead)]
    summary = client.publish([*said, *seen, replace(TICK, event_time=NOW + timedelta(hours=1))])
    assert (summary.accepted, summary.rejected) == (3, 2)
    refused = {index: problem.violations[0][0] for index, problem in summary.problems}
    assert refused == {1: "location.event_time", 3: "visit.event_time"}


def test_the_same_stream_again_holds_only_duplicates(client: GatewayClient) -> None:
    client.publish([FIX, CONSENT])
    summary = client.publish([FIX, CONSENT])
    assert (summary.accepted, summary.duplicates) == (0, 2)


def test_many_events_are_on_their_way_before_the_first_is_durable(serve: Serve, engine: FakeEngine) -> None:
    server = serve(EdgeParams(publish_window=8))
    full, most = Event(), 0

    def count(_event: object) -> None:
        nonlocal most
        most = len(engine.events) + 1
        if most == 8:
            full.set()

    engine.offered = count
    engine.gate.clear()
    with GatewayClient(f"127.0.0.1:{server.port}") as client, ThreadPoolExecutor(1) as beside:
        summary = beside.submit(client.publish, [replace(FIX, user_id=f"user-{n}") for n in range(50)])
        assert full.wait(20.0)
        # A call of its own goes through the same loop: by its end a ninth event would have been read.
        client.decide(a_payment())
        assert most == 8
        engine.gate.set()
        assert summary.result(20.0).accepted == 50


def test_an_event_that_is_not_durable_in_time_ends_the_call(serve: Serve, engine: FakeEngine) -> None:
    server = serve(EdgeParams(publish_timeout_s=0.01))
    engine.gate.clear()
    with GatewayClient(f"127.0.0.1:{server.port}") as client, pytest.raises(GatewayError) as caught:
        client.publish([FIX, CONSENT])
    problem = caught.value.problem
    assert (problem.code, problem.reason) == ("UNAVAILABLE", "ENGINE_UNAVAILABLE")
    assert problem.metadata["accepted"] == "0"


def test_an_event_with_another_content_is_rejected_and_the_stream_goes_on(client: GatewayClient) -> None:
    summary = client.publish([CONSENT, replace(CONSENT, granted=True), FIX])
    assert (summary.accepted, summary.rejected) == (2, 1)
    assert [(index, problem.reason) for index, problem in summary.problems] == [(1, "PAYLOAD_CONFLICT")]


def test_an_outcome_without_user_is_rejected_alone_while_its_payment_is_unknown(
    client: GatewayClient,
) -> None:
    client.decide(a_payment("t-1"))
    requests = [write_event(event) for event in (an_outcome("t-1"), an_outcome("t-404", "o-2"), FIX)]
    for request in requests[:2]:
        request.outcome.ClearField("user_id")
    response = ingest_pb2_grpc.IngestServiceStub(client.channel).Publish(iter(requests))
    assert (response.accepted, response.rejected) == (2, 1)
    assert response.errors[0].index == 1


def test_all_rejections_are_counted_and_the_first_ones_explained(serve: Serve) -> None:
    server = serve(EdgeParams(max_publish_errors=2))
    conflicts = [replace(CONSENT, version=f"v{n}") for n in range(6)]
    with GatewayClient(f"127.0.0.1:{server.port}") as client:
        summary = client.publish(conflicts)
    assert (summary.accepted, summary.rejected) == (1, 5)
    assert [index for index, _ in summary.problems] == [1, 2]


def test_an_engine_that_stops_ends_the_call_with_what_became_of_the_events(
    client: GatewayClient, engine: FakeEngine
) -> None:
    def events() -> Iterator[Location | Consent]:
        yield FIX
        yield FIX
        engine.available = False
        yield CONSENT

    with pytest.raises(GatewayError) as caught:
        client.publish(events())
    problem = caught.value.problem
    assert (problem.code, problem.reason) == ("UNAVAILABLE", "ENGINE_UNAVAILABLE")
    assert problem.retry_after_s == EdgeParams().retry_after_s
    # The last event before the stop may still be on its way when the engine stops.
    assert int(problem.metadata["accepted"]) + int(problem.metadata["duplicates"]) <= 2
