"""What a folder of copies holds."""

import re

from flows.broker.shards.snapshots import SnapshotFolder


def names(folder: SnapshotFolder) -> list[str]:
    """The names of what is there, without checksums, and of copies without what is applied."""
    found = (re.sub(r"\.[0-9a-f]{8}\.(db|changes)$", r".\1", path.name) for path in folder.path.iterdir())
    return sorted(re.sub(r"\.\d+\.db$", ".db", name) for name in found)
