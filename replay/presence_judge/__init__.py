"""How good the fences' state machine is on recorded tracks, against simple rules on the same tracks.

The truth is found in hindsight, from the fixes alone (:mod:`replay.presence_judge.truth`). The rules and the
state machine see one fix after the other (:mod:`replay.presence_judge.rules`). What they said is counted in
:mod:`replay.presence_judge.counts`, whose docstring says what counts as what.
"""

from replay.presence_judge.report import PresenceReport, judge_presence
from replay.presence_judge.truth import TruthParams

__all__ = ["PresenceReport", "TruthParams", "judge_presence"]
