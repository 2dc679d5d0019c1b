"""The state that one payment concerns, handed in by whoever owns it."""

from dataclasses import dataclass

from detectors.fresh import Fresh
from detectors.joint_model import JointModel
from detectors.population import Population
from detectors.profile import EntityProfile, UserProfile


@dataclass(slots=True)
class Subjects:
    """Who and what a payment is about; ``None`` where the payment names none.

    ``fresh`` notes what is to be told to other shards; ``None`` where there are none.
    """

    user: UserProfile
    merchant: EntityProfile
    card: EntityProfile | None
    device: EntityProfile | None
    category: EntityProfile | None
    population: Population
    joint: JointModel
    fresh: Fresh | None = None
