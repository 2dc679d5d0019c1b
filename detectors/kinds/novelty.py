"""What this user never brought before: a merchant, category, country, device, entry mode or channel."""

from dataclasses import dataclass
from typing import Final

from detectors.assessment import Evidence, Family, ReasonSpec
from detectors.context import Context
from detectors.population import NEW as ALL_NEW
from detectors.profile import KINDS, NEW
from detectors.tails import MAX_SURPRISE, REPORT_FROM, chance_surprise

_REASONS: Final = (
    ReasonSpec("NEW_MERCHANT", Family.HIGH_RISK_PAYEE, "First payment to this merchant"),
    ReasonSpec("NEW_CATEGORY", Family.ABNORMAL_SPENDING, "First payment in this category"),
    ReasonSpec("NEW_COUNTRY", Family.ABNORMAL_PAYER_LOCATION, "First payment in this country"),
    ReasonSpec("NEW_DEVICE", Family.UNUSUAL_DEVICE, "First payment from this device"),
    ReasonSpec(
        "NEW_ENTRY_MODE", Family.KNOWN_FRAUD_PATTERN, "First payment with this way of reading the card"
    ),
    ReasonSpec("NEW_CHANNEL", Family.ABNORMAL_SPENDING, "First payment through this channel"),
)
"""In the order of ``detectors.profile.KINDS``."""


@dataclass(frozen=True, slots=True)
class NoveltyParams:
    """Parameters of novelty.

    Parameters
    ----------
    weight
        This detector's part in the raw score.
    memory
        How often a user brings something new rests on about this many payments.
    worth
        The population's share of new things counts like this many payments of the user.
    grace
        Payments after which a new thing can surprise at all: to a new user everything is new.
    rest
        How much of the weaker novelties' surprise is added to the strongest: new things come together.
    """

    weight: float = 1.0
    memory: float = 60.0
    worth: float = 5.0
    grace: float = 3.0
    rest: float = 0.3


class NoveltyDetector:
    """Finds new things on a user who rarely brings new ones."""

    name: Final = "novelty"
    reasons: Final = _REASONS

    def __init__(self, params: NoveltyParams) -> None:
        self.params = params

    def score_one(self, context: Context) -> Evidence | None:
        """Evidence of the most surprising new thing; other new ones add to its surprise."""
        new = context.new
        if True not in new or not context.counts:
            return None
        params = self.params
        own, shared = context.user.norms, context.population.norms
        best, found, every, usual = 0.0, -1, 0.0, 0.0
        for kind in range(len(KINDS)):
            n = own[NEW + 2 * kind]
            if not new[kind] or n < params.grace:
                continue
            chance = (n * own[NEW + 2 * kind + 1] + params.worth * shared[ALL_NEW + 2 * kind + 1]) / (
                n + params.worth
            )
            surprise = chance_surprise(chance)
            every += surprise
            if surprise > best:
                best, found, usual = surprise, kind, chance
        surprise = min(MAX_SURPRISE, best + params.rest * (every - best))
        if found < 0 or surprise < REPORT_FROM:
            return None
        return Evidence(
            _REASONS[found].code, surprise, usual, unit="share new", subject=_subject(context, found)
        )


def _subject(context: Context, kind: int) -> str:
    payment = context.payment
    return (
        payment.merchant_id,
        payment.mcc or "",
        payment.merchant_country or "",
        payment.device_id or "",
        payment.entry_mode or "",
        payment.channel or "",
    )[kind]
