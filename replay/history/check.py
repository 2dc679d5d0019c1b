"""The whole of a history, checked."""

from collections.abc import Iterable

from replay.history.decisions import Decisions, compare_with_answers, compare_with_logs
from replay.history.logs import Logs, compare_with_sent
from replay.history.values import Fault, Finding, History, Output


def check_history(history: History) -> list[Finding]:
    """Everything that is wrong with a history; nothing when all promises held.

    >>> from replay.history import Logged, Sent
    >>> sent = [Sent("payment/default/t-1", "u-1", shard=0)]
    >>> logged = [Logged(0, 1, "payment/default/t-1", transaction="payment/default/t-1")]
    >>> for finding in check_history(History(1, sent, logged, published=[])):
    ...     print(finding.fault, finding.sentence)
    LOSS payment/default/t-1 (shard 0, position 1): no decision on it was published
    """
    logs = Logs(history)
    decisions = Decisions(history, logs)
    return [
        *logs.findings,
        *compare_with_sent(history, logs),
        *decisions.findings,
        *compare_with_logs(history, logs, decisions),
        *compare_with_answers(history, decisions),
    ]


def compare_outputs(
    expected: Iterable[Output], found: Iterable[Output], *, repeats_allowed: bool = False
) -> list[Finding]:
    """How what went out differs from what an uninterrupted run sends: by id and content, in any order."""
    wanted = {output.output_id: output.content for output in expected}
    findings: list[Finding] = []
    seen: set[str] = set()
    for name, content in found:
        if name not in wanted:
            findings.append(Finding(Fault.STRAY, (name,), f"{name}: went out without a cause"))
        elif content != wanted[name]:
            findings.append(Finding(Fault.CHANGED, (name,), f"{name}: went out with another content"))
        elif name in seen and not repeats_allowed:
            findings.append(Finding(Fault.DOUBLE, (name,), f"{name}: went out again"))
        seen.add(name)
    lost = (name for name in wanted if name not in seen)
    return findings + [Finding(Fault.LOSS, (name,), f"{name}: did not go out") for name in lost]
