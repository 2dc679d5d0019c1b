"""Imports go one way, and an outside library stays in the place that was chosen for it."""

import ast
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

LAYERS: Final = ("geo", "detectors", "alerting", "flows", "replay")
"""From the bottom up: a package imports itself and what stands before it."""

EDGES: Final = ("alerting/rpc/*", "replay/*")
ANYWHERE_BUT_PURE: Final = ("alerting/rpc/*", "flows/*", "replay/*")
OUTSIDE: Final[dict[str, tuple[str, ...]]] = {
    "bytewax": (
        "flows/dataflow.py",
        "flows/*source*.py",
        "flows/*sink*.py",
        "flows/broker/ingest/ingest_flow.py",
    ),
    "kafka": ("flows/broker/*.py",),
    "pydantic": ("flows/settings.py", "flows/codec.py", "flows/policy_file.py"),
    "pydantic_settings": ("flows/settings.py",),
    "pydantic_core": ("flows/settings.py", "flows/codec.py", "flows/policy_file.py"),
    "grpc": EDGES,
    "grpc_health": EDGES,
    "grpc_reflection": EDGES,
    "grpc_status": EDGES,
    "google": EDGES,
    "tapwatch": EDGES,
    "river": ("detectors/*",),
    "iso4217": ("detectors/*",),
    "geopy": ("geo/*",),
    "rule_engine": ("alerting/*",),
    "structlog": ANYWHERE_BUT_PURE,
    "prometheus_client": ANYWHERE_BUT_PURE,
    "numpy": ("detectors/*", "replay/*"),
    "pyarrow": ("replay/*",),
    "zstandard": ("flows/*", "replay/*"),
    "rich": ("flows/*", "replay/*"),
    "typer": ("flows/*", "replay/*"),
    "typing_extensions": ("*",),
}
"""Where each library may be imported; one that is not named here may be imported nowhere."""


def imported_names(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def layer_violations(root: Path) -> list[str]:
    found = []
    for path, name in _imports(root):
        package, target = path.split("/")[0], name.split(".")[0]
        upward = target in LAYERS and LAYERS.index(target) > LAYERS.index(package)
        if upward or target == "tests":
            found.append(f"{path}: imports {name}, which stands above {package}")
    return found


def library_violations(root: Path) -> list[str]:
    found = []
    for path, name in _imports(root):
        library = name.split(".")[0]
        if library in LAYERS or library == "tests" or library in sys.stdlib_module_names:
            continue
        if not any(fnmatch(path, place) for place in OUTSIDE.get(library, ())):
            places = ", ".join(OUTSIDE.get(library, ())) or "nowhere"
            found.append(f"{path}: imports {name}; allowed: {places}")
    return found


def _imports(root: Path) -> Iterator[tuple[str, str]]:
    for package in LAYERS:
        for file in sorted((root / package).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            yield from ((path, name) for name in imported_names(file.read_text()))


def test_imports_go_one_way(checkout: Path) -> None:
    assert layer_violations(checkout) == []


def test_outside_libraries_stay_in_their_place(checkout: Path) -> None:
    assert library_violations(checkout) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("geo/fence.py", "from detectors.events import Payment\n"),
        ("detectors/deep/travel.py", "import alerting.decision\n"),
        ("alerting/rpc/server.py", "def serve():\n    from flows import task\n"),
        ("flows/task.py", "from replay.cli import main\n"),
        ("geo/fence.py", "import tests.geo\n"),
    ],
)
def test_an_import_of_a_higher_layer_is_found(
    plant: Callable[[str, str], Path], path: str, text: str
) -> None:
    (found,) = layer_violations(plant(path, text))
    assert found.startswith(f"{path}: imports ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("flows/task.py", "import bytewax.operators as op\n"),
        ("detectors/events.py", "from pydantic import BaseModel\n"),
        ("alerting/delivery.py", "import grpc\n"),
        ("flows/serve.py", "from google.protobuf import message\n"),
        ("flows/serve.py", "from tapwatch.v1 import risk_pb2\n"),
        ("replay/diff.py", "from river import stats\n"),
        ("detectors/travel.py", "from geopy.distance import geodesic\n"),
        ("geo/fence.py", "import something_new\n"),
    ],
)
def test_a_library_out_of_its_place_is_found(plant: Callable[[str, str], Path], path: str, text: str) -> None:
    (found,) = library_violations(plant(path, text))
    assert found.startswith(f"{path}: imports ")


def test_imports_that_keep_the_rules_are_let_pass(plant: Callable[[str, str], Path]) -> None:
    plant("alerting/rpc/server.py", "import grpc\nfrom tapwatch.v1 import risk_pb2 as pb\nimport geo\n")
    plant("flows/dataflow.py", "import bytewax.operators as op\nfrom flows.task import ShardTask\n")
    root = plant("replay/cli.py", "import json\nfrom . import diff\nfrom flows import codec\n")
    assert layer_violations(root) == []
    assert library_violations(root) == []
