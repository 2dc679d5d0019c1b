"""What a package offers is named in its ``__all__``, and importing it does nothing visible."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = ("geo", "detectors", "alerting", "flows", "replay")

WATCH_IMPORTS: Final = """
import importlib, os, pkgutil, signal, sys, threading

def modules():
    for package in sys.argv[2:]:
        yield package
        paths = importlib.import_module(package).__path__
        yield from (m.name for m in pkgutil.walk_packages(paths, package + ".") if "__main__" not in m.name)

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/proto"]
names = list(modules())
for name in names:
    importlib.import_module(name)
# What the libraries do at their import happened above; the second import shows only our own doing.
for name in names:
    sys.modules.pop(name, None)

events = []
def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes or event.startswith(("socket.", "sqlite3.", "subprocess.", "os.putenv", "os.mkdir", "signal.")):
        events.append(event)

def state():
    return (threading.active_count(), dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGTERM))

sys.addaudithook(watch)
before = state()
for name in names:
    importlib.import_module(name)
    found = ["threads, environment or signals"] if state() != before else []
    if events or found:
        print("IMPORT", name, *events, *found)
        events.clear()
        before = state()
"""


def unlisted_names(root: Path) -> list[str]:
    found = []
    for package in PACKAGES:
        for file in sorted((root / package).rglob("__init__.py")):
            path = file.relative_to(root).as_posix()
            tree = ast.parse(file.read_text())
            offered, listed = set(_bound(tree)), _listed(tree)
            found += [f"{path}: {name} is public but not in __all__" for name in sorted(offered - listed)]
            found += [f"{path}: {name} is in __all__ but not there" for name in sorted(listed - offered)]
    return found


def visible_imports(root: Path, packages: tuple[str, ...]) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-B", "-c", WATCH_IMPORTS, str(root), *packages],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return (run.stdout + run.stderr).splitlines()


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        yield from (name for name in names if not name.startswith("_"))


def _listed(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_every_public_name_of_a_package_is_listed(checkout: Path) -> None:
    assert unlisted_names(checkout) == []


def test_importing_a_module_does_nothing_visible(checkout: Path) -> None:
    assert (
        visible_imports(checkout, tuple(p for p in PACKAGES if (checkout / p / "__init__.py").exists())) == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "from geo.position import Position\n",
        "from geo.position import Position as Place\n\n__all__ = []\n",
        "def hidden():\n    pass\n\n\n__all__ = []\n",
        "__all__ = ['missing']\n",
    ],
)
def test_a_name_that_is_not_listed_is_found(plant: Callable[[str, str], Path], text: str) -> None:
    assert len(unlisted_names(plant("geo/__init__.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "print('hello')\n",
        "import sys\nsys.stderr.write('hello')\n",
        "open(__file__ + '.new', 'w').close()\n",
        "import socket\nsocket.socket().close()\n",
        "import os\nos.environ['A_NEW_ONE'] = str(len(os.environ))\n",
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        "import sqlite3\nsqlite3.connect(':memory:').close()\n",
    ],
)
def test_a_module_that_acts_when_imported_is_found(plant: Callable[[str, str], Path], text: str) -> None:
    plant("planted/__init__.py", "")
    assert visible_imports(plant("planted/loud.py", text), ("planted",)) != []


def test_a_quiet_module_is_let_pass(plant: Callable[[str, str], Path]) -> None:
    root = plant("planted/__init__.py", "NUMBER = 7\n__all__ = ['NUMBER']\n")
    assert visible_imports(root, ("planted",)) == []
