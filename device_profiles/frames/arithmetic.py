"""A small safe arithmetic for derived points: names, numbers, + - * /, parentheses, abs, min, max, sqrt.

`mounting_height_m - distance` is the typical formula. The text is parsed to a syntax tree, every node of which must
be one of the few allowed; it becomes nested functions. Nothing is ever evaluated as code.
"""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Evaluate = Callable[[Mapping[str, float]], float]

MAX_LENGTH = 200
_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "abs": (abs, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "min": (min, 2, 8),
    "max": (max, 2, 8),
}


class FormulaError(ValueError):
    """The formula says something that this arithmetic has no word for."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula; `evaluate` takes every name in `names`.

    `evaluate` raises ArithmeticError or ValueError where the numbers allow no result (division by zero, root of a
    negative).
    """

    text: str
    names: frozenset[str]
    evaluate: Evaluate


def parse(text: str) -> Formula:
    """Parses a formula.

    Raises:
        FormulaError: naming the part that is not allowed.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"is longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(
            f"'{text}' is not arithmetic; allowed are names, numbers, + - * / ( ) and {', '.join(sorted(_FUNCTIONS))}"
        ) from None
    names: set[str] = set()
    evaluate = _build(tree.body, names)
    return Formula(text, frozenset(names), evaluate)


def _build(node: ast.expr, names: set[str]) -> Evaluate:
    if isinstance(node, ast.Constant):
        return _constant(node)
    if isinstance(node, ast.Name):
        name = node.id
        names.add(name)
        return lambda values: values[name]
    if isinstance(node, ast.BinOp):
        return _binary(node, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _build(node.operand, names)
        return lambda values: -operand(values)
    if isinstance(node, ast.Call):
        return _call(node, names)
    raise FormulaError(f"'{ast.unparse(node)}' is not allowed; write it with names, numbers and + - * /")


def _constant(node: ast.Constant) -> Evaluate:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise FormulaError(f"{node.value!r} is not a number")
    try:
        number = float(node.value)
    except OverflowError:
        raise FormulaError("a number is too large") from None
    return lambda _values: number


def _binary(node: ast.BinOp, names: set[str]) -> Evaluate:
    left, right = _build(node.left, names), _build(node.right, names)
    match node.op:
        case ast.Add():
            return lambda values: left(values) + right(values)
        case ast.Sub():
            return lambda values: left(values) - right(values)
        case ast.Mult():
            return lambda values: left(values) * right(values)
        case ast.Div():
            return lambda values: left(values) / right(values)
        case _:
            raise FormulaError(f"the operator in '{ast.unparse(node)}' is not allowed; only + - * /")


def _call(node: ast.Call, names: set[str]) -> Evaluate:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in _FUNCTIONS or node.keywords:
        raise FormulaError(f"there is no function '{name}'; there are {', '.join(sorted(_FUNCTIONS))}")
    function, fewest, most = _FUNCTIONS[name]
    if not fewest <= len(node.args) <= most:
        raise FormulaError(f"{name} takes {fewest} to {most} values, not {len(node.args)}")
    arguments = [_build(argument, names) for argument in node.args]
    return lambda values: float(function(*(argument(values) for argument in arguments)))


def written(formula: Formula, names: Mapping[str, str]) -> str | None:
    """A formula as an expression of Python with other names, for `assembly`; None where it is nested too deeply.

    It holds nothing but the given names, numbers, operators and the functions of this arithmetic.
    """
    return _written(ast.parse(formula.text.strip(), mode="eval").body, names, 0)


_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _written(node: ast.expr, names: Mapping[str, str], depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    match node:
        case ast.Constant():
            number = float(node.value)  # type: ignore[arg-type]
            return repr(number) if math.isfinite(number) else "1e999"
        case ast.Name():
            return names[node.id]
        case ast.UnaryOp():
            operand = _written(node.operand, names, depth + 1)
            return None if operand is None else f"(-{operand})"
        case ast.BinOp():
            left, right = _written(node.left, names, depth + 1), _written(node.right, names, depth + 1)
            return None if left is None or right is None else f"({left} {_SIGNS[type(node.op)]} {right})"
        case ast.Call(func=ast.Name(id=("abs" | "min" | "max") as name)):
            arguments = [_written(argument, names, depth + 1) for argument in node.args]
            return None if None in arguments else f"{name}({', '.join(str(argument) for argument in arguments)})"
    return None


_DEEPEST = 40
