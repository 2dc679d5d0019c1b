"""The command `tapwatch status`: is the engine all right, and how far behind is it?"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.cli import ConfigOption, Exit, JsonOption, app, fail, settings_or_exit

if TYPE_CHECKING:
    from flows.broker.status import ClusterStatus
    from flows.data_status import DataStatus
    from flows.settings import Settings

_LOOK_AGAIN_S: Final = 0.5
_WIDTH_ELSEWHERE: Final = 200
_WORDS: Final = ("owner", "topic")


@app.command()
def status(
    max_lag_s: Annotated[
        float, typer.Option("--max-lag-s", min=0.0, help="More seconds behind than this is wrong.")
    ] = 60.0,
    wait: Annotated[
        float, typer.Option(min=0.0, help="Seconds to wait until nothing is behind and nothing wrong.")
    ] = 0.0,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file, without brokers.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how the engine is doing: owners, lag, dead letters. Exits 1 when something is wrong.

    On Kafka the brokers are asked, no process: who owns each shard, where its log ends, how far it is
    published, how many records and seconds it is behind; how far the input topics are read; how many dead
    letters there are. Wrong is another number of shards than kafka.shards, a shard without an owner, a group
    in change, inputs of which records wait and nobody reads, and a lag beyond --max-lag-s. Without brokers,
    or with --data-dir, the shard file in the data folder is read, also beside a running server; wrong is
    then that none runs, and the lag.

    Example: `tapwatch status --max-lag-s 5 --json`
    """
    settings = settings_or_exit(config, data_dir=data_dir)
    # A folder that is named is the one that is meant.
    read = _data if data_dir is not None or not settings.kafka.bootstrap else _cluster
    over = time.monotonic() + wait
    while True:
        found = read(settings)
        problems = found.problems(max_lag_s)
        if not (problems or found.behind) or time.monotonic() > over:
            break
        time.sleep(_LOOK_AGAIN_S)
    if as_json:
        print(json.dumps({**asdict(found), "problems": problems}, indent=2, default=_plain))
    else:
        _print(found, problems)
    if problems:
        raise typer.Exit(Exit.DIFFERENCE)


def _cluster(settings: "Settings") -> "ClusterStatus":
    from flows.broker.errors import BrokerError
    from flows.broker.status import read_status

    try:
        return read_status(settings.kafka)
    except BrokerError as error:
        raise fail(error) from None


def _data(settings: "Settings") -> "DataStatus":
    from flows.data_status import read_data_status
    from flows.sqlite_shard import ShardFileError

    try:
        return read_data_status(settings.data_dir)
    except ShardFileError as error:
        raise fail(error) from None


def _print(found: "ClusterStatus | DataStatus", problems: Sequence[str]) -> None:
    from flows.data_status import DataStatus

    # A terminal wraps long cells; a file or a pipe gets each row on one line.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE, highlight=False)
    if isinstance(found, DataStatus):
        _print_data(console, found)
    else:
        _print_cluster(console, found)
    for problem in problems:
        console.print(f"[red]wrong:[/red] {escape(problem)}")
    if not problems:
        console.print("[green]all is well[/green]")


def _print_data(console: Console, found: "DataStatus") -> None:
    runs = "[green]runs[/green]" if found.server_runs else "[red]does not run[/red]"
    console.print(f"{escape(found.path)}: a server {runs}")
    _print_table(
        console,
        ("log end", "applied", "decisions", "records behind", "s behind", "last event"),
        [
            (
                f"{found.log_end:,}",
                f"{found.applied_position:,}",
                f"{found.decisions:,}",
                f"{found.lag_records:,}",
                _seconds(found.lag_s),
                _time(found.last_event_time),
            )
        ],
    )


def _print_cluster(console: Console, found: "ClusterStatus") -> None:
    for group in (found.shard_group, found.ingest_group):
        count = len(group.members)
        console.print(f"group {escape(group.name)}: {group.state}, {count} member{'' if count == 1 else 's'}")
    _print_table(
        console,
        ("shard", "owner", "log end", "published", "position", "records behind", "s behind", "last event"),
        [
            (
                str(each.shard),
                "[red]nobody[/red]" if each.owner is None else escape(each.owner),
                f"{each.log_end:,}",
                f"{each.published_offset:,}",
                f"{each.published_position:,}",
                f"{each.lag_records:,}",
                _seconds(each.lag_s),
                _time(each.published_event_time),
            )
            for each in found.shards
        ],
    )
    inputs = [(escape(each.topic), f"{each.lag_records:,}", _seconds(each.lag_s)) for each in found.inputs]
    _print_table(console, ("topic", "records behind", "s behind"), inputs)
    colour = "yellow" if found.dead_letters else "green"
    console.print(f"dead letters, and marks of those sent again: [{colour}]{found.dead_letters:,}[/{colour}]")


def _print_table(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, justify="left" if name in _WORDS else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _time(value: datetime | None) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no plain form")
