"""How well and how quickly users are followed: judge fences, bench positions."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from detectors.events import Location
from flows.cli import JsonOption, app
from replay.cli_input import counts_in, errors_in_words
from replay.cli_live import bench_app
from replay.cli_output import progress_bar

judge_app = typer.Typer(
    help="Judge a part of the product on recorded data, against what is known in hindsight.",
    no_args_is_help=True,
)
app.add_typer(judge_app, name="judge")


@judge_app.command("fences")
def judge_fences(
    stream: Annotated[Path, typer.Argument(help="A stream with locations, such as of `import geolife`.")],
    radius: Annotated[float, typer.Option(min=10.0, max=1_000.0, help="Of the fences, in metres.")] = 100.0,
    as_json: JsonOption = False,
) -> None:
    """Judge fences and approaches on recorded tracks of people.

    Each place where somebody stayed twice for 20 minutes gets a fence. Enters are counted against the visits:
    repeats, visits missed, enters without a stay, the median latency in seconds; approaches against who
    arrived within half an hour. Beside them stand the simplest rules, on the same tracks.

    Example: `tapwatch judge fences geolife.jsonl.zst`
    """
    from geo import PresenceParams
    from replay.presence_judge import TruthParams, judge_presence

    with errors_in_words(), progress_bar("positions") as advance:
        truth = replace(TruthParams(), radius_m=radius)
        report = judge_presence(_locations(stream), truth, PresenceParams(), advance)
    print(json.dumps(asdict(report), indent=2) if as_json else report.as_text())


@bench_app.command("positions")
def bench_positions(
    fences: Annotated[str, typer.Option(help="How many fences, separated by commas.")] = (
        "23000,10000,100000,1000000"
    ),
    users: Annotated[int, typer.Option(min=1, help="How many users move about.")] = 200,
    positions: Annotated[int, typer.Option(min=100, help="Positions of all users together.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the fastest counts.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Positions per second of one core, through the trust filter and the fences' state machine.

    Users rest, walk, cycle and drive in towns full of fences; more fences are more towns. The last columns
    are the bytes that a user's state takes.

    Example: `tapwatch bench positions --fences 23000 --positions 50000`
    """
    from replay.bench.positions import measure_positions
    from replay.text_table import format_table

    counts = counts_in("--fences", fences)
    rows = [measure_positions(count, users, positions, rounds).as_dict() for count in counts]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print(format_table([name.replace("_", " ") for name in rows[0]], [[*row.values()] for row in rows]))


def _locations(stream: Path) -> Iterator[Location]:
    from replay.streams import read_stream

    return (event for event in read_stream(stream) if isinstance(event, Location))
