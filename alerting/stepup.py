"""Step-up advice: how to challenge, and which exemption from strong authentication could be claimed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from alerting.checks import check_number
from alerting.currencies import ReferenceAmounts
from alerting.decision import Action, ChallengeIndicator, Exemption, StepUpAdvice
from detectors.assessment import Assessment
from detectors.events import (
    STRICT,
    Channel,
    EntryMode,
    Outcome,
    OutcomeKind,
    Payment,
    PaymentType,
    ThreeDSStatus,
)

_REMOTE_CHANNELS: Final = frozenset({Channel.ECOMMERCE, Channel.WALLET, Channel.BANK})
_CREDENTIAL_PRESENT: Final = frozenset({EntryMode.CHIP, EntryMode.CONTACTLESS, EntryMode.MAGSTRIPE})
_UNENDED: Final = frozenset({ThreeDSStatus.C, ThreeDSStatus.D})


def ends_step_up(outcome: Outcome) -> bool:
    """Whether an outcome tells that an authentication ended, however it did; one that goes on has not."""
    return outcome.outcome_kind is OutcomeKind.STEP_UP and outcome.three_ds_status not in _UNENDED


@dataclass(frozen=True, slots=True)
class StepUp:
    """How to challenge: for how long, and which 3-D Secure indicator goes with each action."""

    __pydantic_config__: ClassVar = STRICT

    expires_s: int = 600
    approve: ChallengeIndicator = ChallengeIndicator.NO_PREFERENCE
    step_up: ChallengeIndicator = ChallengeIndicator.CHALLENGE_MANDATED
    review: ChallengeIndicator = ChallengeIndicator.CHALLENGE_WANTED
    decline: ChallengeIndicator = ChallengeIndicator.CHALLENGE_MANDATED

    def __post_init__(self) -> None:
        check_number("expires_s", self.expires_s, 1, 604_800)


@dataclass(frozen=True, slots=True)
class TraBand:
    """Amounts up to ``max_eur`` are exempt if fraud is at most ``max_fraud_percent`` of the value paid."""

    __pydantic_config__: ClassVar = STRICT

    max_eur: int
    max_fraud_percent: float

    def __post_init__(self) -> None:
        if self.max_eur not in (100, 250, 500):
            raise ValueError(f"max_eur: {self.max_eur!r} is no band; allowed: 100, 250, 500")
        check_number("max_fraud_percent", self.max_fraud_percent, 0.0, 100.0)


@dataclass(frozen=True, slots=True)
class Sca:
    """Exemptions from strong customer authentication (EU 2018/389, Art. 16, Art. 18 and annex).

    Parameters
    ----------
    low_value_eur, low_value_total_eur, low_value_count
        A remote payment of low value, and what may add up since the last strong authentication. The law asks
        for one of the two counters; here both must hold, this payment included.
    finding_surprise
        Evidence this surprising (decimal digits) is a finding, and a finding rules any exemption out.
    fraud_rate_percent, transfer_fraud_rate_percent
        The provider's own fraud rate of remote card payments and of remote credit transfers. One that is left
        out is unknown, and then transaction risk analysis exempts nothing.
    bands, transfer_bands
        The reference rates of the annex, lowest amount first.
    """

    __pydantic_config__: ClassVar = STRICT

    enabled: bool = True
    low_value_eur: float = 30.0
    low_value_total_eur: float = 100.0
    low_value_count: int = 5
    finding_surprise: float = 1.5
    fraud_rate_percent: float | None = None
    transfer_fraud_rate_percent: float | None = None
    bands: tuple[TraBand, ...] = (TraBand(100, 0.13), TraBand(250, 0.06), TraBand(500, 0.01))
    transfer_bands: tuple[TraBand, ...] = (TraBand(100, 0.015), TraBand(250, 0.01), TraBand(500, 0.005))

    def __post_init__(self) -> None:
        check_number("low_value_eur", self.low_value_eur, 0.0, 1e6)
        check_number("low_value_total_eur", self.low_value_total_eur, 0.0, 1e6)
        check_number("low_value_count", self.low_value_count, 0, 1_000)
        check_number("finding_surprise", self.finding_surprise, 0.0, 10.0)
        for name in ("fraud_rate_percent", "transfer_fraud_rate_percent"):
            rate = getattr(self, name)
            if rate is not None:
                check_number(name, rate, 0.0, 100.0)
        for name in ("bands", "transfer_bands"):
            limits = [band.max_eur for band in getattr(self, name)]
            if limits != sorted(set(limits)):
                raise ValueError(f"{name}: {limits} are out of order; allowed: each max_eur once, rising")


@dataclass(frozen=True, slots=True)
class ScaCounters:
    """A payer's remote payments since the last strong authentication: how many, and their sum in cents."""

    count: int = 0
    eur_minor: int = 0


