"""The command line of the live engine: serve, explain, config. `replay.cli` adds the rest.

What a command needs is imported when it runs: the models take a second to load, `--help` should not.
"""

import json
from collections.abc import Sequence
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from flows.fault_injection import Faults
    from flows.settings import Settings

app = typer.Typer(
    name="tapwatch",
    help="Inline risk decisions for payments that learn online and replay exactly.",
    epilog="Exit codes: 0 done; 1 a comparison or a drill failed; 2 bad input or settings; 3 our fault.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
config_app = typer.Typer(help="Look at settings and policies.", no_args_is_help=True)
app.add_typer(config_app, name="config")
console = Console(stderr=True)


class Exit(IntEnum):
    """What exit codes mean."""

    DONE = 0
    DIFFERENCE = 1
    BAD_INPUT = 2
    FAULT = 3


ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (TOML).", envvar="TAPWATCH_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PolicyOption = Annotated[Path | None, typer.Option("--policy", help="Policy file (TOML).")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tapwatch {version('tapwatch')}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def fail(message: object, code: Exit = Exit.BAD_INPUT) -> typer.Exit:
    """Print what went wrong; raise what this returns."""
    # Where a line is too long, only a terminal may break it.
    text = f"[red]error:[/red] {escape(str(message))}"
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)
    return typer.Exit(code)


def fail_each(problems: Sequence[str]) -> typer.Exit:
    """Print everything that is wrong with the input; raise what this returns."""
    for problem in problems:
        fail(problem)
    return typer.Exit(Exit.BAD_INPUT)


def settings_or_exit(config: Path | None, **flags: Any) -> "Settings":
    """The effective settings, or a clear end."""
    from flows.settings import SettingsError, load_settings

    try:
        return load_settings(config, **flags)
    except SettingsError as error:
        raise fail_each(error.problems) from None


def policy_or_exit(file: Path | None) -> str:
    """The text of a policy file, or of the shipped policy; it is checked."""
    from alerting.policy import PolicyError
    from flows.startup_checks import read_policy

    try:
        return read_policy(file)
    except PolicyError as error:
        raise fail_each(error.problems) from None


@app.command()
def serve(
    config: ConfigOption = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file.")] = None,
    listen: Annotated[str | None, typer.Option(help="gRPC address, host:port (port 0 picks one).")] = None,
    operator_listen: Annotated[str | None, typer.Option(help="Address of /livez, /readyz, /metrics.")] = None,
    policy: PolicyOption = None,
    drill_stall: Annotated[str | None, typer.Option(hidden=True)] = None,
    drill_slow_ms: Annotated[float, typer.Option(hidden=True)] = 0.0,
    drill_die_at: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Run the engine and its gRPC services until SIGTERM or Ctrl-C.

    The first signal drains: health turns NOT_SERVING, what is in flight is answered and committed. SIGHUP
    reads the policy file again and puts it in force at the next log position. Standard output gets one line
    of JSON with the ports, standard error the log.

    Example: `tapwatch serve --data-dir data --listen 127.0.0.1:50551`
    """
    from flows.shard_spawn import ShardSpawner

    spawner = ShardSpawner()
    spawner.prepare()  # it loads its models while this process does
    from flows.process_log import configure_logging
    from flows.settings import SettingsError, load_settings, setting_as_given

    flags = {
        "data_dir": data_dir,
        "listen": listen,
        "operator_listen": operator_listen,
        "policy_file": policy,
    }
    form = setting_as_given("log_format", config) or "console"
    configure_logging(form)
    from alerting.policy import PolicyError
    from flows.serve_command import run_server
    from flows.serving import ServingError

    try:
        faults = _faults(drill_stall, drill_slow_ms, drill_die_at)
        run_server(load_settings(config, **flags), faults, spawner)
    except (SettingsError, PolicyError, ServingError) as error:
        raise _not_started(error.problems, form) from None


def _not_started(problems: Sequence[str], form: str) -> typer.Exit:
    if form != "json":
        return fail_each(problems)
    import structlog

    structlog.get_logger(__name__).error("not_started", problems=list(problems))
    return typer.Exit(Exit.BAD_INPUT)


def _faults(stall: str | None, slow_ms: float, die_at: int) -> "Faults | None":
    if not (stall or slow_ms or die_at):
        return None
    from flows.fault_injection import Faults

    return Faults(stall, slow_ms, die_at)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A transaction id, or an alert id.", metavar="ID")],
    tenant: Annotated[str, typer.Option(help="The tenant that the transaction belongs to.")] = "default",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file, or of a replay.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a payment was decided as it was, or tell an alert's story. Works beside a running server.

    Of an alert: what caused it, whether it was sent or why not, and which durable subscribers are done
    with it. The ids of alerts begin with "a-"; `tapwatch tail` shows them.

    Example: `tapwatch explain t-1042 --data-dir data`
    """
    import sqlite3

    from alerting.engine import UnknownTransactionError
    from flows.alert_story import read_alert_story
    from flows.explaining import explanation_json, explanation_lines, read_explanation
    from flows.sqlite_shard import ShardFileError

    settings = settings_or_exit(config, data_dir=data_dir)
    try:
        story = read_alert_story(settings.data_dir, name)
        if story is not None:
            print(json.dumps(story.as_dict(), indent=2) if as_json else "\n".join(story.lines()))
            return
        explanation = read_explanation(settings.data_dir, tenant, name)
    except (ShardFileError, sqlite3.Error) as error:
        raise fail(error) from None
    except UnknownTransactionError:
        raise fail(f"{name}: no decision or alert is on record in {settings.data_dir} for this id") from None
    if as_json:
        print(json.dumps(explanation_json(explanation), indent=2))
    else:
        print("\n".join(explanation_lines(explanation)))


@config_app.command("check")
def config_check(
    config: ConfigOption = None, policy: PolicyOption = None, as_json: JsonOption = False
) -> None:
    """Check all that `serve` would check before it starts, and print the effective settings.

    Names every problem of settings, policy, TLS files and data folder at once, and exits 2. Ports are not
    opened, so it works beside a running server. The text form is a settings file.

    Example: `tapwatch config check --config tapwatch.toml --policy mine.toml`
    """
    from alerting.policy import PolicyError
    from flows.settings import SettingsError, effective, load_settings, setting_as_given
    from flows.settings_text import settings_text
    from flows.startup_checks import read_policy, startup_problems

    problems: list[str] = []
    values: dict[str, Any] = {}
    try:
        settings = load_settings(config, policy_file=policy)
        values = effective(settings)
        problems += startup_problems(settings)
    except SettingsError as error:
        problems += error.problems
    policy_file = setting_as_given("policy_file", config, policy_file=policy)
    try:
        read_policy(None if policy_file is None else Path(policy_file))
    except PolicyError as error:
        problems += error.problems
    if as_json and problems:
        print(json.dumps({"problems": problems}, indent=2))
    if problems:
        raise fail_each(problems)
    print(json.dumps(values, indent=2, default=str) if as_json else settings_text(values))


@config_app.command("policy")
def config_policy() -> None:
    """Print the shipped policy, to start your own from.

    Example: `tapwatch config policy > mine.toml`
    """
    print(policy_or_exit(None), end="")
