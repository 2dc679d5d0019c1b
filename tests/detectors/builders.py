"""Payments, subjects and small histories for the tests of detectors."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from detectors.assessment import Assessment, Evidence
from detectors.events import Channel, EntryMode, Payment
from detectors.joint_model import JointModel
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile
from detectors.scoring import ModelParams, Scorer, Subjects
from geo import Position

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
HOME = Position(50.85, 4.35, 20.0)


def a_payment(**changes: Any) -> Payment:
    """A plain purchase of 25 euros at noon on a Monday."""
    return replace(Payment("t-1", "u-1", 2_500, "EUR", START, "m-1"), **changes)


def a_full_payment(**changes: Any) -> Payment:
    """A purchase that says everything a payment can say."""
    full: dict[str, Any] = {
        "mcc": "5411",
        "merchant_country": "BE",
        "merchant_position": Position(50.86, 4.36),
        "payer_position": HOME,
        "device_id": "d-1",
        "channel": Channel.WALLET,
        "entry_mode": EntryMode.CONTACTLESS,
        "card_token": "c-1",
    }
    return a_payment(**(full | changes))


@dataclass
class World:
    """A scorer and all state, in plain dictionaries."""

    scorer: Scorer = field(default_factory=Scorer)
    users: dict[str, UserProfile] = field(default_factory=dict)
    entities: dict[str, EntityProfile] = field(default_factory=dict)
    population: Population = field(default_factory=Population)
    joint: JointModel = field(default_factory=JointModel)

    def subjects(self, payment: Payment) -> Subjects:
        """The state that the payment concerns; new where there was none."""
        return Subjects(
            user=self.users.setdefault(payment.user_id, UserProfile()),
            merchant=self._entity("merchant", payment.merchant_id),
            card=self._entity("card", payment.card_token) if payment.card_token else None,
            device=self._entity("device", payment.device_id) if payment.device_id else None,
            category=self._entity("category", payment.mcc) if payment.mcc else None,
            population=self.population,
            joint=self.joint,
        )

    def assess(self, payment: Payment) -> Assessment:
        """Score only."""
        return self.scorer.assess(payment, self.subjects(payment))

    def pay(self, payment: Payment) -> Assessment:
        """Score, count and learn."""
        subjects = self.subjects(payment)
        assessment = self.scorer.assess(payment, subjects)
        self.scorer.observe(payment, subjects, assessment)
        self.scorer.learn(payment, subjects, assessment.features)
        return assessment

    def found(self, payment: Payment) -> dict[str, Evidence]:
        """What the detectors say of the payment, by code, whether or not it counts in the score."""
        context = self.scorer.measure(payment, self.subjects(payment))
        found = [detector.score_one(context) for detector in self.scorer.detectors]
        return {evidence.code: evidence for evidence in found if evidence is not None}

    def packed(self) -> tuple[bytes, ...]:
        """All state but the joint model's, as bytes."""
        profiles: list[UserProfile | EntityProfile] = [*self.users.values(), *self.entities.values()]
        return (*(profile.pack() for profile in profiles), self.population.pack())

    def restored(self) -> "World":
        """The same world, packed and read again."""
        return World(
            self.scorer,
            {key: UserProfile.unpack(user.pack()) for key, user in self.users.items()},
            {key: EntityProfile.unpack(entity.pack()) for key, entity in self.entities.items()},
            Population.unpack(self.population.pack()),
            self.joint,
        )

    def _entity(self, kind: str, name: str) -> EntityProfile:
        return self.entities.setdefault(f"{kind}/{name}", EntityProfile())


def a_stream(payments: int, seed: int = 7, users: int = 6) -> list[Payment]:
    """Ordinary payments of a few users who all say everything."""
    chance, at, made = Random(seed), START, []
    for number in range(payments):
        at += timedelta(seconds=chance.randint(20, 20_000 // users))
        user = chance.randrange(users)
        shop = user * 3 + chance.randrange(3)
        made.append(
            a_full_payment(
                transaction_id=f"t-{number}",
                user_id=f"u-{user}",
                card_token=f"c-{user}",
                device_id=f"d-{user}",
                merchant_id=f"m-{shop}",
                mcc=str(5400 + shop % 4),
                amount_minor=max(1, int(chance.lognormvariate(7.8, 0.6))),
                event_time=at,
                payer_position=Position(50.8 + user / 50 + chance.gauss(0, 0.01), 4.3, 30.0),
                merchant_position=Position(50.8 + user / 50, 4.3 + shop / 500),
            )
        )
    return made


def a_settled_world(payments: int = 120, every: timedelta = timedelta(hours=6), **changes: Any) -> World:
    """A world whose user ``u-1`` made equal-sized payments, every few hours, up to just before START."""
    world = World(Scorer(ModelParams()))
    for number in range(payments):
        at = START - every * (payments - number)
        amount = 2_000 + 37 * number % 1_000
        world.pay(a_full_payment(**({"event_time": at, "amount_minor": amount} | changes)))
    return world
