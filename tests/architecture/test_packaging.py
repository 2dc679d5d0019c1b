"""The lock holds what the project asks for, the same in every environment, and names no machine."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN: Final = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    return dict(_PIN.findall(lock.read_text()))


def stale_pins(wanted: list[str], locked: dict[str, str]) -> list[str]:
    found = []
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement}: the lock has {version}; run: make lock")
    return found


def unhashed_pins(lock: Path) -> list[str]:
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock.read_text(), flags=re.MULTILINE)[1:]
    return [block.split()[0] for block in blocks if "--hash=sha256:" not in block]


def project(checkout: Path) -> tuple[list[str], list[str]]:
    settings = tomllib.loads((checkout / "pyproject.toml").read_text())
    return settings["project"]["dependencies"], settings["dependency-groups"]["dev"]


def test_locks_satisfy_the_project(checkout: Path) -> None:
    runtime, dev = project(checkout)
    assert stale_pins(runtime, pins(checkout / "requirements.lock")) == []
    assert stale_pins(runtime + dev, pins(checkout / "requirements-dev.lock")) == []


def test_tests_run_on_the_versions_that_are_shipped(checkout: Path) -> None:
    runtime, dev = pins(checkout / "requirements.lock"), pins(checkout / "requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_has_a_hash_and_no_place_is_named(checkout: Path, name: str) -> None:
    assert unhashed_pins(checkout / name) == []
    assert "://" not in (checkout / name).read_text()


def test_a_stale_pin_is_found() -> None:
    assert len(stale_pins(["river>=0.26,<0.27", "geopy>=2"], {"river": "0.25.0", "geopy": "2.5"})) == 1
    assert len(stale_pins(["kafka_python>=3"], {})) == 1


def test_a_pin_without_a_hash_is_found(plant: Callable[[str, str], Path]) -> None:
    root = plant("a.lock", "geopy==2.5\nriver==0.26 \\\n    --hash=sha256:00\n")
    assert unhashed_pins(root / "a.lock") == ["geopy==2.5"]