class StepUpAdvisor:
    """Turns an action into advice. The few pieces of advice without an expiry are made once and shared."""

    __slots__ = ("_amounts", "_exempt", "_expiry", "_plain", "_sca", "_step_up")

    def __init__(self, step_up: StepUp, sca: Sca, amounts: ReferenceAmounts) -> None:
        self._amounts = amounts
        self._sca = sca
        self._expiry = timedelta(seconds=step_up.expires_s)
        self._step_up = step_up.step_up
        self._plain = {
            action: StepUpAdvice(indicator, Exemption.NONE, None, None)
            for action, indicator in (
                (Action.APPROVE, step_up.approve),
                (Action.REVIEW, step_up.review),
                (Action.DECLINE, step_up.decline),
            )
        }
        low_value = StepUpAdvice(ChallengeIndicator.NO_CHALLENGE, Exemption.LOW_VALUE, None, None)
        self._exempt: dict[int | None, StepUpAdvice] = {None: low_value} | {
            band: StepUpAdvice(
                ChallengeIndicator.NO_CHALLENGE_RISK_ANALYSIS_DONE, Exemption.TRANSACTION_RISK, band, None
            )
            for band in (100, 250, 500)
        }

    def of_action(self, payment: Payment, action: Action) -> StepUpAdvice:
        """Advice on an action without looking for an exemption."""
        if action is Action.STEP_UP:
            return StepUpAdvice(self._step_up, Exemption.NONE, None, payment.event_time + self._expiry)
        return self._plain[action]

    def of_approval(self, payment: Payment, assessment: Assessment, counters: ScaCounters) -> StepUpAdvice:
        """Advice on an approval without reasons: a remote payment in which nothing is found may be exempt."""
        if self._sca.enabled and is_remote(payment) and not self._finds(assessment):
            exempt = self._exemption(payment, counters)
            if exempt is not None:
                return exempt
        return self._plain[Action.APPROVE]

    def _finds(self, assessment: Assessment) -> bool:
        limit = self._sca.finding_surprise
        return any(not evidence.surprise < limit for evidence, _ in assessment.evidence)

    def _exemption(self, payment: Payment, counters: ScaCounters) -> StepUpAdvice | None:
        cents = self._amounts.in_euro_minor(payment)
        if cents is None:
            return None
        if self._is_low_value(cents, counters):
            return self._exempt[None]
        band = self._risk_band(cents, payment.payment_type)
        return None if band is None else self._exempt[band]

    def _is_low_value(self, cents: int, counters: ScaCounters) -> bool:
        sca = self._sca
        return (
            cents <= _cents(sca.low_value_eur)
            and counters.count < sca.low_value_count
            and counters.eur_minor + cents <= _cents(sca.low_value_total_eur)
        )

    def _risk_band(self, cents: int, payment_type: PaymentType) -> int | None:
        sca = self._sca
        is_transfer = payment_type is PaymentType.TRANSFER
        rate = sca.transfer_fraud_rate_percent if is_transfer else sca.fraud_rate_percent
        if rate is None:
            return None
        for band in sca.transfer_bands if is_transfer else sca.bands:
            if cents <= _cents(band.max_eur):
                return band.max_eur if rate <= band.max_fraud_percent else None
        return None


def _cents(euro: float) -> int:
    return round(euro * 100)


def is_remote(payment: Payment) -> bool:
    """Whether a payer pays from afar. What does not say so is not remote: no exemption by omission.

    Orders by mail or telephone are not electronic payments, and no exemption is for them.
    """
    return (
        payment.channel in _REMOTE_CHANNELS
        and payment.entry_mode not in _CREDENTIAL_PRESENT
        and payment.payment_type in (PaymentType.PURCHASE, PaymentType.TRANSFER)
    )
