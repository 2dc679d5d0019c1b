"""The language of rules: what may be said, what its names mean, and whether an expression is sound.

The language is a part of the one that the ``rule-engine`` library speaks: names, numbers, texts, ``true``,
``false``, ``null``, ``== != < <= > >=``, ``+ - * / %``, ``and or not``, ``in [...]``, ``??`` (a value for
``null``) and brackets. The library's clock, random numbers, functions, patterns and powers are left out: a
rule must give the same answer at every replay, and give it fast.

The names are the payment's fields, ``amount`` (major units of its own currency), ``score`` and the features,
among them ``amount_ref`` (major units of the base currency). A feature of -1 is not known, so a rule on
``gap_s < 60`` also says ``gap_s >= 0``, and one on ``amount_ref < 10`` says ``amount_ref >= 0``: without a
reference rate it is -1.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Context as DecimalContext
from operator import attrgetter
from typing import Any, Final

import rule_engine  # type: ignore[import-untyped]  # the library ships no type marker
from rule_engine import ast, errors

from detectors.assessment import Assessment
from detectors.events import Payment
from detectors.money import major_units

MAX_RULE_LENGTH: Final = 2_000

Subject = tuple[Payment, Assessment]
Reader = Callable[[Payment, Assessment], object]

_TEXT: Final = rule_engine.DataType.STRING
_NUMBER: Final = rule_engine.DataType.FLOAT
_TEXT_OR_NULL: Final = rule_engine.DataType.NULLABLE(_TEXT)
_TEXT_FIELDS: Final = ("currency", "merchant_id", "user_id", "tenant", "payment_type")
_NULLABLE_FIELDS: Final = ("mcc", "channel", "entry_mode", "merchant_country", "device_id", "card_token")
FIELDS: Final = (*_TEXT_FIELDS, *_NULLABLE_FIELDS, "amount", "score")
"""What a rule can name besides the features."""

_TOKEN: Final = re.compile(
    r"""\s+ | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?P<name>[A-Za-z_]\w*)(?!["'\w])
    | [0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?(?!["'\w]) | [(),\[\]] | (?P<operator>[^\s\w"'(),\[\]]+)""",
    re.VERBOSE | re.ASCII,
)
_OPERATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "??"})
_MAX_DEPTH: Final = 60
_TOO_DEEP: Final = f"is nested too deeply; allowed: {_MAX_DEPTH} levels, where each 'and' or 'or' is one"


def rule_problem(when: str, names: tuple[str, ...]) -> str | None:
    """What is wrong with an expression over the fields and the features ``names``, or ``None``.

    >>> rule_problem("amount > 500 and mcc in ['7995']", ())
    >>> rule_problem("amonut > 500", ())
    "'amonut' is unknown; allowed: amount, ..."
    """
    try:
        parse_rule(when, names, readers_of(names))
    except RecursionError:
        return _TOO_DEEP
    except errors.SymbolResolutionError as error:
        near = f"{error.suggestion}, ..." if error.suggestion else f"{', '.join(FIELDS)} and the features"
        return f"{error.symbol_name!r} is unknown; allowed: {near}"
    except errors.EngineError as error:
        return f"{error.message}; allowed: a condition, such as amount > 500 and mcc in ['7995']"
    except ValueError as error:
        return str(error)
    return None


def parse_rule(when: str, names: tuple[str, ...], readers: dict[str, Reader]) -> Any:
    """The expression as a rule of the library, which is untyped; raises its errors or a ValueError."""
    _check_tokens(when)
    parsed = rule_engine.Rule(when, _context(names, readers))
    expression = parsed.statement.expression
    _check_types(expression)
    if expression.result_type != rule_engine.DataType.BOOLEAN:
        raise ValueError("gives no yes or no; allowed: a condition, such as amount > 500")
    return parsed


def _context(names: tuple[str, ...], readers: dict[str, Reader]) -> Any:
    def resolve(subject: Subject, name: str) -> object:
        return readers[name](*subject)

    types = dict.fromkeys(names, _NUMBER) | {"amount": _NUMBER, "score": _NUMBER}
    types |= dict.fromkeys(_TEXT_FIELDS, _TEXT) | dict.fromkeys(_NULLABLE_FIELDS, _TEXT_OR_NULL)
    return rule_engine.Context(
        type_resolver=rule_engine.type_resolver_from_dict(types),
        resolver=resolve,
        default_timezone="utc",
        decimal_context=DecimalContext(prec=28),
    )


def readers_of(names: tuple[str, ...]) -> dict[str, Reader]:
    """How to read each name that a rule may use."""
    readers: dict[str, Reader] = {name: _feature_reader(index) for index, name in enumerate(names)}
    readers |= {name: _field_reader(name) for name in (*_TEXT_FIELDS, *_NULLABLE_FIELDS)}
    readers["amount"] = lambda payment, _: major_units(payment.amount_minor, payment.currency)
    readers["score"] = lambda _, assessment: assessment.score
    return readers


def _feature_reader(index: int) -> Reader:
    return lambda _, assessment: assessment.features[index]


def _field_reader(name: str) -> Reader:
    read = attrgetter(name)

    def reader(payment: Payment, _: Assessment) -> object:
        value = read(payment)
        # The library compares texts by their exact type, and an enumeration is not plain text.
        return value if value is None else str(value)

    return reader


def _check_tokens(when: str) -> None:
    if len(when) > MAX_RULE_LENGTH:
        raise ValueError(f"has {len(when)} characters; allowed: {MAX_RULE_LENGTH}")
    position = 0
    while position < len(when):
        token = _TOKEN.match(when, position)
        if token is None:
            raise ValueError(
                f"{when[position : position + 12]!r} can't be read; allowed: the language of rules"
            )
        operator = token["operator"]
        # A minus sign may stand right behind another operator.
        if (
            operator is not None
            and operator not in _OPERATORS
            and operator.removesuffix("-") not in _OPERATORS
        ):
            raise ValueError(f"{operator!r} is no operator; allowed: {' '.join(sorted(_OPERATORS))}")
        if token["name"] in ("for", "if"):
            raise ValueError(f"{token['name']!r} is not part of the language; allowed: and, or, not, in")
        position = token.end()


def _check_types(node: Any, depth: int = 0) -> None:
    """Refuse comparisons that can never be true because the sides have different types."""
    if depth > _MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if isinstance(node, ast.ContainsExpression):
        members = node.container
        if not isinstance(members, ast.ArrayExpression):
            raise ValueError("in: the right side is no list; allowed: in [a, b]")
        for member in members.value:
            _check_same_type(node.member, member)
    elif isinstance(node, ast.ComparisonExpression):
        _check_same_type(node.left, node.right)
    for child in _children(node):
        _check_types(child, depth + 1)


def _check_same_type(left: Any, right: Any) -> None:
    one, other = (rule_engine.DataType.NULLABLE.unwrap(side.result_type) for side in (left, right))
    if rule_engine.DataType.NULL not in (one, other) and one != other:
        raise ValueError(f"compares {one.name} with {other.name}; allowed: values of one type")


def _children(node: Any) -> Iterator[Any]:
    for name in ("left", "right", "member", "container"):
        child = getattr(node, name, None)
        if isinstance(child, ast.ExpressionBase):
            yield child
