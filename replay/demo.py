"""The demo: a real server, a bundled stream played through its gRPC port as a gateway would, a summary."""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alerting.decision import Action, Decision, FallbackAnswered, PolicyActivated
from alerting.rpc.convert import read_decision
from alerting.wording import reason_line
from detectors.events import Outcome, Payment, Verdict
from detectors.money import MINOR_DIGITS
from flows.codec import BadRecord, Event
from replay.gateway import GatewayClient
from replay.server_process import ServerProcess
from replay.simulator.sample import sample_path
from replay.streams import read_stream

_STYLES = {Action.STEP_UP: "yellow", Action.REVIEW: "magenta", Action.DECLINE: "red"}


@dataclass(slots=True)
class _Seen:
    """What the gateway saw."""

    decisions: dict[str, Decision] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    published: int = 0


def sample_events() -> list[Event]:
    """The bundled stream: simulated users, ours."""
    return [event for event in read_stream(sample_path()) if not isinstance(event, BadRecord)]


def run_demo(console: Console) -> int:
    """Play the bundled stream; returns the number of payments that have no answer (0 when all is well)."""
    events = sample_events()
    frauds = {e.transaction_id for e in events if isinstance(e, Outcome) and e.verdict is Verdict.FRAUD}
    console.print("[bold]Tapwatch[/bold]: a server with an empty memory meets its first payments.\n")
    with (
        tempfile.TemporaryDirectory(prefix="tapwatch-demo-") as folder,
        ServerProcess(Path(folder) / "data") as server,
        GatewayClient(server.target) as gateway,
    ):
        console.print(f"serving gRPC on {server.target}; playing {len(events):,} simulated events")
        console.print("payments that are not simply approved:\n")
        seen = _play(events, gateway, frauds, console)
        _summarise(seen, frauds, console)
        _explain_one(seen, gateway, console)
    payments = sum(isinstance(event, Payment) for event in events)
    return payments - len(seen.decisions)


def _play(events: Sequence[Event], gateway: GatewayClient, frauds: set[str], console: Console) -> _Seen:
    seen = _Seen()
    with console.status("playing") as status:
        for event in events:
            if isinstance(event, Payment):
                begun = time.perf_counter()
                decision = gateway.decide(event)
                seen.latencies_ms.append((time.perf_counter() - begun) * 1e3)
                seen.decisions[event.transaction_id] = decision
                if decision.action is not Action.APPROVE:
                    console.print(_line(event, decision, event.transaction_id in frauds))
                if len(seen.decisions) % 50 == 0:
                    status.update(f"{len(seen.decisions):,} payments, now {event.event_time:%a %d %b %Y}")
            elif isinstance(event, Outcome):
                gateway.report_outcome(event)
            elif not isinstance(event, PolicyActivated | FallbackAnswered):
                seen.published += gateway.publish([event]).accepted
    return seen


def _line(payment: Payment, decision: Decision, fraud: bool) -> str:
    amount = f"{payment.amount_minor / 10 ** MINOR_DIGITS[payment.currency]:,.2f} {payment.currency}"
    style = _STYLES[decision.action]
    why = reason_line(decision.reasons[0]) if decision.reasons else ""
    truth = "[bold red]fraud[/bold red]" if fraud else "good "
    return (
        f"  {payment.event_time:%d %b %H:%M}  {truth}  [{style}]{decision.action:<8}[/{style}]"
        f" {decision.score:5.1f}  {amount:>14}  {why}"
    )


def _summarise(seen: _Seen, frauds: set[str], console: Console) -> None:
    table = Table(title="\nwhat became of the payments", title_justify="left")
    for name in ("action", "good", "fraud (as labelled later)"):
        table.add_column(name, justify="left" if name == "action" else "right")
    by_action = Counter((d.action, name in frauds) for name, d in seen.decisions.items())
    for action in Action:
        table.add_row(action, f"{by_action[action, False]:,}", f"{by_action[action, True]:,}")
    console.print(table)
    ranked = sorted(seen.latencies_ms)
    p50, p99 = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]
    console.print(
        f"{len(seen.decisions):,} payments answered one after the other, p50 {p50:.1f} ms, p99 {p99:.1f} ms;"
        f" {seen.published:,} other events published."
    )


def _explain_one(seen: _Seen, gateway: GatewayClient, console: Console) -> None:
    worst = max(seen.decisions.values(), key=lambda decision: decision.raw_score)
    explanation = gateway.explain(worst.transaction_id, worst.tenant)
    decision = read_decision(explanation.decision)
    console.print(f"\nthe most unusual payment, {decision.transaction_id}, explained by ExplainDecision:")
    for reason in decision.reasons:
        console.print(f"  {reason.weight:4.0%}  {reason_line(reason)}", highlight=False)
    console.print("\nNext: [bold]tapwatch serve[/bold] runs a server that stays; the README shows the rest.")
