"""The command line of the live engine: serve, explain, config. `replay.cli` adds the rest.

What a command needs is imported when it runs: the models take a second to load, `--help` should not.
"""

import json
import logging
import signal
import sys
import threading
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer
from rich.console import Console

if TYPE_CHECKING:
    from flows.serving import Serving
    from flows.settings import Settings

app = typer.Typer(
    name="tapwatch",
    help="Inline risk decisions for payments that learn online and replay exactly.",
    epilog="Exit codes: 0 done; 1 a comparison or a drill failed; 2 bad input or settings; 3 our fault.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


def fail(message: object, code: Exit = Exit.BAD_INPUT) -> typer.Exit:
    """Print what went wrong; raise what this returns."""
    console.print(f"[red]error:[/red] {message}", highlight=False, markup=True)
    return typer.Exit(code)


def settings_or_exit(config: Path | None, **flags: Any) -> "Settings":
    """The effective settings, or a clear end."""
    from flows.settings import SettingsError, load_settings

    try:
        return load_settings(config, **flags)
    except SettingsError as error:
        raise fail(error) from None


def policy_or_exit(file: Path | None) -> str:
    """The text of a policy file, or of the shipped policy; it is checked."""
    from alerting.policy import PolicyError
    from flows.policy_file import default_policy_text, parse_policy

    try:
        text = default_policy_text() if file is None else file.read_text(encoding="utf-8")
        parse_policy(text)
    except OSError as error:
        raise fail(f"{file}: {error.strerror}") from None
    except PolicyError as error:
        raise fail(f"{file or 'default policy'}:\n{error}") from None
    return text


@app.command()
def serve(
    config: ConfigOption = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file.")] = None,
    listen: Annotated[str | None, typer.Option(help="gRPC address, host:port (port 0 picks one).")] = None,
    operator_listen: Annotated[str | None, typer.Option(help="Address of /livez, /readyz, /metrics.")] = None,
    policy: PolicyOption = None,
    drill_stall: Annotated[str | None, typer.Option(hidden=True)] = None,
    drill_slow_ms: Annotated[float, typer.Option(hidden=True)] = 0.0,
) -> None:
    """Run the engine and its gRPC services until SIGTERM or Ctrl-C.

    The first signal drains: health turns NOT_SERVING, what is in flight is answered and committed. SIGHUP
    reads the policy file again and puts it in force at the next log position.
    """
    settings = settings_or_exit(
        config, data_dir=data_dir, listen=listen, operator_listen=operator_listen, policy_file=policy
    )
    _configure_logging(settings.log_format)
    from flows.fault_injection import stalls
    from flows.garbage import calm_garbage_collector
    from flows.serving import Serving, ServingError

    stop = threading.Event()
    try:
        hook = stalls(drill_stall, drill_slow_ms) if drill_stall or drill_slow_ms else None
        serving = Serving(settings, policy_or_exit(settings.policy_file), hook)
        serving.start()
    except (ServingError, OSError) as error:
        raise fail(error) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: _reload(serving, settings))
    calm_garbage_collector()
    # Others read this line to learn the port, so it goes to standard output.
    print(json.dumps({"event": "serving", "port": serving.port, "operator_port": serving.operator_port}))
    sys.stdout.flush()
    stop.wait()
    serving.stop()


def _reload(serving: "Serving", settings: "Settings") -> None:
    from alerting.engine import EngineUnavailableError, PayloadConflictError

    log = structlog.get_logger(__name__)
    try:
        receipt = serving.engine.change_policy(policy_or_exit(settings.policy_file))
        log.info("policy_activated", position=receipt.log_position)
    except typer.Exit:
        log.error("policy_refused", kept="the policy in force")
    except (EngineUnavailableError, PayloadConflictError) as error:
        log.error("policy_not_activated", kept="the policy in force", reason=str(error))


@app.command()
def explain(
    transaction: Annotated[str, typer.Argument(help="The transaction id.")],
    tenant: Annotated[str, typer.Option(help="The tenant that the transaction belongs to.")] = "default",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the shard file, or of a replay.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a payment was decided as it was. Works beside a running server."""
    from alerting.engine import UnknownTransactionError
    from flows.explaining import explanation_json, explanation_lines, read_explanation
    from flows.sqlite_shard import ShardFileError

    settings = settings_or_exit(config, data_dir=data_dir)
    try:
        explanation = read_explanation(settings.data_dir, tenant, transaction)
    except ShardFileError as error:
        raise fail(error) from None
    except UnknownTransactionError:
        raise fail(f"{transaction}: no decision is on record in {settings.data_dir} for this id") from None
    if as_json:
        print(json.dumps(explanation_json(explanation), indent=2))
    else:
        print("\n".join(explanation_lines(explanation)))


@config_app.command("check")
def config_check(config: ConfigOption = None, policy: PolicyOption = None) -> None:
    """Check settings and policy, and print the effective settings."""
    from flows.settings import effective

    settings = settings_or_exit(config, policy_file=policy)
    policy_or_exit(settings.policy_file)
    print(json.dumps(effective(settings), indent=2, default=str))


@config_app.command("policy")
def config_policy() -> None:
    """Print the shipped policy, to start your own from."""
    print(policy_or_exit(None), end="")


def _configure_logging(form: str) -> None:
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
