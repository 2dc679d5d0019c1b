"""The demo: a real server, a bundled stream played through its gRPC port as a gateway would, a summary."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from alerting.decision import Action, Decision, FallbackAnswered, PolicyActivated, Reason
from alerting.rpc.convert import read_decision
from alerting.wording import amount_words, reason_line
from detectors.events import Outcome, Payment, Verdict
from detectors.knowledge import ShardKnowledge
from flows.codec import BadRecord, Event
from replay.gateway import GatewayClient
from replay.server_process import ServerProcess
from replay.simulator.sample import sample_path
from replay.streams import read_stream
from replay.text_table import format_table

_WIDTH: Final = 80
_STYLES: Final = {Action.STEP_UP: "yellow", Action.REVIEW: "magenta", Action.DECLINE: "red"}


@dataclass(slots=True)
class _Seen:
    """What the gateway saw."""

    payments: dict[str, Payment] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    published: int = 0


def sample_events() -> list[Event]:
    """The bundled stream: simulated users, ours."""
    return [event for event in read_stream(sample_path()) if not isinstance(event, BadRecord)]


def run_demo(console: Console, target: str | None = None) -> dict[str, Any]:
    """Play the bundled stream and show it on ``console``; gives what the gateway saw, as plain values.

    Without ``target``, the address of a running server, one is started for the while.

    Raises
    ------
    GatewayError
        When the server does not answer.
    """
    events = sample_events()
    frauds = {e.transaction_id for e in events if isinstance(e, Outcome) and e.verdict is Verdict.FRAUD}
    with _server(target) as address, GatewayClient(address) as gateway:
        if target is None:
            console.print("[bold]Tapwatch[/bold]: a server with an empty memory meets its first payments.\n")
        console.print(f"Playing {len(events):,} simulated events at the gRPC port {address}.")
        console.print("These payments are not simply approved, and the first reason why:\n")
        seen = _play(events, gateway, frauds, console)
        _summarise(seen, frauds, console)
        _explain_one(seen, gateway, console)
    _say_what_next(target, console)
    actions = Counter(decision.action for decision in seen.decisions.values())
    return {
        "payments": sum(isinstance(event, Payment) for event in events),
        "answered": len(seen.decisions),
        "actions": {action.value: actions[action] for action in Action},
        "p50_ms": round(_percentile_ms(seen, 0.5), 2),
        "p99_ms": round(_percentile_ms(seen, 0.99), 2),
        "published": seen.published,
    }


@contextmanager
def _server(target: str | None) -> Iterator[str]:
    if target is not None:
        yield target
        return
    with (
        tempfile.TemporaryDirectory(prefix="tapwatch-demo-") as folder,
        ServerProcess(Path(folder) / "data") as server,
    ):
        yield server.target


def _play(events: Sequence[Event], gateway: GatewayClient, frauds: set[str], console: Console) -> _Seen:
    seen = _Seen()
    with console.status("playing") as status:
        for event in events:
            if isinstance(event, Payment):
                begun = time.perf_counter()
                decision = gateway.decide(event)
                seen.latencies_ms.append((time.perf_counter() - begun) * 1e3)
                seen.payments[event.transaction_id] = event
                seen.decisions[event.transaction_id] = decision
                if decision.action is not Action.APPROVE:
                    _show(event, decision, event.transaction_id in frauds, console)
                if len(seen.decisions) % 50 == 0:
                    status.update(f"{len(seen.decisions):,} payments, now {event.event_time:%a %d %b %Y}")
            elif isinstance(event, Outcome):
                gateway.report_outcome(event)
            elif not isinstance(event, PolicyActivated | FallbackAnswered | ShardKnowledge):
                seen.published += gateway.publish([event]).accepted
    return seen


def _show(payment: Payment, decision: Decision, fraud: bool, console: Console) -> None:
    line = Text(f"  {payment.event_time:%d %b %H:%M}  ")
    line.append(f"{decision.action:<8}", _STYLES[decision.action])
    line.append(f" score {decision.score:5.1f}  {amount_words(payment.amount_minor, payment.currency):>18}  ")
    line.append("a fraud" if fraud else "genuine", "bold red" if fraud else "")
    console.print(line)
    for reason in decision.reasons[:1]:
        _print_reason(reason, " " * 6, console)


def _print_reason(reason: Reason, first: str, console: Console) -> None:
    """Print the reason within 80 columns behind ``first``; what is usual goes below what was seen."""
    below = " " * len(first)
    text = reason_line(reason)
    parts = [text] if len(first + text) <= _WIDTH else text.split("; ", 1)
    for start, part in zip((first, below), parts, strict=False):
        console.print(Text(fill(part, _WIDTH, initial_indent=start, subsequent_indent=below)))


def _summarise(seen: _Seen, frauds: set[str], console: Console) -> None:
    by_action = Counter((d.action, name in frauds) for name, d in seen.decisions.items())
    rows = [(str(action), by_action[action, False], by_action[action, True]) for action in Action]
    total = ("all", sum(row[1] for row in rows), sum(row[2] for row in rows))
    console.print(f"\nWhat became of {len(seen.decisions):,} payments (frauds are known only later):\n")
    console.print(format_table(("", "genuine", "fraud"), [*rows, total]), highlight=False)
    p50, p99 = _percentile_ms(seen, 0.5), _percentile_ms(seen, 0.99)
    console.print(f"\nAnswered one after the other: half within {p50:.1f} ms, 99 % within {p99:.1f} ms.")
    console.print(f"{seen.published:,} other events were published.")


def _percentile_ms(seen: _Seen, share: float) -> float:
    return sorted(seen.latencies_ms)[int(len(seen.latencies_ms) * share)]


def _explain_one(seen: _Seen, gateway: GatewayClient, console: Console) -> None:
    worst = max(seen.decisions.values(), key=lambda decision: decision.raw_score)
    explanation = gateway.explain(worst.transaction_id, worst.tenant)
    decision, payment = read_decision(explanation.decision), seen.payments[worst.transaction_id]
    console.print(f"\nThe most unusual payment, {decision.transaction_id}, as ExplainDecision tells it:")
    amount = amount_words(payment.amount_minor, payment.currency)
    console.print(
        f"  {amount}, {decision.action}, score {decision.score:.1f}",
        highlight=False,
    )
    for reason in decision.reasons:
        _print_reason(reason, f"  {reason.weight:4.0%}  ", console)


def _say_what_next(target: str | None, console: Console) -> None:
    if target is None:
        console.print(
            "\nNext: [bold]tapwatch serve[/bold] runs a server that stays; the README shows the rest."
        )
    else:
        console.print("\nNext: [bold]tapwatch record[/bold] exports what this server has logged.")
