"""A decision explained, read from a shard file beside whoever writes it."""

import json
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from alerting.engine import Explanation, UnknownTransactionError
from alerting.wording import amount_words, reason_line
from flows.codec import encode_event, plain_decision
from flows.on_record import explain
from flows.shard_folder import shard_files
from flows.sqlite_shard import SqliteShard


def read_explanation(data_dir: Path, tenant: str, transaction_id: str) -> Explanation:
    """What a decision in ``data_dir`` rests on.

    Raises
    ------
    ShardFileError
        When the folder holds no shard.
    UnknownTransactionError
        When no decision is on record.
    """
    for path in shard_files(data_dir):
        with closing(SqliteShard.open_reader(path)) as reader, suppress(UnknownTransactionError):
            return explain(reader, tenant, transaction_id)
    raise UnknownTransactionError(transaction_id)


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain values."""
    return {
        "decision": plain_decision(explanation.decision),
        "reasons": [reason_line(reason) for reason in explanation.decision.reasons],
        "payment": json.loads(encode_event(explanation.payment)),
        "features": dict(explanation.features),
        "outcomes": [json.loads(encode_event(outcome)) for outcome in explanation.outcomes],
        "quarantined": explanation.quarantined,
    }


def explanation_lines(explanation: Explanation) -> list[str]:
    """The explanation in words."""
    decision, payment = explanation.decision, explanation.payment
    lines = [
        f"{decision.transaction_id}: {decision.action} with score {decision.score:g} ({decision.source})",
        f"  payment   {amount_words(payment.amount_minor, payment.currency)} by {payment.user_id}",
        f"            to {payment.merchant_id} at {payment.event_time.isoformat()}",
        f"  versions  {decision.model_version}, {decision.feature_version}, {decision.policy_version}",
        f"  position  {decision.log_position or 'none: the fallback answered before there was one'}",
    ]
    if decision.fallback_cause is not None:
        lines.append(f"  fallback  because of {decision.fallback_cause}")
    lines += [
        f"  reason    {reason_line(r)} [{r.code}, {r.weight:.0%} of the score]" for r in decision.reasons
    ]
    lines += [f"  rule      {rule}" for rule in decision.rule_ids]
    lines += [
        f"  outcome   {o.outcome_kind} {o.verdict} at {o.event_time.isoformat()}"
        for o in explanation.outcomes
    ]
    if explanation.quarantined:
        lines.append("  learning  quarantined until an outcome clears it")
    return lines
