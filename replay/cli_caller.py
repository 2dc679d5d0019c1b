"""Who a command says it is when it calls a server: options, and what they become."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import fail

if TYPE_CHECKING:
    import grpc

TokenOption = Annotated[Path | None, typer.Option("--token-file", help="File that holds the bearer token.")]
CaOption = Annotated[Path | None, typer.Option("--ca", help="Certificates to trust (PEM): speaks TLS.")]
CertificateOption = Annotated[
    Path | None, typer.Option("--certificate", help="With --ca and --key: the caller's own (PEM).")
]
KeyOption = Annotated[Path | None, typer.Option("--key", help="The key of --certificate (PEM).")]


def read_token(token_file: Path | None) -> str | None:
    """The token in a file; raises :class:`OSError`."""
    return None if token_file is None else token_file.read_text().strip()


def read_credentials(
    ca: Path | None, certificate: Path | None, key: Path | None
) -> "grpc.ChannelCredentials | None":
    """What makes a channel speak TLS, None where it does not; raises :class:`OSError`."""
    import grpc

    if (certificate is None) != (key is None) or (certificate is not None and ca is None):
        raise fail("--certificate: goes with --key and --ca")
    if ca is None:
        return None
    own = (None if each is None else each.read_bytes() for each in (key, certificate))
    return grpc.ssl_channel_credentials(ca.read_bytes(), *own)
