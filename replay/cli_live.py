"""Commands that run a real server for a while: demo, bench."""

import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.cli import Exit, JsonOption, app, console, fail
from replay.cli_input import counts_in, errors_in_words, payments_or_stream, simulated_payments

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

_MERCHANTS_HEAD = (
    "            memory  put  start   us: in a fence   within 300 m        found\n"
    " merchants  B each   us      s  20 towns    all  20 towns    all    in   near"
)
_MERCHANTS_ROW = (
    "{merchants:10,}{bytes_each:8}{put_us:5.1f}{start_s:7.2f}"
    "{inside_us:10.1f}{inside_anywhere_us:7.1f}{near_us:10.1f}{near_anywhere_us:7.1f}"
    "{inside:6.2f}{near:7.2f}"
)

bench_app = typer.Typer(help="Measure speed and size on this machine.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


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
        with errors_in_words():
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
    payments = simulated_payments(payments_needed(steps, seconds, warm_up))

    def show(row: Row) -> None:
        if not as_json:
            print(_BENCH_ROW.format_map(row.as_dict()), flush=True)

    if not as_json:
        print(_BENCH_HEAD)
    with errors_in_words():
        rows = measure_inline(payments, steps, seconds, warm_up, show, stream=stream)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=2))


@bench_app.command("alerts")
def bench_alerts(
    subscribers: Annotated[int, typer.Option(min=1, max=250, help="How many share the users.")] = 200,
    rate: Annotated[float, typer.Option(min=1.0, help="Payments per second.")] = 500.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long each round takes.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, help="Pairs of rounds; the median counts.")] = 3,
    warm_up: Annotated[int, typer.Option(min=0, help="Payments sent before, to build profiles.")] = 2_000,
    as_json: JsonOption = False,
) -> None:
    """What subscribers of alerts cost Decide, and how long an alert takes to reach one.

    One payment in twenty or so asks for a step-up. Rounds without and with subscribers take turns; they run
    on the same cores as the server, and so does what they cost by themselves.

    Example: `tapwatch bench alerts --rounds 1 --seconds 5`
    """
    from replay.bench.alerts import measure_alerts, payments_needed

    payments = simulated_payments(payments_needed(rate, seconds, rounds, warm_up))
    with errors_in_words():
        say = partial(console.print, soft_wrap=True)
        figures = measure_alerts(payments, rate, seconds, rounds, subscribers, warm_up, say)
    shown = figures.as_dict()
    if not as_json:
        del shown["rounds"]
    _print(shown, as_json)


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

    events = payments_or_stream(stream, payments)
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

        with errors_in_words():
            size = measure_size(users, payments_per_user, Path(folder) / "data", show)
    _print(size.as_dict(), as_json)


@bench_app.command("merchants")
def bench_merchants(
    sizes: Annotated[str, typer.Option(help="Numbers of merchants, separated by commas.")] = (
        "10000,100000,1000000"
    ),
    positions: Annotated[int, typer.Option(min=1, help="How many positions to ask for.")] = 20_000,
    as_json: JsonOption = False,
) -> None:
    """Which merchants a position is in or near: cost per position, memory, and how long a start takes.

    The merchants stand in towns of 500. What a position costs must not grow with their number, but for what
    the processor's caches cost where it may be in any town.

    Example: `tapwatch bench merchants --sizes 10000,100000`
    """
    from replay.bench.merchants import Figures, measure_merchants

    counts = counts_in("--sizes", sizes)

    def show(figures: Figures) -> None:
        if not as_json:
            print(_MERCHANTS_ROW.format_map(figures.as_dict()), flush=True)

    if not as_json:
        print(_MERCHANTS_HEAD)
    rows = measure_merchants(counts, positions, show)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=2))


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
