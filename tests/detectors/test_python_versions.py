"""What rounds differently from one version of Python to the next stays out of the pure packages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
PURE: Final = ("geo", "detectors", "alerting")
OF_WHOLE_NUMBERS: Final = ("detectors/pan.py", "detectors/compiled_trees.py", "alerting/rpc/")
"""Where ``sum`` adds integers only: it is exact there."""


def float_sums(source: str) -> Iterator[int]:
    """The lines that call ``sum``, which adds floats with less error from Python 3.12 on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum":
            yield node.lineno


def test_no_float_is_summed_in_a_way_that_depends_on_the_version() -> None:
    found = [
        f"{path}:{line}"
        for package in PURE
        for file in sorted((ROOT / package).rglob("*.py"))
        if not (path := file.relative_to(ROOT).as_posix()).startswith(OF_WHOLE_NUMBERS)
        for line in float_sums(file.read_text())
    ]
    assert found == []


def test_a_sum_is_found() -> None:
    assert list(float_sums("x = 1\ny = sum([0.1, 0.2])\n")) == [2]
