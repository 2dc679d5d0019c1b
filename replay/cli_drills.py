"""Commands that put promises to the test: drill."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer

from detectors.events import Payment
from flows.cli import Exit, JsonOption, app, console, fail
from flows.cli_brokers import broker_errors
from replay.cli_input import (
    errors_in_words,
    events_or_stream,
    lives_or_stream,
    payments_or_stream,
)

drill_app = typer.Typer(
    help="Put a promise to the test on real servers; exits 1 when it does not hold.", no_args_is_help=True
)
app.add_typer(drill_app, name="drill")

PaymentsOption = Annotated[int, typer.Option(min=100, help="How many payments to send.")]
EventsOption = Annotated[int, typer.Option(min=100, help="How many events to send.")]
KillsOption = Annotated[int, typer.Option(min=0, help="How often to kill -9.")]
StreamOption = Annotated[Path | None, typer.Option(help="A stream to send; simulated users without.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the random moments.")]
BrokerOption = Annotated[
    str | None, typer.Option("--bootstrap", help="A broker, host:port; starts its own without.")
]
_say: Final[Callable[[str], None]] = console.print


class _Report(Protocol):
    @property
    def problems(self) -> list[str]: ...

    def as_dict(self) -> dict[str, Any]: ...


@drill_app.command()
def equality(
    payments: PaymentsOption = 10_000,
    kills: KillsOption = 20,
    stream: StreamOption = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Replay at three batch sizes, live, and live under kill -9 give one digest, of decisions and alerts.

    Without a stream, simulated users pay, move about and get proximity alerts.

    Example: `tapwatch drill equality --payments 1000 --kills 3`
    """
    from replay.drills.equality import equality_drill

    events = lives_or_stream(stream, payments)
    with _folder() as folder:
        _end(equality_drill(events, folder, kills, seed, _say), as_json)


