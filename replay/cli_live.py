"""Commands that run a real server for a while: demo, bench, drill."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from detectors.events import Payment
from flows.cli import Exit, JsonOption, app, console, fail
from flows.codec import BadRecord, Event
from replay.errors import ReplayError
from replay.server_process import ServerStartError

RatesOption = Annotated[str, typer.Option(help="Requests per second, separated by commas.")]


_BENCH_HEAD = (
    "                floor ms                          latency ms\n"
    "  due/s done/s   p50    p99   p50   p95    p99  p99.9    max fall  err  cpu   MB"
)
_BENCH_ROW = (
    "{rate_per_s:7.0f}{answered_per_s:7.0f}{floor_p50_ms:6.2f}{floor_p99_ms:7.2f}"
    "{p50_ms:6.2f}{p95_ms:6.1f}{p99_ms:7.1f}{p99_9_ms:7.1f}{max_ms:7.1f}"
    "{fallbacks:5d}{errors:5d}{server_cpu:5.2f}{server_peak_mb:5.0f}"
)

bench_app = typer.Typer(help="Measure speed and size on this machine.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


class Drill(StrEnum):
    """What is put to the test."""

    EQUALITY = "equality"
    CRASH = "crash"
    DEADLINE = "deadline"


@app.command()
def demo(
    target: Annotated[
        str | None, typer.Option(help="host:port of a server that runs already; starts its own without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a real server, play a bundled stream through its gRPC port, show the decisions live.

    It takes under a minute and leaves nothing behind. With --target it plays at a server of yours, and so
    fills its log.

    Example: `tapwatch demo --target 127.0.0.1:50551`
    """
    from replay.demo import run_demo
    from replay.gateway import GatewayError

    try:
        with _errors():
            seen = run_demo(Console(quiet=as_json), target)
    except GatewayError as error:
        raise fail(f"{target or 'the server'}: {error}") from None
    if as_json:
        print(json.dumps(seen, indent=2))
    if seen["answered"] < seen["payments"]:
        raise typer.Exit(Exit.FAULT)


