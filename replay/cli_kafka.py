"""Commands that need Kafka: send."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.broker.destination import Destination
from flows.cli import ConfigOption, JsonOption, app, fail, policy_or_exit, settings_or_exit
from flows.cli_ingest import BootstrapOption
from replay.cli_output import fail_if_damaged, print_summary, progress_bar
from replay.errors import ReplayError

if TYPE_CHECKING:
    from flows.broker.params import KafkaParams


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

    params = kafka_params_or_exit(config, bootstrap)
    with _errors(), progress_bar("events") as advance:
        policy = policy_or_exit(settings_or_exit(config).policy_file)
        summary = send_streams(streams, params, to, _rate(rate), advance, policy).as_dict()
    print_summary(summary, as_json)
    fail_if_damaged(summary)


def kafka_params_or_exit(config: Path | None, bootstrap: str | None) -> "KafkaParams":
    """The settings of section ``[kafka]``, or a clear end where they name no broker."""
    params = settings_or_exit(config).kafka
    if bootstrap is not None:
        try:
            params = replace(params, bootstrap=tuple(bootstrap.split(",")))
        except ValueError as error:
            raise fail(f"--{error}") from None
    if not params.bootstrap:
        raise fail("no broker is named; allowed: --bootstrap host:port, or bootstrap in section [kafka]")
    return params


@contextmanager
def _errors() -> Iterator[None]:
    from flows.broker.connection import BrokerError

    try:
        yield
    except (ReplayError, BrokerError, OSError) as error:
        raise fail(error) from None


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
