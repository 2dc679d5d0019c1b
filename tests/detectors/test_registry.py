"""A new detector is one new file: it is found, counts, has words and can be set."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = """
from dataclasses import dataclass
from detectors.assessment import Evidence, Family, ReasonSpec

@dataclass(frozen=True, slots=True)
class LoudNameParams:
    weight: float = 1.0
    surprise: float = 4.0

class LoudNameDetector:
    name = "loud_name"
    reasons = (ReasonSpec("LOUD_NAME", Family.HIGH_RISK_PAYEE, "Merchant's name is loud"),)

    def __init__(self, params):
        self.params = params

    def score_one(self, context):
        name = context.payment.merchant_name or ""
        return Evidence("LOUD_NAME", self.params.surprise, 1.0, subject=name) if name.isupper() else None
"""
RUN = """
import sys
from detectors import kinds
kinds.__path__.append(sys.argv[1])
from dataclasses import replace
from alerting.decide import Decider, ScaCounters
from alerting.wording import reason_line
from detectors.features import FEATURE_VERSION, NAMES, SURPRISES
from detectors.population import Population
from detectors.scoring import MODEL_VERSION, ModelParams, Scorer
from flows.policy_file import default_policy_text, parse_policy
from tests.detectors.builders import World, a_full_payment, a_stream

assert SURPRISES == tuple(sorted(SURPRISES)) and "loud_name" in SURPRISES
world = World()
for payment in a_stream(200):
    world.pay(payment)
loud = replace(a_stream(201)[-1], merchant_name="BUY NOW")
assessment = world.assess(loud)
decider = Decider(parse_policy(default_policy_text()), NAMES, MODEL_VERSION, FEATURE_VERSION)
decision = decider.decide(loud, assessment, ScaCounters(), 1)
print(decision.action, FEATURE_VERSION)
print(*map(reason_line, decision.reasons), sep="\\n")
assert dict(zip(NAMES, assessment.features))["surprise_loud_name"] == 4.0
world.pay(loud)
again = Population.unpack(world.population.pack())
assert again.calibrated("loud_name", 4.0) == world.population.calibrated("loud_name", 4.0) < 4.0
off = replace(ModelParams(), loud_name=replace(ModelParams().loud_name, weight=0.0))
assert World(Scorer(off)).assess(loud).raw_score < 1.0
"""


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-c", program, str(folder)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_is_all_that_a_new_detector_needs(tmp_path: Path) -> None:
    (tmp_path / "loud_name.py").write_text(TOY)
    done = run(tmp_path, RUN)
    assert done.returncode == 0, done.stderr
    first, *reasons = done.stdout.splitlines()
    action, version = first.split()
    assert action != "APPROVE"
    assert reasons[0] == "Merchant's name is loud: BUY NOW"
    without = run(
        tmp_path / "empty", "from detectors.features import FEATURE_VERSION; print(FEATURE_VERSION)"
    )
    assert version != without.stdout.strip()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("LOUD_NAME", "AMOUNT_HIGH"), "the code AMOUNT_HIGH is taken by amount"),
        (("LoudNameParams", "NoisyParams"), "loud_name: holds no LoudNameParams"),
        (("class LoudNameDetector", "class Loud"), "loud_name: holds no LoudNameDetector"),
    ],
)
def test_a_file_that_is_no_detector_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    (tmp_path / "loud_name.py").write_text(TOY.replace(*change))
    done = run(tmp_path, RUN)
    assert done.returncode != 0
    assert problem in done.stderr
