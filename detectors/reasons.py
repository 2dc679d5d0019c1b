"""What each reason's code means, as the detectors say it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from detectors.assessment import ReasonSpec
from detectors.registry import DETECTORS

REASONS: Final[Mapping[str, ReasonSpec]] = MappingProxyType(
    {spec.code: spec for entry in DETECTORS for spec in entry.reasons}
)
"""All reasons by code."""
