"""What is wrong with settings, in plain words: where it was set, the key, the value, what is allowed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_origin, get_type_hints

PREFIX: Final = "TAPWATCH_"
NOT_SETTINGS: Final = ("TAPWATCH_CONFIG", "TAPWATCH_TEST_")
"""The variable that names the settings file, and what tests may use."""
SET_BY_POLICY: Final = ("rates", "reference_currency")
"""Model parameters that are the policy's `[currencies]`: one place for them, and it is in the log."""
SECRETS: Final = ("sasl_password",)
"""Settings that are never repeated, neither in what is printed nor in what is said of a wrong value."""
MASK: Final = "********"

_FLAGS: Final = {"policy_file": "--policy"}
_SERVICE_LINK: Final = re.compile(
    r"TAPWATCH_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "path": "a path",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
    "dataclass": "a table",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "less than {}"),
}
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where settings came from: flags come before the environment, that before the file."""

    file: Path | None = None
    flags: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def name(self, path: _Path) -> str:
        """A setting's name where it was set: a flag, a variable, or a key of the file."""
        if path[0] in self.flags:
            return _FLAGS.get(path[0], f"--{path[0].replace('_', '-')}")
        set_here = {name.upper() for name in self.environment}
        for length in range(len(path), 0, -1):
            variable = PREFIX + "__".join(path[:length]).upper()
            if variable in set_here:
                return ": ".join([variable, *path[length:]])
        key = ".".join(path)
        return key if self.file is None else f"{self.file}: {key}"


def describe(problem: Mapping[str, Any], kind: type[Any], origins: Origins) -> str:
    """One problem that pydantic found in settings of ``kind``, in words."""
    path = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":
        message = str(problem["ctx"]["error"])
        key, _, rest = message.partition(": ")
        if key in (section_keys(_type_at(kind, path)) or ()):
            return f"{origins.name((*path, key))}: {rest}"
        return f"{origins.name(path)}: {message}"
    value = MASK if path[-1] in SECRETS else shown(problem["input"])
    return f"{origins.name(path)}: {value}; allowed: {_allowed(problem)}"


def _allowed(problem: Mapping[str, Any]) -> str:
    kind, context = str(problem["type"]), problem.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return words.format(context[key])
    if kind == "literal_error":
        return str(context["expected"])
    return _WORDS.get(kind.partition("_")[0], str(problem["msg"]))


def unknown_keys(values: Mapping[str, Any], kind: type[Any], origins: Origins) -> Iterator[str]:
    """What ``values`` name that settings of ``kind`` don't have."""
    yield from _unknown(values, kind, (), origins)


def _unknown(values: Mapping[str, Any], kind: Any, path: _Path, origins: Origins) -> Iterator[str]:
    known = section_keys(kind)
    if known is None:
        return
    for name, value in values.items():
        here = (*path, name)
        if name not in known:
            yield f"{origins.name(here)}: {shown(value)}; no such key, {_nearest(name, known)}"
        elif isinstance(value, dict):
            yield from _unknown(value, known[name], here, origins)


def unknown_variables(environment: Mapping[str, str], kind: type[Any]) -> Iterator[str]:
    """Environment variables that look like settings of ``kind`` and are none.

    Their values are not repeated: a mistyped name may hold anything. In a Kubernetes pod the links to a
    service called tapwatch look like settings, too, and are let pass.
    """
    names = list(_variables(kind, ()))
    in_a_pod = "KUBERNETES_SERVICE_HOST" in environment
    for given in sorted(environment):
        name = given.upper()
        if not name.startswith(PREFIX) or name.startswith(NOT_SETTINGS):
            continue
        if in_a_pod and _SERVICE_LINK.fullmatch(name):
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        if not _is_known(path, kind):
            yield f"{given}: no such setting, {_nearest(name, names)}"


def malformed_tables(kind: type[Any], origins: Origins) -> Iterator[str]:
    """Variables that set a whole table and hold no JSON, or keys that the table doesn't have."""
    for given, value in sorted(origins.environment.items()):
        name = given.upper()
        if not name.startswith(PREFIX) or name.startswith(NOT_SETTINGS):
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        found = _type_at(kind, path)
        if section_keys(found) is not None or get_origin(found) in (dict, list):
            try:
                inner = json.loads(value)
            except ValueError:
                secret = not set(SECRETS).isdisjoint(section_keys(found) or ())
                yield f"{given}: {MASK if secret else shown(value)}; allowed: a table as JSON"
            else:
                yield from _unknown(inner, found, path, origins) if isinstance(inner, dict) else ()


def section_keys(kind: Any) -> dict[str, Any] | None:
    """The keys of a section and what they hold; None for what is no section."""
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, dict):
        hints = get_type_hints(kind)
        return {name: hints[name] for name in fields}
    if isinstance(kind, type) and is_dataclass(kind):
        return {name: hint for name, hint in get_type_hints(kind).items() if name not in SET_BY_POLICY}
    return None


def _type_at(kind: Any, path: _Path) -> Any:
    for part in path:
        kind = (section_keys(kind) or {}).get(part)
    return kind


def _is_known(path: Sequence[str], kind: Any) -> bool:
    known = section_keys(kind)
    if not path:
        return True
    if known is None:
        return get_origin(kind) is dict
    return path[0] in known and _is_known(path[1:], known[path[0]])


def _variables(kind: Any, path: _Path) -> Iterator[str]:
    for name, inner in (section_keys(kind) or {}).items():
        yield PREFIX + "__".join((*path, name)).upper()
        yield from _variables(inner, (*path, name))


def _nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(known), n=1)
    if near:
        return f"the nearest is {near[0]}"
    return (
        f"allowed: {', '.join(sorted(known))}" if len(known) < 30 else "allowed: see `tapwatch config check`"
    )


def shown(value: object) -> str:
    """A value as it can stand in a message; a path stands there whole."""
    if isinstance(value, Path):
        return repr(str(value))
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
