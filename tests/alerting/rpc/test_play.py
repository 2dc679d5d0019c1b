"""Streams played at a server: everything in order, and counted."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerting.decision import PolicyActivated
from detectors.checks import EARLIEST
from detectors.events import Location
from flows.cli import Exit
from flows.codec import Event
from geo import Position
from replay.cli import app
from replay.gateway import GatewayClient, GatewayError
from replay.play import Played, play
from replay.streams import StreamWriter
from tests.alerting.rpc.conftest import Serve
from tests.alerting.rpc.fake_engine import NOW, FakeEngine, a_payment, an_outcome

HERE = Location("u-1", Position(50.0, 4.0), NOW)
POLICY = PolicyActivated("", "v", EARLIEST)
EVENTS: list[Event] = [
    replace(a_payment(), transaction_id="t-1"),
    HERE,
    an_outcome(),
    POLICY,
    replace(a_payment(), transaction_id="t-2"),
    HERE,
]


def test_payments_are_decided_and_the_rest_is_published_in_order(
    client: GatewayClient, engine: FakeEngine
) -> None:
    played = Played()
    assert list(play(client, EVENTS, played)) == [1, 3, 1, 1]
    assert (played.events, played.actions.total(), played.left_out) == (6, 2, 1)
    assert played.accepted + played.duplicates == 3
    assert played.problems == []
    assert [type(event).__name__ for event in engine.events.values()] == ["Location", "Outcome"]


def test_what_is_refused_is_counted_and_told_and_the_rest_goes_on(client: GatewayClient) -> None:
    played = Played()
    nowhere = replace(a_payment(), merchant_id="m-2")
    conflict = replace(nowhere, amount_minor=nowhere.amount_minor + 1)
    list(play(client, [nowhere, conflict, HERE], played))
    assert (played.refused, played.events) == (1, 3)
    assert played.problems[0].startswith("FAILED_PRECONDITION")


def test_events_without_end_are_published_piece_by_piece(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.play.AT_ONCE", 10)
    played = Played()
    later = (replace(HERE, event_time=NOW + timedelta(seconds=n)) for n in count())
    done = play(client, later, played)
    assert [next(done) for _ in range(3)] == [10, 10, 10]
    assert (played.events, played.accepted) == (30, 30)


def test_server_that_is_gone_ends_it_and_says_how_far_it_came(serve: Serve) -> None:
    server = serve()
    server.stop(0.0)
    with GatewayClient(f"127.0.0.1:{server.port}") as client, pytest.raises(GatewayError):
        list(play(client, EVENTS, Played()))


def test_the_command_tells_what_became_of_the_events(serve: Serve, tmp_path: Path) -> None:
    stream = tmp_path / "life.jsonl"
    with StreamWriter(stream) as writer:
        for event in EVENTS[:3]:
            writer.write(event)
    target = f"127.0.0.1:{serve().port}"
    done = CliRunner().invoke(app, ["play", str(stream), "--target", target, "--json"])
    assert done.exit_code == Exit.DONE, done.output
    assert '"events": 3' in done.output


def test_the_command_ends_with_words_where_nobody_listens(tmp_path: Path) -> None:
    stream = tmp_path / "life.jsonl"
    with StreamWriter(stream) as writer:
        writer.write(EVENTS[0])
    done = CliRunner().invoke(app, ["play", str(stream), "--target", "127.0.0.1:9"])
    assert done.exit_code == Exit.BAD_INPUT
    assert "127.0.0.1:9: UNAVAILABLE" in done.output


def test_the_command_exits_2_when_something_could_not_be_read(serve: Serve, tmp_path: Path) -> None:
    stream = tmp_path / "life.jsonl"
    with StreamWriter(stream) as writer:
        writer.write(HERE)
    with stream.open("a") as file:
        file.write("no event\n")
    target = f"127.0.0.1:{serve().port}"
    done = CliRunner().invoke(app, ["play", str(stream), "--target", target, "--json"])
    assert done.exit_code == Exit.BAD_INPUT, done.output
    assert '"unreadable": 1' in done.output
