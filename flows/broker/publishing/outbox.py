"""What a shard has to publish: rows of its file, in log order, as messages.

A shard file is an outbox: what was decided stands in it, stored together with the state that it came from.
Each kind of row has a source; all sources of a shard advance together, so that one log position says what is
out.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from alerting.alerts import Alert
from alerting.cloud_events import CONTENT_TYPE as CLOUD_EVENT
from alerting.cloud_events import cloud_event
from alerting.decision import Action, Decision
from alerting.wording import reason_line
from flows.broker.topic_specs import ALERTS, DECISIONS, STEP_UP_REQUESTS
from flows.broker.wire import Headers
from flows.codec import decode_alert, decode_decision
from flows.sqlite_shard import SqliteShard

JSON_TYPE: Final = b"application/json"
DECISION_SCHEMA: Final = b"tapwatch.decision.v1"
ALERT_SCHEMA: Final = b"tapwatch.alert.v1"
STEP_UP_SCHEMA: Final = b"tapwatch.step-up-request.v1"


class Outgoing(NamedTuple):
    """A message for a topic, named by its kind; the partition is the shard's number."""

    kind: str
    key: bytes
    value: bytes
    headers: Headers


class Row(NamedTuple):
    """What one log position has to publish; its messages are made when they are asked for."""

    position: int
    stored: bytes
    build: Callable[[bytes], tuple[Outgoing, ...]]

    @property
    def messages(self) -> tuple[Outgoing, ...]:
        """The messages, in the order to publish them in."""
        return self.build(self.stored)


RowSource = Callable[[SqliteShard, int, int], list[Row]]
"""Rows of one kind behind a log position, up to a number, in log order."""


class Batch(NamedTuple):
    """Rows to publish together; ``position`` is what is out when they are, ``full`` says that more wait."""

    rows: list[Row]
    position: int
    full: bool


def decision_rows(shard: SqliteShard, after: int, limit: int) -> list[Row]:
    """Decisions, each with the request to challenge its user where it asks for one."""
    return [Row(row.position, row.decision, _decided) for row in shard.ledger_after(after, limit)]


def alert_rows(shard: SqliteShard, after: int, limit: int) -> list[Row]:
    """Alerts that are sent, those of one log position in one row."""
    return [
        Row(position, b"\n".join(row.alert for row in rows if row.suppressed is None), _alerts)
        for position, rows in shard.alerts.by_position(after, limit)
    ]


SOURCES: Final[Sequence[RowSource]] = (decision_rows, alert_rows)


class Outbox:
    """What one shard file has to publish, read beside whoever writes it.

    Parameters
    ----------
    file
        The shard file.
    published
        The log position that is out already.
    sources
        Kinds of rows.
    """

    def __init__(self, file: Path, published: int, sources: Sequence[RowSource] = SOURCES) -> None:
        self._shard = SqliteShard.open_reader(file)
        self._sources = sources
        self.published = published

    def waiting(self, limit: int) -> Batch:
        """What is to be published next; empty rows with a higher position say that nothing was decided."""
        # Read first: a row that is stored while the sources are asked may be seen by one and not by another.
        position = self._shard.position
        found = [source(self._shard, self.published, limit) for source in self._sources]
        full = [rows[-1].position for rows in found if len(rows) == limit]
        position = max(min([position, *full]), self.published)
        rows = sorted(
            (row for rows in found for row in rows if row.position <= position), key=lambda row: row.position
        )
        return Batch(rows, position, bool(full))

    def offset_at(self, position: int) -> int:
        """Where the shard's partition goes on behind a log position."""
        return self._shard.offset_at(position)

    def close(self) -> None:
        """Close the file."""
        self._shard.close()


def _decided(encoded: bytes) -> tuple[Outgoing, ...]:
    decision = decode_decision(encoded)
    key = decision.decision_id.encode()
    out = Outgoing(DECISIONS, key, encoded, _headers(decision, DECISION_SCHEMA))
    if decision.action is not Action.STEP_UP:
        return (out,)
    request = Outgoing(STEP_UP_REQUESTS, key, step_up_request(decision), _headers(decision, STEP_UP_SCHEMA))
    return out, request


def _alerts(encoded: bytes) -> tuple[Outgoing, ...]:
    return tuple(_alert(decode_alert(line)) for line in encoded.splitlines())


def _alert(alert: Alert) -> Outgoing:
    value = json.dumps(cloud_event(alert), ensure_ascii=False, separators=(",", ":")).encode()
    headers: Headers = [
        ("log-position", b"%d" % alert.log_position),
        ("kind", alert.kind.encode()),
        ("content-type", CLOUD_EVENT.encode()),
        ("schema", ALERT_SCHEMA),
    ]
    return Outgoing(ALERTS, alert.alert_id.encode(), value, headers)


def _headers(decision: Decision, schema: bytes) -> Headers:
    return [
        ("log-position", b"%d" % decision.log_position),
        ("source", decision.source.encode()),
        ("content-type", JSON_TYPE),
        ("schema", schema),
    ]


def step_up_request(decision: Decision) -> bytes:
    """What a challenge service needs to know: equal decisions give equal bytes."""
    return json.dumps(dict(_step_up_members(decision)), ensure_ascii=False, separators=(",", ":")).encode()


def _step_up_members(decision: Decision) -> Iterator[tuple[str, object]]:
    advice = decision.step_up
    yield "decision_id", decision.decision_id
    yield "transaction_id", decision.transaction_id
    yield "tenant", decision.tenant
    yield "user_id", decision.user_id
    yield "event_time", _time(decision.event_time)
    yield "expires_at", None if advice.expires_at is None else _time(advice.expires_at)
    yield "challenge", advice.challenge
    yield "exemption", advice.exemption
    yield "score", decision.score
    yield "reasons", [{"code": r.code, "family": r.family, "text": reason_line(r)} for r in decision.reasons]
    yield "rule_ids", decision.rule_ids
    yield "source", decision.source
    yield "policy_version", decision.policy_version
    yield "log_position", decision.log_position


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
