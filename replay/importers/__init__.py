"""Data sets as event streams, one module per source.

Each source module has ``events(folder, ...)``: of card transactions the payments and, behind a delay, fraud
reports, in time order. What becomes of each column stands in that module's docstring.
"""

from replay.importers.dataset import SOURCES, Choices, ImportSummary, Source, import_dataset

__all__ = ["SOURCES", "Choices", "ImportSummary", "Source", "import_dataset"]
