"""The decision policy: what a policy file says, as values.

Each part is defined beside the code that applies it, and refuses what can never be. Reading the TOML text is
left to :mod:`flows.policy_file`, applying the policy to :mod:`alerting.decide`.

Errors: :class:`PolicyError`, a ``ValueError`` that lists every problem of one policy.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import ClassVar

from alerting.conditions import Conditions
from alerting.currencies import Currencies
from alerting.fallback import FallbackMatrix, FallbackRow
from alerting.limits import Limit
from alerting.lists import ListEntry, ListField, Listing, ListKind
from alerting.rules import Rule
from alerting.stepup import Sca, StepUp, TraBand
from alerting.thresholds import NEVER, Segment, Thresholds
from detectors.events import STRICT

__all__ = [
    "NEVER",
    "Conditions",
    "Currencies",
    "FallbackMatrix",
    "FallbackRow",
    "Limit",
    "ListEntry",
    "ListField",
    "ListKind",
    "Listing",
    "Policy",
    "PolicyError",
    "Rule",
    "Sca",
    "Segment",
    "StepUp",
    "Thresholds",
    "TraBand",
    "policy_problems",
    "policy_version",
]


class PolicyError(ValueError):
    """A policy that can't be used; ``problems`` has one line per problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Policy:
    """All of one policy. ``version`` names the exact text that it was read from."""

    __pydantic_config__: ClassVar = STRICT

    version: str
    label: str
    thresholds: Thresholds
    segments: tuple[Segment, ...] = ()
    rules: tuple[Rule, ...] = ()
    lists: tuple[Listing, ...] = ()
    limits: tuple[Limit, ...] = ()
    fallback: FallbackMatrix = field(default_factory=FallbackMatrix)
    step_up: StepUp = field(default_factory=StepUp)
    sca: Sca = field(default_factory=Sca)
    currencies: Currencies = field(default_factory=Currencies)


def policy_version(text: str) -> str:
    """The version that names this exact text.

    >>> policy_version("a") == policy_version("a"), policy_version("a") == policy_version("b")
    (True, False)
    """
    return "p-" + blake2b(text.encode(), digest_size=8).hexdigest()


def policy_problems(policy: Policy) -> Iterator[str]:
    """What is wrong between the parts, each being right by itself."""
    yield from _repeated_ids(policy)
    for index, segment in enumerate(policy.segments):
        try:
            segment.thresholds(policy.thresholds)
        except ValueError as error:
            yield f"segments.{index} ({segment.id}), with [thresholds]: {error}"


def _repeated_ids(policy: Policy) -> Iterator[str]:
    # Decisions name rules, lists and limits by id alone, so an id is unique among all of them.
    seen: dict[str, str] = {}
    for section in ("segments", "rules", "lists", "limits"):
        for index, part in enumerate(getattr(policy, section)):
            here = f"{section}.{index}.id"
            if part.id in seen:
                yield f"{here}: {part.id!r} is taken by {seen[part.id]}; allowed: an id of its own"
            seen.setdefault(part.id, here)
