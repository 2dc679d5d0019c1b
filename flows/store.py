"""The state store: what the shard task knows at one log position, kept in one piece."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from alerting.alerts import Alert, bucket_of


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A decision at its log position, as bytes, with the features it was made from (float32)."""

    position: int
    decision: bytes
    features: bytes


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """Says that the outcome at ``position`` is about the transaction with ``transaction_key``."""

    position: int
    transaction_key: bytes


class AlertRow(NamedTuple):
    """A candidate alert, as bytes, at the log position of its cause; ``seq`` counts those of one position.

    ``suppressed`` is the reason why it is not sent, None where it is. What it may be looked for by stands
    beside its bytes; ``bucket`` is :func:`alerting.alerts.bucket_of` its user.
    """

    position: int
    seq: int
    alert_id: str
    kind: str
    tenant: str
    user_id: str
    bucket: int
    suppressed: str | None
    alert: bytes

    @classmethod
    def of(cls, position: int, seq: int, alert: Alert, suppressed: str | None, encoded: bytes) -> Self:
        """The row of a candidate, whose canonical bytes are at hand."""
        who = (alert.tenant, alert.user_id)
        return cls(position, seq, alert.alert_id, alert.kind, *who, bucket_of(*who), suppressed, encoded)


@dataclass(slots=True)
class Slice:
    """Finished work: all that changed between the store's position and ``position``.

    A store takes a slice whole or not at all.
    """

    position: int
    states: dict[str, bytes | None] = field(default_factory=dict)
    ledger: list[LedgerRow] = field(default_factory=list)
    outcomes: list[OutcomeRow] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)


class StateStore(Protocol):
    """State under string keys, the ledger, the outbox of alerts, and the log position that all belong to."""

    @property
    def position(self) -> int:
        """The log position that the stored state belongs to, 0 at first."""
        ...

    def load(self, key: str) -> bytes | None:
        """The state under ``key``."""
        ...

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """All state under keys that begin with ``prefix``, in the order of the keys.

        To be read to its end before anything is committed.
        """
        ...

    def commit(self, work: Slice) -> None:
        """Store a slice in one transaction; committing the same slice again changes nothing."""
        ...

    def ledger_row(self, position: int) -> LedgerRow | None:
        """The decision that was made at a log position."""
        ...

    def outcome_positions(self, transaction_key: bytes) -> list[int]:
        """Where in the log outcomes of a transaction stand, in order."""
        ...

    def alert_rows(self, after: tuple[int, int], limit: int) -> list[AlertRow]:
        """Up to ``limit`` candidate alerts behind a place (position and seq), in order."""
        ...


class MemoryStore:
    """A store that lives as long as the process."""

    def __init__(self) -> None:
        self._position = 0
        self.states: dict[str, bytes] = {}
        self._ledger: dict[int, LedgerRow] = {}
        self._outcomes: dict[bytes, list[int]] = {}
        self._alerts: dict[tuple[int, int], AlertRow] = {}

    @property
    def position(self) -> int:
        """See :attr:`StateStore.position`."""
        return self._position

    def load(self, key: str) -> bytes | None:
        """See :meth:`StateStore.load`."""
        return self.states.get(key)

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """See :meth:`StateStore.scan`."""
        return ((key, self.states[key]) for key in sorted(self.states) if key.startswith(prefix))

    def commit(self, work: Slice) -> None:
        """See :meth:`StateStore.commit`."""
        for key, value in work.states.items():
            if value is None:
                self.states.pop(key, None)
            else:
                self.states[key] = value
        for row in work.ledger:
            self._ledger[row.position] = row
        for outcome in work.outcomes:
            positions = self._outcomes.setdefault(outcome.transaction_key, [])
            if outcome.position not in positions:
                positions.append(outcome.position)
        self._alerts.update(((row.position, row.seq), row) for row in work.alerts)
        self._position = work.position

    def ledger_row(self, position: int) -> LedgerRow | None:
        """See :meth:`StateStore.ledger_row`."""
        return self._ledger.get(position)

    def outcome_positions(self, transaction_key: bytes) -> list[int]:
        """See :meth:`StateStore.outcome_positions`."""
        return list(self._outcomes.get(transaction_key, ()))

    def alert_rows(self, after: tuple[int, int], limit: int) -> list[AlertRow]:
        """See :meth:`StateStore.alert_rows`."""
        return [self._alerts[place] for place in sorted(self._alerts) if place > after][:limit]
