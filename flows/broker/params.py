"""What an operator can set of the engine on Kafka."""

import re
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Final, Literal

from flows.address import parse_address

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "gzip", "zstd"]

_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_MAX_PREFIX: Final = 200
_RANGES: Final = {"shards": (1, 10_000), "replication": (1, 32), "session_timeout_s": (1.0, 300.0)}


@dataclass(frozen=True, slots=True)
class KafkaParams:
    """How to reach the brokers, and how the shards are laid out on them.

    Parameters
    ----------
    bootstrap
        Brokers to ask first, host:port; empty means that log and state are in one local file.
    prefix
        What all topic and group names begin with.
    shards
        Partitions of the shard log. Fixed on day one: another number sends users to other shards.
    replication
        How many brokers keep a copy of each partition. With 3 or more a write is acknowledged once all copies
        but one have it, so that one broker may be down.
    session_timeout_s
        A process that the broker has not heard of for so long loses its shards to the others. The broker's
        ``group.min.session.timeout.ms`` must allow it.
    compression
        How records are packed on their way and on the broker's disk.
    snapshots
        A folder that all processes share, for copies of shard files and what changed since: who takes a shard
        over begins there. Without one it goes on from a file of its own, or reads the log from the start.
    security
        Whether the connection is encrypted (SSL) and whether this client shows a name and password (SASL).
    sasl_mechanism, sasl_username, sasl_password
        Who this client is, where ``security`` begins with SASL. The password is better set as the variable
        ``TAPWATCH_KAFKA__SASL_PASSWORD`` than in a file.
    ca
        Certificates, in PEM form, of who may vouch for a broker; without it those that the system trusts.
    certificate, key
        What this client shows a broker that asks for a certificate, in PEM form.

    Raises
    ------
    ValueError
        When a value is out of its range, or values don't go together.
    """

    bootstrap: tuple[str, ...] = ()
    prefix: str = "tapwatch"
    shards: int = 4
    replication: int = 1
    session_timeout_s: float = 6.0
    compression: Compression = "zstd"
    snapshots: Path | None = None
    security: Security = "PLAINTEXT"
    sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security in ("SSL", "SASL_SSL")

    @property
    def authenticated(self) -> bool:
        """Whether this client shows a name and a password."""
        return self.security in ("SASL_PLAINTEXT", "SASL_SSL")

    def __post_init__(self) -> None:
        for broker in self.bootstrap:
            _check_broker(broker)
        if not (_PREFIX.fullmatch(self.prefix) and len(self.prefix) <= _MAX_PREFIX):
            raise ValueError(
                f"prefix: {self.prefix!r}; allowed: up to {_MAX_PREFIX} letters, digits, '_' and '-', in"
                " parts with dots between"
            )
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not (isfinite(value) and lowest <= value <= highest):
                raise ValueError(f"{name}: {value!r} is out of range; allowed: {lowest} to {highest:,}")
        self._check_security()

    def _check_security(self) -> None:
        given = {each.name for each in fields(self) if getattr(self, each.name) is not None}
        if self.authenticated:
            for name in ("sasl_username", "sasl_password"):
                if not getattr(self, name):
                    raise ValueError(f"{name}: missing; allowed: a text, as security is {self.security}")
        else:
            _refuse(given & {"sasl_username", "sasl_password"}, self.security, "SASL_PLAINTEXT or SASL_SSL")
        if not self.encrypted:
            _refuse(given & {"ca", "certificate", "key"}, self.security, "SSL or SASL_SSL")
        for name, other in (("certificate", "key"), ("key", "certificate")):
            if name in given and other not in given:
                raise ValueError(f"{name}: given without {other}; allowed: both or neither")


def _check_broker(text: str) -> None:
    try:
        sound = parse_address(text).port > 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(
            f"bootstrap: {text!r}; allowed: a list of host:port with a port of 1..65535, such as"
            " broker-1.example:9092"
        )


def _refuse(names: set[str], security: str, wanted: str) -> None:
    for name in sorted(names):
        raise ValueError(f"{name}: given, but security is {security}; allowed: with security {wanted}")
