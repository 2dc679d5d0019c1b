"""What the architecture tests share: the real tree, and a small one to plant violations in."""

from collections.abc import Callable
from pathlib import Path

import pytest

Plant = Callable[[str, str], Path]


@pytest.fixture
def checkout() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Writes one file of a tree and returns the tree's root."""

    def write(path: str, text: str) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return tmp_path

    return write
