"""What other libraries say and what nobody caught goes into the process's log."""

import json
import subprocess
import sys

import pytest

SAY = {
    "a library's logger": "import logging; logging.getLogger('lib').error('said\\n%s', 'twice')",
    "a warning": "import warnings; warnings.warn('old', DeprecationWarning)",
    "an uncaught error": "1 / 0",
    "an uncaught error of a thread": "import threading; threading.Thread(target=lambda: 1 / 0).start()",
    "an error that can't be raised": "class A:\n  def __del__(self): 1 / 0\nA()",
    "a logged error": "import logging\ntry:\n  1 / 0\nexcept ArithmeticError:\n  logging.exception('failed')",
    "a line of ours": "import structlog; structlog.get_logger().info('done', position=1)",
}


@pytest.mark.parametrize("what", SAY)
def test_with_the_json_form_every_line_is_json(what: str) -> None:
    code = f"from flows.process_log import configure_logging\nconfigure_logging('json')\n{SAY[what]}"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == 1
    assert {"event", "level", "timestamp"} <= lines[0].keys()
    assert ("ZeroDivisionError" in done.stderr) == ("1 / 0" in SAY[what])


def test_a_caller_that_hung_up_is_not_logged_as_an_error() -> None:
    code = (
        "from flows.process_log import configure_logging\nimport logging\nconfigure_logging('json')\n"
        "log = logging.getLogger('grpc._cython.cygrpc')\n"
        "log.error('ExecuteBatchError raised in core by servicer method [/Decide]')\n"
        "log.error('another error')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["another error"]
