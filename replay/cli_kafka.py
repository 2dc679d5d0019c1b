"""Commands that need Kafka: send, bench kafka."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.broker.destination import Destination
from flows.cli import ConfigOption, JsonOption, app, fail, policy_or_exit, settings_or_exit
from flows.cli_brokers import BootstrapOption, broker_errors, kafka_or_exit
from replay.cli_input import errors_in_words, events_or_stream, simulated_payments
from replay.cli_live import bench_app
from replay.cli_output import fail_if_damaged, print_summary, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replay.bench.kafka import Row


@app.command()
def send(
    streams: Annotated[list[Path], typer.Argument(help="Streams: .jsonl, .jsonl.gz, .jsonl.zst, .parquet.")],
    to: Annotated[Destination, typer.Option(help="Input topics, or straight into the log.")] = (
        Destination.EVENTS
    ),
    rate: Annotated[
        str | None, typer.Option(help="Events per second: 500/s. As fast as can be without.")
    ] = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send recorded streams to Kafka, merged by event time; done when the brokers have stored everything.

    - events: all kinds into one topic, which keeps the order between the kinds of a user.

    - topics: each kind into a topic of its own.

    - shard-log: past the ingest, with policies and fallback answers; for migrations and drills.

    Every event id counts once, so after a failure the same streams may be sent again. Where a stream is
    damaged, all that could be read is sent and the exit code is 2.

    Example: `tapwatch send week.jsonl.zst --to events --rate 500/s`
    """
    from replay.send import send_streams

    params = kafka_or_exit(settings_or_exit(config).kafka, bootstrap)
    with errors_in_words(), broker_errors(), progress_bar("events") as advance:
        policy = policy_or_exit(settings_or_exit(config).policy_file)
        summary = send_streams(streams, params, to, _rate(rate), advance, policy).as_dict()
    print_summary(summary, as_json)
    fail_if_damaged(summary)


@bench_app.command("kafka")
def bench_kafka(
    events: Annotated[int, typer.Option(min=1_000, help="How many events to work off.")] = 50_000,
    processes: Annotated[str, typer.Option(help="How many servers, separated by commas.")] = "1,2",
    rate: Annotated[float, typer.Option(min=1.0, help="Inline requests per second.")] = 300.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long inline.")] = 20.0,
    stream: Annotated[Path | None, typer.Option(help="A stream; simulated users without.")] = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="A broker, host:port; starts its own without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Events per second through ingest, decision and publication; inline latency through the shard log.

    Broker, ingest and client run on the same machine and take their share of it.

    Example: `tapwatch bench kafka --events 20000 --processes 1,2`
    """
    from replay.bench.kafka import measure_latency, measure_throughput, payments_needed

    counts = _counts(processes)
    sent = events_or_stream(stream, events)

    def show(row: "Row") -> None:
        if not as_json:
            print("  ".join(f"{name} {value:,}" for name, value in row.as_dict().items()), flush=True)

    with errors_in_words(), broker_errors():
        speeds = measure_throughput(sent, counts, bootstrap, show)
        payments = simulated_payments(payments_needed(rate, seconds))
        latencies = measure_latency(payments, counts, rate, seconds, bootstrap, show)
    if as_json:
        found = {"throughput": _plain(speeds), "inline": _plain(latencies)}
        print(json.dumps(found, indent=2))


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < 1e9:
        raise fail(f"--rate: {text!r}; allowed: events per second, such as 500/s")
    return rate


def _counts(text: str) -> list[int]:
    counts = [int(count) for count in text.split(",") if count.isascii() and count.isdigit()]
    if not counts or len(counts) != len(text.split(",")) or 0 in counts:
        raise fail(f"--processes: {text!r}; allowed: numbers above 0 with commas between, such as 1,2")
    return counts


def _plain(rows: "Sequence[Row]") -> list[dict[str, Any]]:
    return [row.as_dict() for row in rows]
