"""What delivery needs of whoever keeps alerts: the port between `alerting.rpc` and the shard file.

An alert has a :class:`Place`: the log position of its cause, and which one it is of those of that record. A
place also proves to which log it belongs, so that a cursor of another log is noticed.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from alerting.alerts import BUCKETS, Alert, AlertKind, bucket_of

LAST_SEQ: Final = 0xFFFF_FFFF
"""The seq of the place behind all alerts of a log position."""
PROOF_BYTES: Final = 8
_CURSOR: Final = struct.Struct(f">BQI{PROOF_BYTES}s")
_CURSOR_VERSION: Final = 1
_LAST_POSITION: Final = 2**63 - 1


class Place(NamedTuple):
    """Where an alert stands. ``proof`` is the beginning of the digest of the log record at ``position``."""

    position: int
    seq: int
    proof: bytes = bytes(PROOF_BYTES)

    @property
    def cursor(self) -> str:
        """The place as a text for others to keep.

        >>> read_cursor(Place(7, 0, b"12345678").cursor)
        Place(position=7, seq=0, proof=b'12345678')
        """
        return urlsafe_b64encode(_CURSOR.pack(_CURSOR_VERSION, *self)).decode().rstrip("=")

    def is_behind(self, other: "Place") -> bool:
        """Whether it stands further on."""
        return self[:2] > other[:2]


BEGINNING: Final = Place(0, LAST_SEQ)
"""The place before all alerts."""


def read_cursor(text: str) -> Place:
    """The place that a cursor names.

    Raises
    ------
    ValueError
        When it is no cursor.
    """
    try:
        version, *place = _CURSOR.unpack(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (Error, ValueError, struct.error):
        raise ValueError("is no cursor; allowed: what the server has given") from None
    if version != _CURSOR_VERSION:
        raise ValueError("is a cursor of another release; begin anew")
    if place[0] > _LAST_POSITION:
        raise ValueError("is no cursor; allowed: what the server has given")
    return Place(*place)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts somebody wants: of a tenant, of some kinds, of a span of buckets, of a user; None is all.

    Raises
    ------
    ValueError
        When the span holds no bucket.
    """

    tenant: str | None = None
    kinds: frozenset[AlertKind] = frozenset()
    begin: int = 0
    end: int = BUCKETS
    user_id: str | None = None
    suppressed: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= BUCKETS:
            raise ValueError(
                f"users: {self.begin}..{self.end} holds nobody; allowed: 0 <= begin < end <= {BUCKETS}"
            )

    def wants(self, stored: "StoredAlert") -> bool:
        """Whether an alert is one of them."""
        alert = stored.alert
        return (
            (self.suppressed or stored.suppressed is None)
            and self.tenant in (None, alert.tenant)
            and (not self.kinds or alert.kind in self.kinds)
            and self.begin <= stored.bucket < self.end
            and self.user_id in (None, alert.user_id)
        )


EVERYTHING: Final = AlertFilter()


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A candidate at its place; ``suppressed`` is why it is not sent, None where it is."""

    place: Place
    alert: Alert
    suppressed: str | None = None
    bucket: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bucket", bucket_of(self.alert.tenant, self.alert.user_id))


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts in order; nothing else that is wanted stands up to ``reached``. ``now`` is the shard's time."""

    alerts: Sequence[StoredAlert]
    reached: Place
    now: datetime


class GapReason(StrEnum):
    """Why one can't go on behind a place."""

    TOO_OLD = "TOO_OLD"  # what is behind it is kept no more
    UNKNOWN = "UNKNOWN"  # it is of another log


class SubscriptionName(NamedTuple):
    """The name of a durable subscription; a caller of one tenant can't name that of another."""

    tenant: str | None
    name: str


@dataclass(frozen=True, slots=True)
class KeptSubscription:
    """What is kept of a durable subscription.

    Attributes
    ----------
    mark
        Everything up to here is done with.
    done
        Places (position and seq) behind the mark that are done with as well.
    """

    name: SubscriptionName
    wanted: AlertFilter
    mark: Place
    done: tuple[tuple[int, int], ...] = ()


class AlertsUnavailableError(Exception):
    """The alerts can't be read, or what was acknowledged can't be kept; try again."""


class AlertSource(Protocol):
    """Keeps alerts and what subscribers have done with them.

    All methods but :meth:`head` may wait for files, may be called from many threads, and may raise
    :class:`AlertsUnavailableError`.
    """

    def head(self) -> int:
        """A log position that grows when there may be more to read; never waits."""
        ...

    def end(self) -> Place:
        """The place behind all that is there."""
        ...

    def read(self, after: Place, wanted: AlertFilter, limit: int) -> AlertPage:
        """Up to ``limit`` alerts behind a place."""
        ...

    def stands(self, alert: Alert) -> bool:
        """Whether an alert still is to be told, by what came since it was sent.

        A step-up request is while nobody has answered it; an alert about a merchant nearby while its user
        allows that, and is not asked to authenticate a payment.
        """
        ...

    def gap(self, place: Place) -> GapReason | None:
        """Why one can't go on behind a place; None where one can."""
        ...

    def load(self, name: SubscriptionName) -> KeptSubscription | None:
        """What is kept under a name."""
        ...

    def keep(self, subscriptions: Sequence[KeptSubscription]) -> None:
        """Keep these in place of what is kept under their names; all or none."""
        ...
