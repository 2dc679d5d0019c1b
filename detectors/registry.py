"""Which detectors there are: every module of ``detectors.kinds``, in the order of their names.

A module ``some_thing`` holds ``SomeThingParams``, a frozen dataclass with a ``weight``, and
``SomeThingDetector``, which is made from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, Protocol

from detectors import kinds
from detectors.assessment import Evidence, ReasonSpec
from detectors.context import Context


class Detector(Protocol):
    """Finds one kind of unusual thing. ``score_one`` is pure: the same context gives the same evidence."""

    @property
    def name(self) -> str:
        """The name of its module, of its parameters and of its ``surprise_*`` feature."""
        ...

    @property
    def reasons(self) -> tuple[ReasonSpec, ...]:
        """What the evidence that it gives can say."""
        ...

    def score_one(self, context: Context) -> Evidence | None:
        """What is unusual about the payment, or None."""
        ...


@dataclass(frozen=True, slots=True)
class DetectorEntry:
    """One detector: its name, its parameters' class, how it is made from them, and what it can say."""

    name: str
    params: type[Any]
    make: Callable[[Any], Detector]
    reasons: tuple[ReasonSpec, ...]


def _find() -> Iterator[DetectorEntry]:
    taken: dict[str, str] = {}
    for name in sorted(module.name for module in iter_modules(kinds.__path__)):
        module = import_module(f"{kinds.__name__}.{name}")
        camel = "".join(part.capitalize() for part in name.split("_"))
        for wanted in (f"{camel}Detector", f"{camel}Params"):
            if not hasattr(module, wanted):
                raise ImportError(f"{name}: holds no {wanted}; allowed: a detector and its parameters")
        make, params = getattr(module, f"{camel}Detector"), getattr(module, f"{camel}Params")
        for spec in make.reasons:
            if spec.code in taken:
                raise ImportError(f"{name}: the code {spec.code} is taken by {taken[spec.code]}")
            taken[spec.code] = name
        yield DetectorEntry(name, params, make, make.reasons)


DETECTORS: Final = tuple(_find())
"""All detectors, by name: the order of the ``surprise_*`` features."""
