"""The history checker: whether everything that was sent was decided once, in order, and answered so.

It is told what was sent, what the shard logs hold, what was published and what callers were told, and says
what of this breaks a promise of the engine. It is pure and knows of no files, topics or processes;
:mod:`replay.history.sources` reads those.
"""

from replay.history.check import check_history, compare_outputs
from replay.history.deliveries import Deliveries, Raised, Seen, Step, check_deliveries
from replay.history.values import Answer, Fault, Finding, History, Logged, Output, Published, Sent

__all__ = [
    "Answer",
    "Deliveries",
    "Fault",
    "Finding",
    "History",
    "Logged",
    "Output",
    "Published",
    "Raised",
    "Seen",
    "Sent",
    "Step",
    "check_deliveries",
    "check_history",
    "compare_outputs",
]
