"""The schema keeps its rules, its promises to callers, and its generated code."""

import shutil
import subprocess
import sys
from pathlib import Path

import google.rpc
import pytest

from tapwatch.v1 import risk_pb2

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"
BUF = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
needs_buf = pytest.mark.skipif(BUF is None, reason="THE SCHEMA IS NOT CHECKED: buf is not installed")


def _buf(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(BUF), *arguments], input=given, capture_output=True, check=False, cwd=ROOT)


@needs_buf
def test_the_schema_passes_lint_with_a_comment_on_everything() -> None:
    run = _buf("lint", "proto")
    assert run.returncode == 0, run.stdout.decode()


@needs_buf
def test_the_schema_breaks_no_caller_of_the_released_one() -> None:
    assert _breaking(PROTO) == ""


@needs_buf
def test_a_breaking_change_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(PROTO, tmp_path / "proto", ignore=shutil.ignore_patterns("*.py*"))
    events = tmp_path / "proto/tapwatch/v1/events.proto"
    events.write_text(events.read_text().replace("int64 amount_minor", "int32 amount_minor"))
    assert 'changed type from "int64" to "int32"' in _breaking(tmp_path / "proto")


def test_the_generated_code_is_what_the_schema_gives(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="THE STUBS ARE NOT CHECKED: grpcio-tools is not installed")
    schema = sorted(str(path) for path in PROTO.glob("tapwatch/v1/*.proto"))
    include = (f"-I{PROTO}", f"-I{PROTO / 'third_party'}")
    command = [sys.executable, "-m", "grpc_tools.protoc", *include]
    subprocess.run([*command, f"--python_out={tmp_path}", *schema], check=True)
    services = [path for path in schema if "\nservice " in Path(path).read_text()]
    subprocess.run([*command, f"--grpc_python_out={tmp_path}", *services], check=True)
    fresh = {path.name: path.read_text() for path in tmp_path.glob("tapwatch/v1/*.py")}
    checked_in = {path.name: path.read_text() for path in PROTO.glob("tapwatch/v1/*.py")}
    assert fresh == checked_in


def test_the_stubs_live_beside_googles_own_packages() -> None:
    assert risk_pb2.DESCRIPTOR.package == "tapwatch.v1"
    assert not any(Path(place).is_relative_to(PROTO) for place in google.rpc.__path__)


def _breaking(schema: Path) -> str:
    image = _buf("build", str(schema), "-o", "-").stdout
    return _buf("breaking", "-", "--against", str(PROTO / "baseline.binpb"), given=image).stdout.decode()
