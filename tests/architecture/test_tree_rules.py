"""Where code may stand, how long it may be, and what never belongs in the tree."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

CODE_FOLDERS: Final = frozenset({"geo", "detectors", "alerting", "flows", "replay", "proto", "tests"})
MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
LONG_FUNCTION_LINES: Final = 25
MAX_LONG_SHARE: Final = 0.1
LONG_FILES: Final[dict[str, str]] = {}
_UNWANTED: Final = re.compile(
    "|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", r"/(?:home|root|Users|work)" + r"/\w"))
)
_SKIPPED: Final = frozenset({"build", "dist", "runs", "data", "node_modules", "__pycache__"})
_TEXT: Final = frozenset(
    {".py", ".pyi", ".md", ".toml", ".proto", ".yml", ".yaml", ".lock", ".cfg", ".txt", ""}
)


def misplaced_code(root: Path) -> list[str]:
    return [
        f"{path}: Python outside the code folders"
        for path in _paths(root)
        if path.endswith((".py", ".pyi")) and path.split("/")[0] not in CODE_FOLDERS
    ]


def oversized_files(root: Path) -> list[str]:
    found = []
    for path in _own_code(root):
        lines = len((root / path).read_text().splitlines())
        if lines > MAX_FILE_LINES and path not in LONG_FILES:
            found.append(f"{path}: {lines} lines; allowed: {MAX_FILE_LINES}")
    return found


def oversized_functions(root: Path) -> list[str]:
    found, sizes = [], []
    for path in _own_code(root):
        for name, lines in _functions((root / path).read_text()):
            sizes.append(lines)
            if lines > MAX_FUNCTION_LINES:
                found.append(f"{path}: {name} has {lines} lines; allowed: {MAX_FUNCTION_LINES}")
    long = sum(lines > LONG_FUNCTION_LINES for lines in sizes)
    if long > MAX_LONG_SHARE * len(sizes):
        found.append(
            f"{long} of {len(sizes)} functions have over {LONG_FUNCTION_LINES} lines; allowed: one in ten"
        )
    return found


def unwanted_text(root: Path) -> list[str]:
    found = []
    for path in _paths(root):
        if Path(path).suffix not in _TEXT or "third_party" in path:
            continue
        for number, line in enumerate((root / path).read_text().splitlines(), start=1):
            if match := _UNWANTED.search(line):
                found.append(f"{path}:{number}: {match.group()!r} does not belong here")
    return found


def _own_code(root: Path) -> Iterator[str]:
    return (path for path in _paths(root) if path.endswith(".py") and not path.startswith("proto/"))


def _paths(root: Path) -> Iterator[str]:
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(
            name for name in inner if name not in _SKIPPED and (name[0] != "." or name in {".ci", ".github"})
        )
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in sorted(names))


def _functions(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The docstring is for the reader and costs nothing; it is not counted.
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            first = body[0].lineno if body else node.lineno
            yield node.name, (node.end_lineno or first) - first + 2


def test_code_stands_only_in_the_code_folders(checkout: Path) -> None:
    assert misplaced_code(checkout) == []


def test_no_file_is_too_long_without_a_reason(checkout: Path) -> None:
    assert oversized_files(checkout) == []
    assert [path for path in LONG_FILES if not (checkout / path).exists()] == []


def test_functions_are_short(checkout: Path) -> None:
    assert oversized_functions(checkout) == []


def test_no_unfinished_work_and_no_machine_paths(checkout: Path) -> None:
    assert unwanted_text(checkout) == []


def test_every_package_says_that_it_is_typed(checkout: Path) -> None:
    packages = [f for f in CODE_FOLDERS - {"proto", "tests"} if not (checkout / f / "py.typed").exists()]
    assert packages == []
    assert (checkout / "proto/tapwatch/py.typed").exists()


def test_tests_are_no_package(checkout: Path) -> None:
    assert list((checkout / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", ["setup.py", "tools/fix.py", ".ci/check.py"])
def test_misplaced_code_is_found(plant: Callable[[str, str], Path], path: str) -> None:
    plant("geo/fine.py", "")
    assert misplaced_code(plant(path, "")) == [f"{path}: Python outside the code folders"]


def test_a_long_file_is_found(plant: Callable[[str, str], Path]) -> None:
    root = plant("flows/long.py", "x = 1\n" * (MAX_FILE_LINES + 1))
    assert oversized_files(root) == ["flows/long.py: 401 lines; allowed: 400"]


def test_a_long_function_is_found(plant: Callable[[str, str], Path]) -> None:
    root = plant("flows/long.py", "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES)
    assert any("f has 61 lines" in line for line in oversized_functions(root))


def test_too_many_longish_functions_are_found(plant: Callable[[str, str], Path]) -> None:
    longish = "".join(f"def f{i}():\n" + "    x = 1\n" * 30 for i in range(2))
    short = "".join(f"def g{i}():\n    pass\n" for i in range(8))
    assert oversized_functions(plant("flows/a.py", longish + short)) == [
        "2 of 10 functions have over 25 lines; allowed: one in ten"
    ]


@pytest.mark.parametrize(
    "text", ["# TO" + "DO later", "x  # FIX" + "ME", "p = '/ho" + "me/me/x'", "cd /wo" + "rk/main"]
)
def test_unwanted_text_is_found(plant: Callable[[str, str], Path], text: str) -> None:
    assert len(unwanted_text(plant("flows/a.py", f"\n{text}\n"))) == 1
