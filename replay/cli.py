"""The whole command line: what `flows.cli` serves, plus streams, replays and what they are worth."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from flows import cli_ingest, cli_status, cli_subscriptions, cli_topics
from flows.cli import (
    ConfigOption,
    Exit,
    JsonOption,
    PolicyOption,
    app,
    fail,
    policy_or_exit,
    settings_or_exit,
)
from replay import cli_broker, cli_drills, cli_judge, cli_kafka, cli_live, cli_play, cli_tail
from replay.cli_output import fail_if_damaged, print_summary, progress_bar, warn_of_damage
from replay.errors import ReplayError

__all__ = [
    "app",
    "cli_broker",
    "cli_drills",
    "cli_ingest",
    "cli_judge",
    "cli_kafka",
    "cli_live",
    "cli_play",
    "cli_status",
    "cli_subscriptions",
    "cli_tail",
    "cli_topics",
    "main",
]

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Where to write.")]


def main() -> None:
    """Entry point of the `tapwatch` command; an error that nobody expected is our fault and exits 3."""
    try:
        app(prog_name="tapwatch")
    except Exception as error:  # noqa: BLE001  (the edge of the process)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(Exit.FAULT)


@app.command()
def replay(
    streams: Annotated[list[Path], typer.Argument(help="Streams: .jsonl, .jsonl.gz, .jsonl.zst, .parquet.")],
    out: OutOption,
    speed: Annotated[str, typer.Option(help="max, or event time per time: 1x, 60x.")] = "max",
    batch_size: Annotated[int, typer.Option(min=1, help="Records at once; changes speed only.")] = 256,
    keep_shard: Annotated[bool, typer.Option("--keep-shard", help="Keep the state, for `explain`.")] = False,
    shards: Annotated[int, typer.Option(min=1, max=1024, help="Decide by so many shards.")] = 1,
    pooling: Annotated[bool, typer.Option(help="Whether shards tell each other what they learn.")] = True,
    config: ConfigOption = None,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide recorded streams again, merged by event time, exactly as a live server would.

    Writes decisions, outcomes, alerts (Parquet), dead_letters.jsonl and summary.json into the folder --out.
    With --policy that policy replaces all policies in the streams: what would have happened.
    With --shards 4 it decides as a deployment with four shards would; --no-pooling keeps them from sharing.
    Where a stream is damaged or cut short, all that could be read is decided and the exit code is 2.

    Example: `tapwatch replay week.jsonl.zst --out run-a`
    """
    from flows.garbage import calm_garbage_collector
    from replay.run import ReplayParams
    from replay.run import replay as run

    settings = settings_or_exit(config)
    params = ReplayParams(
        policy_text=policy_or_exit(policy or settings.policy_file),
        override_policy=policy is not None,
        batch_size=batch_size,
        speed=_speed(speed),
        models=settings.models,
        alerts=settings.alerts,
        keep_shard=keep_shard,
        shards=shards,
        pooled=pooling,
    )
    calm_garbage_collector()
    with _errors(), progress_bar("events") as advance:
        summary = run(streams, out, params, advance)
    print_summary(summary, as_json)
    fail_if_damaged(summary)


