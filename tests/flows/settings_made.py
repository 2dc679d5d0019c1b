"""Settings of a server in a folder of its own, on ports that are free."""

from pathlib import Path
from typing import Any

from flows.settings import Settings, load_settings

ANY_PORT = "127.0.0.1:0"


def settings(tmp_path: Path, **changed: Any) -> Settings:
    flags: dict[str, Any] = {"data_dir": tmp_path / "data", "listen": ANY_PORT, "operator_listen": ANY_PORT}
    return load_settings(**flags | changed)
