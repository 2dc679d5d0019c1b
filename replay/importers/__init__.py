"""Data sets of card transactions as event streams, one module per source.

Each source module has ``events(folder, label_delay)``: payments and, behind the delay, fraud reports, in time
order. What becomes of each column stands in that module's docstring.
"""

from replay.importers.dataset import SOURCES, Choices, ImportSummary, import_dataset

__all__ = ["SOURCES", "Choices", "ImportSummary", "import_dataset"]
