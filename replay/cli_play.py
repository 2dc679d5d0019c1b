"""The command that plays a recorded stream at a server: play."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import ConfigOption, Exit, JsonOption, app, fail, settings_or_exit
from flows.codec import Event
from replay.cli_caller import (
    CaOption,
    CertificateOption,
    KeyOption,
    TokenOption,
    read_credentials,
    read_token,
)
from replay.cli_input import errors_in_words
from replay.cli_output import print_summary, progress_bar

if TYPE_CHECKING:
    from replay.play import Played


@app.command()
def play(
    streams: Annotated[list[Path], typer.Argument(help="Streams: .jsonl, .jsonl.gz, .jsonl.zst, .parquet.")],
    target: Annotated[str | None, typer.Option(help="host:port of a server; the settings' without.")] = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play recorded streams at a running server by gRPC: payments are decided, all else is published.

    Streams are merged by event time and sent in that order, as fast as the server answers. Every event counts
    once, so after a failure the same streams may be played again. Exits 2 when something was refused or could
    not be read.

    Example: `tapwatch play ways.jsonl.zst --target 127.0.0.1:50551`
    """
    from replay.gateway import GatewayClient, GatewayError
    from replay.play import Played
    from replay.play import play as play_in_order

    address = target or settings_or_exit(config).listen
    played = Played()
    try:
        token, credentials = read_token(token_file), read_credentials(ca, certificate, key)
        client = GatewayClient(address, credentials=credentials, token=token)
        with errors_in_words(), client, progress_bar("events") as advance:
            for _ in play_in_order(client, _events(streams, played), played):
                advance(played.events, None)
    except OSError as error:
        raise fail(error) from None
    except GatewayError as error:
        raise fail(f"{address}: {error}; {played.events:,} events were played") from None
    print_summary(played.as_dict(), as_json)
    if played.refused or played.unreadable:
        raise typer.Exit(Exit.BAD_INPUT)


def _events(streams: list[Path], played: "Played") -> Iterator[Event]:
    """What can be read of the streams; the rest is counted."""
    from flows.codec import BadRecord
    from replay.streams import merge_placed

    for _, event in merge_placed(streams):
        if isinstance(event, BadRecord):
            played.unreadable += 1
            played.note(f"{event.origin}: {event.reason}")
        else:
            yield event
