"""Everything that is wrong with a record, field by field.

A validator stops at the first thing that an event's own checks refuse, and they are not asked at all while a
value has the wrong type. So what was refused is replaced by what is fine and the record is tried again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, get_args

from detectors.stand_ins import stand_in

Path = tuple[int | str, ...]
Problems = dict[Path, str]
"""What is wrong, by the path of the field; an empty path stands for the record as a whole."""


def all_problems(kind: type, raw: bytes, first: Problems, check: Callable[[bytes], Problems]) -> list[str]:
    """One text for each bad field of the record, which has the problems ``first`` and maybe more.

    Parameters
    ----------
    kind
        The event type of the record.
    raw
        Its members as a JSON object.
    check
        What is wrong with such an object.
    """
    found, new = dict(first), first
    try:
        members = json.loads(raw)
        while new and all(_mend(kind, members, path) for path in new):
            new = {path: m for path, m in check(json.dumps(members).encode()).items() if path not in found}
            found |= new
    except (ValueError, RecursionError, LookupError):
        pass  # what can't be read or found again has said what it can
    return [f"{'.'.join(map(str, path))}: {message}" if path else message for path, message in found.items()]


def _mend(kind: type, members: dict[str, Any], path: Path) -> bool:
    """Replace the value at ``path``; whether that was possible."""
    names = [part for part in takewhile(lambda part: isinstance(part, str), path) if isinstance(part, str)]
    for name in names[:-1]:
        inner = _dataclass_of(kind, name)
        if inner is None:
            return False
        kind, members = inner, members[name]
    if not names:
        return False
    name = names[-1]
    was_there = name in members
    members.pop(name, None)
    try:
        value = _as_json(stand_in(kind, name, members))
    except KeyError:
        return was_there  # a field that no such event has is gone now
    if value is not None:
        members[name] = value
    return True


def _dataclass_of(kind: type, name: str) -> type | None:
    for field in fields(kind):
        if field.name == name:
            parts = (field.type, *get_args(field.type))
            return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)
    return None


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: part for name, part in asdict(value).items() if part is not None}
    return value
