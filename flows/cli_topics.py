"""Commands on the topics of the brokers: apply, diff, list."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from flows.cli import ConfigOption, Exit, JsonOption, app, fail, settings_or_exit
from flows.cli_brokers import broker_errors, kafka_or_exit

if TYPE_CHECKING:
    from flows.broker.topics import Applied, Difference

topics_app = typer.Typer(
    help="Make the topics on Kafka what they must be.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(topics_app, name="topics")

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))
_WIDTH_ELSEWHERE: Final = 200
_NUMBERS: Final = ("partitions", "copies", "records")


@topics_app.command("apply")
def topics_apply(
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for brokers that start.")] = 0.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the topics that are missing and put wrong settings right.

    It can be run again at any time, also while the engine works. It deletes nothing: a longer retention or a
    larger limit than asked for stays, no partition is taken away. Inputs get more partitions only while they
    are empty, and the shard log never, as that would send users to other shards; what is left to do by hand
    is named, and the exit code is 1.

    Brokers, prefix, shards and replication come from section `[kafka]` of the settings.

    Example: `tapwatch topics apply --wait 60`
    """
    from flows.broker.connection import wait_for_brokers
    from flows.broker.topics import apply_topics

    params = kafka_or_exit(settings_or_exit(config).kafka)
    with broker_errors():
        wait_for_brokers(params, wait)
        done = apply_topics(params)
    if as_json:
        print(json.dumps(_applied_json(done), indent=2))
    else:
        for name in done.created:
            print(f"made     {name}")
        for each in done.changed:
            print(f"changed  {each.topic}: {each.setting} {each.found} -> {each.wanted}")
        print(f"{len(done.created)} made, {len(done.changed)} settings changed")
    _end_if_left(done.left)


@topics_app.command("diff")
def topics_diff(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what differs from the topics as they must be; exits 1 when something does.

    Names each wrong setting: topic, setting, what it is, what it should be, and whether `apply` puts it
    right. Most dangerous are settings that delete by event time (`message.timestamp.type=CreateTime` with a
    retention: records of last year would vanish on arrival), compaction, and another number of partitions.

    Example: `tapwatch topics diff --config tapwatch.toml`
    """
    from flows.broker.topics import compare_topics

    params = kafka_or_exit(settings_or_exit(config).kafka)
    with broker_errors():
        found = compare_topics(params)
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2))
    elif found:
        rows = [
            (each.topic, each.setting, each.found, each.wanted, each.by_hand or "tapwatch topics apply")
            for each in found
        ]
        _print_table(("topic", "setting", "is", "should be", "cure"), rows)
    else:
        print("all topics are as they must be")
    if found:
        raise typer.Exit(Exit.DIFFERENCE)


@topics_app.command("list")
def topics_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the topics: what each holds, its partitions, records and how long they are kept.

    Records are counted by offsets, so the marks at the end of transactions count too. A topic that is not
    there has dashes.

    Example: `tapwatch topics list --json`
    """
    from flows.broker.topics import list_topics

    params = kafka_or_exit(settings_or_exit(config).kafka)
    with broker_errors():
        found = list_topics(params)
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2))
        return
    rows = [
        (
            each.name,
            *map(_number, (each.partitions, each.replication, each.records)),
            _duration(each.retention_ms),
            each.holds,
        )
        for each in found
    ]
    _print_table(("topic", "partitions", "copies", "records", "kept", "holds"), rows)


def _applied_json(done: "Applied") -> dict[str, object]:
    return {
        "created": done.created,
        "changed": [each._asdict() for each in done.changed],
        "left": [each._asdict() for each in done.left],
    }


def _end_if_left(left: "Sequence[Difference]") -> None:
    for each in left:
        why = f"; {each.by_hand}" if each.by_hand else ""
        fail(f"{each.topic}: {each.setting} is {each.found}, should be {each.wanted}{why}")
    if left:
        raise typer.Exit(Exit.DIFFERENCE)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # A terminal wraps long cells; a file or a pipe gets each row on one line.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _duration(value_ms: int | None) -> str:
    if value_ms is None:
        return "-"
    if value_ms < 0:
        return "for ever"
    return next(f"{value_ms // size:,} {unit}" for unit, size in _UNITS if value_ms % size == 0)
