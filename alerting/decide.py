"""One payment, one assessment, one decision: the policy applied.

What hits is weighed in this order:

1. Deny lists, then rules (strictest first), then velocity limits. All that hit are named in the decision;
   the strictest of them sets the least action.
2. An allow list sets the score aside, and only the score: it never undoes a deny list, a rule or a limit.
3. The score's thresholds, of the first segment that fits. They can make the action stricter, never milder.

Without a reference rate for its currency a payment's amount is compared with nothing: no detector looks at
it, nothing is learned from it, a reason says so, and where an amount band decides, the strictest holds.

Refunds and account verifications move no money away from the payer: only deny lists and rules concern them.
"""

from typing import Final

from alerting.checks import strictest
from alerting.currencies import ReferenceAmounts
from alerting.decision import Action, Decision, FallbackCause, Reason, Source, decision_id
from alerting.fallback import FallbackTable
from alerting.limits import LimitChecks
from alerting.lists import ListIndex
from alerting.policy import Policy
from alerting.reasons import MAX_REASONS, Hit, evidence_reasons, no_rate_reason, policy_reason
from alerting.rules import RuleSet
from alerting.stepup import ScaCounters, StepUpAdvisor
from alerting.thresholds import SegmentedThresholds, Thresholds
from detectors.assessment import Assessment
from detectors.events import Payment, PaymentType

__all__ = ["Decider", "ScaCounters"]

_UNSCORED: Final = frozenset({PaymentType.REFUND, PaymentType.ACCOUNT_VERIFICATION})
_REASONED_FROM: Final = 0.5
"""An approval gives reasons from this share of the step-up threshold on; below, the ledger stays small."""


class Decider:
    """Decides payments by one policy. Everything is compiled once; deciding changes nothing.

    Parameters
    ----------
    policy
        The policy in force.
    names
        The names of ``Assessment.features``, in order.
    model_version, feature_version
        Written into every decision.
    """

    __slots__ = (
        "_advisor",
        "_amounts",
        "_fallback",
        "_feature_version",
        "_has_guards",
        "_limits",
        "_lists",
        "_model_version",
        "_rules",
        "_thresholds",
        "policy",
    )

    def __init__(
        self, policy: Policy, names: tuple[str, ...], model_version: str, feature_version: str
    ) -> None:
        self.policy = policy
        self._amounts = ReferenceAmounts(policy.currencies)
        self._model_version = model_version
        self._feature_version = feature_version
        self._thresholds = SegmentedThresholds(policy.thresholds, policy.segments, self._amounts)
        self._lists = ListIndex(policy.lists)
        self._rules = RuleSet(policy.rules, names)
        self._limits = LimitChecks(policy.limits, names, self._amounts)
        self._has_guards = bool(policy.lists or policy.rules or policy.limits)
        self._advisor = StepUpAdvisor(policy.step_up, policy.sca, self._amounts)
        self._fallback = FallbackTable(policy.fallback, self._amounts)

    def decide(
        self, payment: Payment, assessment: Assessment, sca: ScaCounters, log_position: int
    ) -> Decision:
        """The engine's decision. It never fails for a valid payment."""
        hits: list[Hit] = []
        rule_ids: tuple[str, ...] = ()
        is_scored = payment.payment_type not in _UNSCORED
        if self._has_guards:
            hits, is_allowed, rule_ids = self._guards(payment, assessment, is_scored)
            is_scored = is_scored and not is_allowed
        thresholds = self._thresholds.of(payment)
        action = thresholds.action(assessment.score) if is_scored else Action.APPROVE
        for hit in hits:
            action = strictest(action, hit.action)
        reasons = _reasons(action, hits, assessment, thresholds)
        if payment.currency not in self._amounts.rated and payment.payment_type not in _UNSCORED:
            reasons = (*reasons[: MAX_REASONS - 1], no_rate_reason(payment))
        if reasons:
            advice = self._advisor.of_action(payment, action)
        else:
            advice = self._advisor.of_approval(payment, assessment, sca)
        return Decision(
            decision_id(payment.tenant, payment.transaction_id),
            payment.transaction_id,
            payment.tenant,
            payment.user_id,
            payment.event_time,
            action,
            round(assessment.score, 2),
            assessment.raw_score,
            reasons,
            rule_ids,
            advice,
            self._model_version,
            self.policy.version,
            self._feature_version,
            log_position,
        )

    def fallback(
        self,
        payment: Payment,
        cause: FallbackCause,
        log_position: int = 0,
        *,
        action: Action | None = None,
        policy_version: str | None = None,
    ) -> Decision:
        """The declared answer when the engine has none in time.

        ``action`` and ``policy_version`` are given when the answer is already out, as a logged fallback says;
        otherwise the matrix answers. A log position of 0 means that the payment has none yet.
        """
        answer = self._fallback.action(payment, cause) if action is None else action
        return Decision(
            decision_id(payment.tenant, payment.transaction_id),
            payment.transaction_id,
            payment.tenant,
            payment.user_id,
            payment.event_time,
            answer,
            0.0,
            0.0,
            (),
            (),
            self._advisor.of_action(payment, answer),
            self._model_version,
            self.policy.version if policy_version is None else policy_version,
            self._feature_version,
            log_position,
            Source.FALLBACK,
            cause,
        )

    def eur_minor(self, payment: Payment) -> int:
        """What the payment counts towards the low-value total, in euro cents.

        Without a reference rate the amount is unknown, and counts as all that the total allows.
        """
        cents = self._amounts.in_euro_minor(payment)
        return round(self.policy.sca.low_value_total_eur * 100) if cents is None else cents

    def _guards(
        self, payment: Payment, assessment: Assessment, is_limited: bool
    ) -> tuple[list[Hit], bool, tuple[str, ...]]:
        hits, allowed = self._lists.look_up(payment)
        matched, failed = self._rules.ask(payment, assessment)
        hits += matched
        if is_limited:
            hits += self._limits.hits(payment, assessment.features)
        ids = (*(hit.id for hit in hits), *(f"{id_}!error" for id_ in failed), *allowed)
        return hits, bool(allowed), ids


def _reasons(
    action: Action, hits: list[Hit], assessment: Assessment, thresholds: Thresholds
) -> tuple[Reason, ...]:
    if action is Action.APPROVE:
        if assessment.score < thresholds.step_up * _REASONED_FROM:
            return ()
        return evidence_reasons(assessment, MAX_REASONS)
    by_policy = tuple(hit.reason for hit in hits[:MAX_REASONS])
    reasons = by_policy + evidence_reasons(assessment, MAX_REASONS - len(by_policy))
    return reasons or (policy_reason("SCORE", "", assessment.score, thresholds.step_up),)
