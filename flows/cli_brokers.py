"""What the commands that talk to brokers have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import fail

if TYPE_CHECKING:
    from flows.broker.params import KafkaParams

BootstrapOption = Annotated[
    str | None, typer.Option("--bootstrap", help="Brokers, host:port with commas between; else [kafka].")
]


def kafka_or_exit(params: "KafkaParams", bootstrap: str | None = None) -> "KafkaParams":
    """The settings of section ``[kafka]``, or a clear end where nobody names a broker."""
    if bootstrap is not None:
        try:
            params = replace(params, bootstrap=tuple(bootstrap.split(",")))
        except ValueError as error:
            raise fail(f"--{error}") from None
    if not params.bootstrap:
        raise fail(
            "kafka.bootstrap: no broker is named; allowed: host:port in section [kafka] of the settings, as"
            " TAPWATCH_KAFKA__BOOTSTRAP, or where a command has it as --bootstrap"
        )
    return params


@contextmanager
def broker_errors() -> Iterator[None]:
    """A broker that can't be used ends the command in words."""
    from flows.broker.errors import BrokerError

    try:
        yield
    except (BrokerError, OSError) as error:
        raise fail(error) from None