@app.command("import")
def import_(
    kind: Annotated[
        str,
        typer.Argument(help="fdh, sparkov, tabformer, next-place, foursquare, gowalla, geolife or osm-poi."),
    ],
    folder: Annotated[Path, typer.Argument(help="The data set's folder.")],
    out: OutOption,
    label_delay: Annotated[str, typer.Option(help="How late labels come: 7d, 12h, 30m.")] = "7d",
    part: Annotated[str, typer.Option(help="Of next-place: fsq, geolife. Of geolife: tracks, visits.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Turn a data set into an event stream; its labels become outcomes that come late.

    fdh, sparkov and tabformer are payments. next-place, foursquare and gowalla are visits to places, the last
    with ways that may have led there; geolife is tracks of people, with --part visits also stays. osm-poi
    gives the merchants of a directory: points of interest that have a merchant category. What can't be used
    of a data set is counted as left out.

    Example: `tapwatch import fdh fdh-transactions --out fdh.jsonl.zst --label-delay 7d`
    """
    from replay.importers import Choices, import_dataset

    choices = Choices(_duration("--label-delay", label_delay), part)
    with _errors(), progress_bar("events") as advance:
        summary = import_dataset(kind, folder, out, choices, advance)
    print_summary(asdict(summary), as_json)


@app.command()
def record(
    out: OutOption,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Begin behind this log position.")] = 0,
    until: Annotated[int | None, typer.Option(help="End with this log position.")] = None,
    shard: Annotated[int | None, typer.Option(help="Which shard, where the folder holds several.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a span of a live log as a stream. Works beside a running server.

    A recording from position 0 replays to the very decisions that were served, and "tapwatch diff data run"
    says so; one that begins later starts without the state that the server had then.

    Example: `tapwatch record --data-dir data --out recorded.jsonl.zst`
    """
    from replay.record import record as export

    if until is not None and until <= after:
        raise fail(f"--until: {until}; allowed: more than --after, which is {after}")
    settings = settings_or_exit(config, data_dir=data_dir)
    with _errors(), progress_bar("records") as advance:
        summary = export(settings.data_dir, out, after, until, advance, shard)
    print_summary(summary, as_json)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="Folder of a run, data folder of a server, or a shard file.")],
    b: Annotated[Path, typer.Argument(help="Another one of these.")],
    as_json: JsonOption = False,
) -> None:
    """Say which decisions and alerts of two runs differ and how; exits 1 on a difference.

    Action flips come first, then how far scores moved, then where the runs part. Runs that differ in nothing
    but the version of policy or model differ: exit code 1, told in one line. --json has everything.

    A server's data folder stands for what it decided live, by its ledger; it may be running. So "tapwatch
    diff data run" says whether the replay of a recording decided as the server did.

    Example: `tapwatch diff run-a run-b`
    """
    from replay.diff import diff_runs
    from replay.diff_text import format_diff
    from replay.ledger import decisions_in

    with _errors(), decisions_in(a) as run_a, decisions_in(b) as run_b:
        warn_of_damage(a, b)
        report = diff_runs(run_a, run_b)
    print(report.as_json() if as_json else format_diff(report))
    if not report.identical:
        raise typer.Exit(Exit.DIFFERENCE)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    review_budget: Annotated[int, typer.Option(min=1, help="Payments that can be reviewed each day.")] = 100,
    fold_start: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day of a training week (Fraud Detection Handbook)."),
    ] = None,
    last_folds: Annotated[int, typer.Option(min=0, help="Without --fold-start: how many test weeks.")] = 4,
    rank_by: Annotated[str, typer.Option(help="raw_score or score.")] = "raw_score",
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Score proximity alerts and foreseen visits instead.")
    ] = False,
    window: Annotated[
        str, typer.Option(help="With --alerts: how soon after one a visit must come: 30m, 1h.")
    ] = "30m",
    as_json: JsonOption = False,
) -> None:
    """Score the decisions of a run against its outcomes, or its alerts against where users went.

    Ranking quality (ROC AUC, average precision, card precision@100), precision and recall at a daily review
    budget, recall at low false-positive rates, value stopped against good customers challenged, week by week.
    With --alerts: next-place accuracy, and of proximity alerts precision, recall, calibration, lead time,
    alerts per user and day, and what was not sent, by reason.

    Example: `tapwatch evaluate run-a --review-budget 50`
    """
    if alerts:
        _evaluate_alerts(run, _duration("--window", window), as_json)
        return
    from replay.evaluate import evaluate as score
    from replay.evaluation_text import format_evaluation

    starts = [start.date() for start in fold_start or ()]
    with _errors():
        warn_of_damage(run)
        found = score(run, review_budget, starts, last_folds, rank_by)
    print(found.as_json() if as_json else format_evaluation(found))


def _evaluate_alerts(run: Path, window: timedelta, as_json: bool) -> None:
    from replay.alert_evaluation import evaluate_alerts
    from replay.alert_evaluation_text import format_alert_evaluation

    with _errors():
        warn_of_damage(run)
        found = evaluate_alerts(run, window)
    print(found.as_json() if as_json else format_alert_evaluation(found))


@app.command()
def simulate(
    out: OutOption,
    users: Annotated[int, typer.Option(min=1, help="How many people.")] = 1_000,
    days: Annotated[int, typer.Option(min=1, help="How many days they live.")] = 30,
    seed: Annotated[int, typer.Option(help="Another seed gives another world.")] = 1,
    fraud_rate: Annotated[float, typer.Option(min=0.0, max=0.2, help="Wanted share of frauds.")] = 0.005,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = datetime(2026, 1, 5),  # noqa: DTZ001
    ways: Annotated[bool, typer.Option("--ways", help="Also fixes on the way to each counter.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a labelled stream of believable users: homes, rhythms, devices, trips, frauds, market ticks.

    The same seed and options give the same bytes.

    Example: `tapwatch simulate --users 300 --days 21 --seed 7 --out week.jsonl.zst`
    """
    from replay.simulator import SimulatorParams
    from replay.simulator import simulate as make
    from replay.streams import StreamWriter

    with _errors(), StreamWriter(out) as writer, progress_bar("events") as advance:
        params = SimulatorParams(
            seed=seed,
            users=users,
            days=days,
            fraud_rate=fraud_rate,
            start=start.replace(tzinfo=UTC),
            ways=ways,
        )
        kinds: Counter[str] = Counter()
        for number, event in enumerate(make(params), start=1):
            writer.write(event)
            kinds[event.kind] += 1
            if number % 5_000 == 0:
                advance(number, None)
    print_summary({"out": str(out), "events": kinds.total(), **dict(sorted(kinds.items()))}, as_json)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < 1e9:
        raise fail(f"--speed: {text!r}; allowed: max, or a factor such as 1x or 60x")
    return speed


def _duration(option: str, text: str) -> timedelta:
    units = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdigit():
        raise fail(f"{option}: {text!r}; allowed: a whole number and d, h, m or s, such as 7d")
    return timedelta(**{units[unit]: int(number)})


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (ReplayError, OSError, ValueError) as error:
        raise fail(error) from None
