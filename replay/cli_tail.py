"""The command that shows alerts: tail."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from alerting.alerts import Alert, AlertKind
from flows.cli import ConfigOption, JsonOption, app, console, fail, settings_or_exit
from replay.cli_caller import (
    CaOption,
    CertificateOption,
    KeyOption,
    TokenOption,
    read_credentials,
    read_token,
)


@app.command()
def tail(
    target: Annotated[str | None, typer.Option(help="host:port of a server; the settings' without.")] = None,
    kind: Annotated[
        list[AlertKind] | None, typer.Option("--kind", "-k", help="Only this kind; may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this user.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more, or list what is there and end.")
    ] = True,
    name: Annotated[str, typer.Option("--name", help="Go on, next time, behind what was shown.")] = "",
    beginning: Annotated[bool, typer.Option("--beginning", help="Follow from the first alert on.")] = False,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="With --no-follow: also those not sent, and why.")
    ] = False,
    token_file: TokenOption = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show alerts as they are delivered: step-up requests, fraud alerts, merchants nearby.

    It subscribes as a notification service does and acknowledges what it has shown. With --name it is a
    durable subscriber: stopped and started again, it misses nothing and repeats nothing; another tail of the
    same name takes over. With --no-follow it lists what is there and ends. --json writes one CloudEvent
    (1.0) per line. `tapwatch explain ALERT` tells the story of one. Ctrl-C ends it with code 0.

    Example: `tapwatch tail --kind STEP_UP_REQUEST --kind FRAUD_ALERT --name desk`
    """
    from replay import tail as tailing
    from replay.alert_client import AlertClient
    from replay.gateway import GatewayError

    if suppressed and follow:
        raise fail("--suppressed: goes with --no-follow only: what is not sent is not delivered")
    if name and not follow:
        raise fail("--name: goes with --follow only: a list is not remembered")
    if name and user is not None and tenant is None:
        raise fail("--user: goes with --name only beside --tenant; the name would be done with all users")
    address = target or settings_or_exit(config).listen
    wanted = tailing.Wanted(tenant, tuple(kind or ()), user)
    show = _shows(as_json)
    try:
        token, credentials = read_token(token_file), read_credentials(ca, certificate, key)
        client = AlertClient(address, credentials=credentials, token=token)
        with client, suppress(KeyboardInterrupt):
            if follow:
                tailing.follow(client, wanted, show, _note, name, from_beginning=beginning)
            else:
                for alert, reason in tailing.listed(client, wanted, suppressed=suppressed):
                    show(alert, reason)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has read enough
    except OSError as error:
        raise fail(error) from None
    except GatewayError as error:
        if error.problem.code == "UNIMPLEMENTED":
            raise fail(f"{address}: delivers no alerts; those of shards on Kafka are on a topic") from None
        raise fail(f"{address}: {error}") from None


def _shows(as_json: bool) -> Callable[..., None]:
    from replay.tail import alert_json, alert_markup

    out = Console(soft_wrap=True, highlight=False)

    def show(alert: Alert, suppressed: str = "") -> None:
        if as_json:
            print(alert_json(alert, suppressed), flush=True)
        else:
            out.print(alert_markup(alert, suppressed))

    return show


def _note(text: str) -> None:
    console.print(text, style="dim", markup=False, soft_wrap=True)
