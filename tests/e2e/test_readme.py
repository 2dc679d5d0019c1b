"""The README's console blocks, typed as they stand, in an empty folder."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def with_free_ports(script: str) -> str:
    """The script with other ports, so that two test runs on one machine don't meet."""
    for port in sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", script))):
        with socket.create_server(("127.0.0.1", 0)) as free:
            script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free.getsockname()[1]}")
    return script


@pytest.mark.slow
def test_every_console_block_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```console\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert len(commands) > 5
    # A server that a failed command left behind would hold the pipes, and the test, for ever.
    lines = ["set -e -m", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT", *commands, ""]
    script = with_free_ports("\n".join(lines))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"health": "SERVING"' in done.stdout
    assert "identical" in done.stdout or "no difference" in done.stdout.lower()
