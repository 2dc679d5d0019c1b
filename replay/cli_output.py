"""What the commands on streams and runs print."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.cli import console, fail

_ONLY_JSON: Final = ("currencies", "damage", "shards")
"""What a summary holds for other programs."""


def print_summary(values: dict[str, Any], as_json: bool) -> None:
    """The values as JSON, or one below the other within 80 columns."""
    if as_json:
        print(json.dumps(values, indent=2, default=str))
        return
    shown = {name: _in_words(value) for name, value in values.items() if name not in _ONLY_JSON}
    width = max(map(len, shown))
    for name, text in shown.items():
        # A digest behind its name would not fit 80 columns.
        print(f"{name}\n  {text}" if len(text) > 60 else f"{name:<{width}}  {text}")


def fail_if_damaged(summary: dict[str, Any]) -> None:
    """Name the damage of a replay's streams, if there is any, and end."""
    from replay.damage import damage_in_words

    if summary["damage"]:
        said = "\n".join(map(damage_in_words, summary["damage"]))
        raise fail(f"{said}\nAll that could be read is decided.")


def warn_of_damage(*runs: Path) -> None:
    """Point out runs that were made from damaged streams."""
    from replay.damage import damage_in_words
    from replay.summary import read_summary

    for run in filter(Path.is_dir, runs):
        for damage in read_summary(run).get("damage", ()):
            console.print(
                f"note: {run} was made from a damaged stream: {damage_in_words(damage)}", markup=False
            )


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on a terminal, silence elsewhere; call it with what is done and the total, if that is known."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(unit, total=None)

        def advance(done: int, total: int | None) -> None:
            rate = done / max(time.monotonic() - started, 1e-3)
            progress.update(task, completed=done, total=total, description=f"{done:,} {unit}, {rate:,.0f}/s")

        yield advance


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
