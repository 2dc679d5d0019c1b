"""Plain text tables for reports."""

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows below their header, first column to the left, numbers to the right; ``None`` is a dash.

    >>> print(format_table(["week", "frauds", "auc"], [["2018-04-02", 12, 0.8712], ["2018-04-09", 0, None]]))
    week        frauds     auc
    2018-04-02      12  0.8712
    2018-04-09       0       -
    """
    lines = [list(header), *([format_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def format_cell(value: object) -> str:
    """One value as short text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
