"""Pure packages know no clock, no chance and no outside world; nowhere is chance without a seed."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

PURE: Final = ("geo", "detectors", "alerting")
IMPURE_PARTS: Final = ("alerting/rpc/",)
PACKAGES: Final = (*PURE, "flows", "replay")

NO_IMPORT: Final = frozenset(
    {"asyncio", "glob", "http", "httpx", "io", "logging", "multiprocessing", "os", "pathlib", "requests"}
    | {"secrets", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading"}
    | {"time", "urllib", "uuid"}
)
NO_CALL: Final = frozenset({"breakpoint", "eval", "exec", "hash", "input", "open", "print"})
NO_METHOD: Final = frozenset(
    {"now", "utcnow", "today", "open", "read_text", "read_bytes", "write_text", "write_bytes", "urandom"}
)
SEEDED: Final = frozenset({"Random", "default_rng"})
EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("alerting/cloud_events.py", "urllib.parse"): "escapes in a text",
    ("geo/local_time.py", "read_text"): "the list of zones in the locked tzdata package",
    ("geo/local_time.py", "open"): "the rules of a zone in the locked tzdata package",
}


def purity_violations(root: Path) -> list[str]:
    found = []
    for path, tree in _modules(root, PURE):
        if path.startswith(IMPURE_PARTS):
            continue
        for line, name in (*_impure_imports(tree), *_impure_calls(tree)):
            if (path, name) not in EXCEPTIONS:
                found.append(f"{path}:{line}: {name} is not pure")
    return found


def seed_violations(root: Path) -> list[str]:
    return [
        f"{path}:{line}: {name} has no seed"
        for path, tree in _modules(root, PACKAGES)
        for line, name in _unseeded(tree)
    ]


def _modules(root: Path, packages: tuple[str, ...]) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            yield file.relative_to(root).as_posix(), ast.parse(file.read_text())


def _impure_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            from_name = node.module or "" if isinstance(node, ast.ImportFrom) else None
            names = [alias.name for alias in node.names] if from_name is None else [from_name]
            yield from ((node.lineno, name) for name in names if name.split(".")[0] in NO_IMPORT)


def _impure_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in NO_CALL:
            yield node.lineno, node.func.id
        elif isinstance(node.func, ast.Attribute) and node.func.attr in NO_METHOD:
            yield node.lineno, node.func.attr


def _unseeded(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name != "Random")
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"random", "np.random"}:
            if node.attr not in SEEDED | {"Generator"}:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and not (node.args or node.keywords):
            name = ast.unparse(node.func)
            if name.split(".")[-1] in SEEDED:
                yield node.lineno, f"{name}()"


def test_pure_packages_are_pure(checkout: Path) -> None:
    assert purity_violations(checkout) == []


def test_nothing_is_random_without_a_seed(checkout: Path) -> None:
    assert seed_violations(checkout) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("geo/a.py", "import time\n"),
        ("detectors/a.py", "from socket import create_connection\n"),
        ("alerting/a.py", "import os.path\n"),
        ("detectors/a.py", "from datetime import datetime, UTC\nat = datetime.now(UTC)\n"),
        ("detectors/a.py", "import datetime\nat = datetime.datetime.utcnow()\n"),
        ("alerting/a.py", "def load(name):\n    return open(name)\n"),
        ("detectors/a.py", "def say(text):\n    print(text)\n"),
        ("detectors/a.py", "key = hash('user')\n"),
        ("alerting/a.py", "def load(path):\n    return path.read_text()\n"),
    ],
)
def test_an_impure_line_is_found(plant: Callable[[str, str], Path], path: str, text: str) -> None:
    (found,) = purity_violations(plant(path, text))
    assert found.startswith(f"{path}:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    "text",
    [
        "import random\nx = random.random()\n",
        "from random import choice\n",
        "from random import Random\nr = Random()\n",
        "import numpy as np\nx = np.random.rand(3)\n",
        "import numpy as np\nr = np.random.default_rng()\n",
    ],
)
def test_chance_without_a_seed_is_found(plant: Callable[[str, str], Path], text: str) -> None:
    assert len(seed_violations(plant("replay/a.py", text))) == 1


def test_edges_may_touch_the_world_and_seeds_make_chance_fine(plant: Callable[[str, str], Path]) -> None:
    plant("alerting/rpc/server.py", "import threading\nimport time\n")
    root = plant("detectors/model.py", "from random import Random\nr = Random(7)\nx = r.random()\n")
    assert purity_violations(root) == []
    assert seed_violations(root) == []