@bench_app.command("inline")
def bench_inline(
    rates: RatesOption = "500,1000,1500,2000,2500",
    seconds: Annotated[float, typer.Option(min=1.0, help="How long at each rate.")] = 20.0,
    warm_up: Annotated[int, typer.Option(min=0, help="Payments sent before, to build profiles.")] = 5_000,
    stream: Annotated[bool, typer.Option("--stream", help="Through one DecideStream.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Latency of Decide: a real server, an open-loop client, all detectors, simulated payments.

    Latency counts from the moment a request was due, so waiting behind a stall is part of it. A gateway
    with many payments saves half of gRPC's work with a stream: see --stream.

    Example: `tapwatch bench inline --rates 500,1000 --seconds 10`
    """
    from replay.bench.inline import Row, measure_inline, payments_needed

    steps = _rates(rates)
    payments = _simulated_payments(payments_needed(steps, seconds, warm_up))

    def show(row: Row) -> None:
        if not as_json:
            print(_BENCH_ROW.format_map(row.as_dict()), flush=True)

    if not as_json:
        print(_BENCH_HEAD)
    with _errors():
        rows = measure_inline(payments, steps, seconds, warm_up, show, stream=stream)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=2))


@bench_app.command("overhead")
def bench_overhead(
    stream: Annotated[Path | None, typer.Option(help="A stream; simulated payments without.")] = None,
    payments: Annotated[int, typer.Option(min=100, help="How many payments.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="Pairs of runs; the median counts.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """What log, dataflow and store cost over a bare loop of the same shard task.

    Example: `tapwatch bench overhead --payments 20000`
    """
    from flows.garbage import calm_garbage_collector
    from replay.bench.overhead import measure_overhead

    events = _events(stream, payments)
    calm_garbage_collector()
    _print(measure_overhead(events, rounds).as_dict(), as_json)


@bench_app.command("size")
def bench_size(
    users: Annotated[int, typer.Option(min=1, help="How many users.")] = 1_000_000,
    payments_per_user: Annotated[int, typer.Option(min=1, help="Payments of each, on average.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Bytes per user on disk, memory, and the time from start to first decision of a filled shard.

    Example: `tapwatch bench size --users 10000`
    """
    from flows.garbage import calm_garbage_collector
    from replay.bench.size import measure_size

    calm_garbage_collector()
    with tempfile.TemporaryDirectory(prefix="tapwatch-bench-") as folder:
        total = users * payments_per_user

        def show(done: int, _total: int | None) -> None:
            if done % 204_800 == 0:
                console.print(f"{done:,} of {total:,} payments")

        with _errors():
            size = measure_size(users, payments_per_user, Path(folder) / "data", show)
    _print(size.as_dict(), as_json)


@app.command()
def drill(
    kind: Annotated[Drill, typer.Argument(help="What to put to the test.")],
    payments: Annotated[int, typer.Option(min=100, help="How many payments to send.")] = 10_000,
    kills: Annotated[
        int | None, typer.Option(min=0, help="How often to kill -9 (20, or 5 for crash).")
    ] = None,
    stream: Annotated[Path | None, typer.Option(help="A stream to send; simulated payments without.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random moments.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Put a promise to the test on a real server; exits 1 when it does not hold.

    - equality: replay at three batch sizes, live, and live under kill -9 give one digest.

    - crash: callers that repeat requests while the server is killed; one ledger row and one answer each.

    - deadline: a stalled and an overloaded flow; every request answered in time, by the fallback if need be.

    Example: `tapwatch drill equality --payments 1000 --kills 3`
    """
    from replay.drills.crash import crash_drill
    from replay.drills.deadline import deadline_drill
    from replay.drills.equality import equality_drill

    events = _events(stream, payments)
    only_payments = [event for event in events if isinstance(event, Payment)]
    say: Callable[[str], None] = console.print
    report: Any
    with _errors(), tempfile.TemporaryDirectory(prefix="tapwatch-drill-") as name:
        folder = Path(name)
        if kind is Drill.EQUALITY:
            report = equality_drill(events, folder, 20 if kills is None else kills, seed, say)
        elif kind is Drill.CRASH:
            count = 5 if kills is None else kills
            report = crash_drill(only_payments, folder, kills=count, seed=seed, say=say)
        else:
            report = deadline_drill(only_payments, folder, say=say)
    print(json.dumps(report.as_dict(), indent=2) if as_json else _in_words(report.problems))
    if report.problems:
        raise typer.Exit(Exit.DIFFERENCE)


def _in_words(problems: list[str]) -> str:
    return "\n".join(f"broken: {problem}" for problem in problems) or "the promise held"


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ReplayError as error:
        raise fail(error, Exit.FAULT if isinstance(error, ServerStartError) else Exit.BAD_INPUT) from None


def _print(figures: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")


def _rates(text: str) -> list[float]:
    try:
        rates = [float(rate) for rate in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0.0 < rate <= 1e6 for rate in rates):
        raise fail(f"--rates: {text!r}; allowed: numbers above 0 with commas between, such as 500,1000")
    return rates


def _events(stream: Path | None, payments: int) -> list[Event]:
    from replay.streams import read_stream

    if stream is None:
        return list(_simulated_payments(payments))
    with _errors():
        events = (event for event in read_stream(stream) if not isinstance(event, BadRecord))
        return list(islice(events, payments))


def _simulated_payments(count: int) -> list[Payment]:
    """Payments of simulated users, about forty each."""
    from replay.simulator import SimulatorParams, simulate

    users = max(50, count // 40)
    days = 60
    found: list[Payment] = []
    while len(found) < count:
        stream = simulate(SimulatorParams(seed=1, users=users, days=days))
        found = list(islice((event for event in stream if isinstance(event, Payment)), count))
        days *= 2
    return found
