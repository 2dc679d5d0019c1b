"""From a payment and its subjects to a score, and from an outcome to what is learned.

Three verbs, in this order: :meth:`Scorer.assess` looks and changes nothing, :meth:`Scorer.observe` counts
the payment whatever was decided, :meth:`Scorer.learn` teaches the norms a payment that was let through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import isfinite, log10
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from detectors.assessment import Assessment, Evidence
from detectors.context import Context
from detectors.events import Location, Payment
from detectors.features import FEATURE_VERSION, NAMES, SURPRISES, measure, values
from detectors.joint_model import JointModel
from detectors.learning import Memories, learn_location, learn_payment, observe_payment
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.registry import DETECTORS, Detector
from detectors.subjects import Subjects

__all__ = [
    "FEATURE_VERSION",
    "MODEL_VERSION",
    "Detector",
    "EntityProfile",
    "JointModel",
    "ModelParams",
    "Population",
    "Scorer",
    "Subjects",
    "UserProfile",
    "model_version",
]

MODEL_VERSION: Final = "model-2"
_NO_RATES: Final[Mapping[str, float]] = MappingProxyType({})
_T = TypeVar("_T")
_FIRST_SURPRISE: Final = len(NAMES) - len(SURPRISES)


def _with_detectors(model: type[_T]) -> type[_T]:
    """Give the class a field per detector: its parameters, under its name."""
    for entry in DETECTORS:
        model.__annotations__[entry.name] = entry.params
        setattr(model, entry.name, field(default_factory=entry.params))
    return model


@dataclass(frozen=True)
@_with_detectors
class ModelParams:
    """Everything that can be set about the model; the same parameters and log give the same scores.

    Beside the parameters below there is one for each detector, under its name: ``params.travel.weight``.

    Parameters
    ----------
    reference_currency, rates
        The currency in which amounts are compared, and its units per major unit of each other currency;
        amounts in a currency without a rate are compared with nothing.
    time_zone
        The local time of users who did not set one.
    report_from
        Only calibrated surprise beyond this adds to the raw score: one payment in three is as unusual.
    max_accuracy_m
        Positions less accurate than this are not kept as the last known one.
    """

    reference_currency: str = "EUR"
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    time_zone: str = "UTC"
    report_from: float = 0.5
    max_accuracy_m: float = 50_000.0

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The parameters of a detector: of a class that only its own module knows."""

    def __post_init__(self) -> None:
        for currency, rate in self.rates.items():
            if not (rate > 0.0 and isfinite(rate)):
                raise ValueError(f"rates: {rate!r} for {currency[:12]!r} is not a rate; allowed: above 0")


_DEFAULTS: Final = ModelParams()


def model_version(params: ModelParams) -> str:
    """The version of the model as it is set: other parameters are another version.

    Currencies are left out: the policy sets them, and has a version of its own.
    """
    said = repr(replace(params, reference_currency="", rates=_NO_RATES))
    return f"{MODEL_VERSION}-{blake2b(said.encode(), digest_size=4).hexdigest()}"


class Scorer:
    """Scores payments and learns from them. Holds parameters only; all state is in the subjects."""

    def __init__(self, params: ModelParams = _DEFAULTS) -> None:
        self.params = params
        self._rates = {**params.rates, params.reference_currency: 1.0}
        self._detectors = tuple(entry.make(getattr(params, entry.name)) for entry in DETECTORS)
        self._steps = tuple(
            (place, detector.name, float(getattr(params, detector.name).weight), detector.score_one)
            for place, detector in enumerate(self._detectors)
        )
        self._memories = Memories(
            amount=params.amount.memory,
            category=params.category_amount.memory,
            rhythm=params.rhythm.memory,
            novelty=params.novelty.memory,
            distance=params.payer_distance.memory,
            merchant=params.merchant.memory,
        )

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The detectors, in the order of ``detectors.features.SURPRISES``."""
        return self._detectors

    def measure(self, payment: Payment, subjects: Subjects) -> Context:
        """What the detectors see of the payment; changes nothing."""
        params = self.params
        context = measure(payment, subjects, self._rates, params.time_zone)
        context.currency = params.reference_currency
        return context

    def assess(self, payment: Payment, subjects: Subjects) -> Assessment:
        """Score the payment; changes nothing."""
        context = self.measure(payment, subjects)
        population, threshold = subjects.population, self.params.report_from
        surprises = [0.0] * len(self._steps)
        found: list[tuple[Evidence, float]] = []
        raw = 0.0
        for place, name, weight, score_one in self._steps:
            evidence = score_one(context)
            if evidence is None:
                continue
            surprises[place] = evidence.surprise
            part = (population.calibrated(name, evidence.surprise) - threshold) * weight
            if part > 0.0:
                raw += part
                found.append((evidence, part))
        if len(found) > 1:
            found.sort(key=_by_weight)
        shares = tuple([(evidence, part / raw) for evidence, part in found])
        score = 25.0 * -log10(population.tail(raw)) if raw > 0.0 else 0.0
        features = values(context, surprises)
        return Assessment(min(100.0, max(0.0, score)), raw, shares, features, context)

    def observe(self, payment: Payment, subjects: Subjects, assessment: Assessment | None) -> None:
        """Count the payment: the facts, whatever was decided; ``None`` when it was never assessed."""
        context = assessment.context if assessment is not None else None
        if context is None:
            context = self.measure(payment, subjects)
        fresh = None if subjects.fresh is None else subjects.fresh.population
        cries: list[tuple[str, float]] = []
        if assessment is not None:
            surprises = assessment.features[_FIRST_SURPRISE:]
            cries = [cry for cry in zip(SURPRISES, surprises, strict=True) if cry[1]]
        for population in (subjects.population,) if fresh is None else (subjects.population, fresh):
            population.see(context.time_s)
            if assessment is not None:
                population.observe(cries, assessment.raw_score)
        observe_payment(context, subjects)

    def learn(
        self,
        payment: Payment,
        subjects: Subjects,
        features: tuple[float, ...],
        context: Context | None = None,
    ) -> None:
        """Teach the norms a payment that was let through; it may be older than what they know.

        The features are those of its assessment, empty when it was never assessed. The context is that of
        the assessment too, if the norms are still what they were then.
        """
        if context is None:
            context = self.measure(payment, subjects)
        learn_payment(context, subjects, features, self._memories)

    def locate(self, location: Location, user: UserProfile, population: Population) -> None:
        """Take a position fix as the last known position, if it can be trusted and is not older."""
        learn_location(location, user, population.clock, self.params.max_accuracy_m)


def _by_weight(pair: tuple[Evidence, float]) -> tuple[float, str]:
    return -pair[1], pair[0].code
