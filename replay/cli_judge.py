"""Commands that judge a part of the product against what is known in hindsight: judge."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from detectors.events import Location
from flows.cli import JsonOption, app
from replay.cli_input import errors_in_words
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


def _locations(stream: Path) -> Iterator[Location]:
    from replay.streams import read_stream

    return (event for event in read_stream(stream) if isinstance(event, Location))