@drill_app.command()
def crash(
    payments: PaymentsOption = 10_000,
    kills: KillsOption = 5,
    stream: StreamOption = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Callers repeat requests while the server is killed: one ledger row and one answer each.

    Example: `tapwatch drill crash --payments 1000 --kills 3`
    """
    from replay.drills.crash import crash_drill

    only = _payments(stream, payments)
    with _folder() as folder:
        _end(crash_drill(only, folder, kills=kills, seed=seed, say=_say), as_json)


@drill_app.command()
def deadline(
    payments: PaymentsOption = 10_000, stream: StreamOption = None, as_json: JsonOption = False
) -> None:
    """A stalled and an overloaded flow: each request is answered in time, by the fallback if need be.

    Example: `tapwatch drill deadline`
    """
    from replay.drills.deadline import deadline_drill

    only = _payments(stream, payments)
    with _folder() as folder:
        _end(deadline_drill(only, folder, say=_say), as_json)


@drill_app.command()
def alerts(
    alerts: Annotated[int, typer.Option(min=100, help="How many alerts to raise.")] = 20_000,
    subscribers: Annotated[int, typer.Option(min=1, max=250, help="How many share the users.")] = 200,
    slow: Annotated[int, typer.Option(min=0, help="How many of them take their time.")] = 20,
    killed: Annotated[int, typer.Option(min=0, help="How many are killed and started again.")] = 20,
    kills: KillsOption = 5,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Every alert is done with once, in each user's order, while server and subscribers are killed.

    A checker goes through what every subscriber saw: nothing lost, nothing again after its acknowledgement
    was confirmed, no user's alerts out of order. Then a subscriber is frozen: two heartbeats, and the server
    has noticed.

    Example: `tapwatch drill alerts --alerts 2000 --subscribers 40 --slow 4 --killed 5 --kills 2`
    """
    from replay.drills.alerts import alerts_drill

    if slow + killed > subscribers:
        raise fail(f"--slow and --killed: {slow + killed} together; allowed: at most --subscribers")
    with _folder() as folder:
        _end(alerts_drill(alerts, folder, subscribers, slow, killed, kills, seed, _say), as_json)


@drill_app.command("kafka-equality")
def kafka_equality(
    events: EventsOption = 10_000,
    stream: StreamOption = None,
    bootstrap: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Kafka decides as the embedded log does, and four shards decide the same by one, two, three processes.

    Example: `tapwatch drill kafka-equality --events 5000`
    """
    from replay.drills.kafka_equality import kafka_equality_drill

    sent = events_or_stream(stream, events)
    with _folder() as folder, broker_errors():
        _end(kafka_equality_drill(sent, folder, bootstrap, _say), as_json)


@drill_app.command("kafka-crash")
def kafka_crash(
    events: EventsOption = 100_000,
    kills: KillsOption = 20,
    broker_kills: Annotated[int, typer.Option(min=0, help="How often to kill -9 the broker.")] = 3,
    pauses: Annotated[int, typer.Option(min=0, help="How often to freeze a server.")] = 3,
    pause_s: Annotated[float, typer.Option(min=1.0, help="For how many seconds.")] = 30.0,
    processes: Annotated[int, typer.Option(min=2, help="How many servers.")] = 2,
    stream: StreamOption = None,
    seed: SeedOption = 1,
    bootstrap: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Servers and broker are killed, owners are frozen: each payment has one decision all the same.

    Half of the users come through callers, half through the input topic. In the end a checker goes through
    the history: nothing lost, doubled, changed or out of order, and all as an uninterrupted run decides.

    Example: `tapwatch drill kafka-crash --events 10000 --kills 5 --broker-kills 1 --pauses 1`
    """
    from replay.drills.kafka_crash import kafka_crash_drill
    from replay.drills.kafka_faults import Faults

    sent = events_or_stream(stream, events)
    if bootstrap is not None and broker_kills:
        _say("the broker is not ours to kill: --broker-kills counts for nothing")
        broker_kills = 0
    faults = Faults(kills, broker_kills, pauses, pause_s)
    with _folder() as folder, broker_errors():
        report = kafka_crash_drill(sent, folder, faults, processes, seed=seed, broker=bootstrap, say=_say)
        _end(report, as_json)


@drill_app.command("kafka-takeover")
def kafka_takeover(
    users: Annotated[int, typer.Option(min=100, help="How many users are known.")] = 100_000,
    rate: Annotated[float, typer.Option(min=1.0, help="Requests per second.")] = 500.0,
    kills: Annotated[int, typer.Option(min=1, help="How often to kill -9.")] = 10,
    bootstrap: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """An owner of shards is killed under load: how long until the engine answers its users again.

    Example: `tapwatch drill kafka-takeover --users 10000 --kills 3`
    """
    from replay.drills.kafka_takeover import kafka_takeover_drill

    with _folder() as folder, broker_errors():
        _end(kafka_takeover_drill(folder, users, rate, kills, bootstrap, _say), as_json)


@drill_app.command("kafka-poison")
def kafka_poison(
    events: EventsOption = 100_000,
    stream: StreamOption = None,
    seed: SeedOption = 1,
    bootstrap: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Of the records 1 % are unreadable and 1 % can't be: dead letters for them, decisions for the others.

    Example: `tapwatch drill kafka-poison --events 10000`
    """
    from replay.drills.kafka_poison import kafka_poison_drill

    sent = events_or_stream(stream, events)
    with _folder() as folder, broker_errors():
        _end(kafka_poison_drill(sent, folder, seed, bootstrap, _say), as_json)


def _payments(stream: Path | None, payments: int) -> list[Payment]:
    return [event for event in payments_or_stream(stream, payments) if isinstance(event, Payment)]


@contextmanager
def _folder() -> Iterator[Path]:
    with errors_in_words(), tempfile.TemporaryDirectory(prefix="tapwatch-drill-") as name:
        yield Path(name)


def _end(report: _Report, as_json: bool) -> None:
    """Print what a drill found, and end the command if a promise is broken."""
    words = "\n".join(f"broken: {problem}" for problem in report.problems) or "the promise held"
    print(json.dumps(report.as_dict(), indent=2) if as_json else words)
    if report.problems:
        raise typer.Exit(Exit.DIFFERENCE)
