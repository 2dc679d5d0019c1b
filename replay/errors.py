"""What can go wrong with files, as opposed to records.

::

    ReplayError
    ├── StreamError     an event stream can't be opened, read or written
    ├── SourceError     a data set's folder lacks a file, a column or a usable value
    └── RunError        the results of a run are missing or damaged
"""


class ReplayError(Exception):
    """The base of all errors of this package."""


class StreamError(ReplayError):
    """An event stream can't be opened, read or written; the message names the path and what is allowed."""


class SourceError(ReplayError):
    """A data set's folder lacks a file, a column or a usable value; the message says which."""


class RunError(ReplayError):
    """The results of a run are missing or damaged; the message names the file."""
