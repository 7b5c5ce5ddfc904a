"""Mutants: copies of a source file with one small change each. The operators are those of cosmic-ray, and four of ours.

Text is left alone: strings, f-strings, arguments of `raise`, concatenations with a string, calls of a log, `__repr__`
and `__str__`. So are type annotations and what is only for a type checker.
"""

from __future__ import annotations

import builtins
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.exceptions import CosmicRayTestingException
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

# What an operator becomes: one or two others that are likely to be written by mistake. Each pair of operators would
# give a sample that consists of the few expressions with many operators.
_REPLACEMENTS = {
    "ReplaceComparisonOperator": "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt "
    "Is_IsNot IsNot_Is",
    "ReplaceBinaryOperator": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul RShift_LShift LShift_RShift "
    "BitOr_BitAnd BitAnd_BitOr BitXor_BitOr",
    "ReplaceUnaryOperator": "USub_UAdd Delete_Not",
}  # fmt: skip
_OF_COSMIC_RAY = [f"{kind}_{pair}" for kind, pairs in _REPLACEMENTS.items() for pair in pairs.split()] + [
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "ZeroIterationForLoop",
]
_LOGS = {"log", "_log", "logger", "_logger", "logging", "warnings"}
_NO_RESULT = {"None", "False"}
_ARITHMETIC = {"arith_expr", "term", "shift_expr", "expr", "and_expr", "xor_expr", "power"}


class _Replace(Operator):
    """An operator that replaces some children of a node by other code.

    AddNot of cosmic-ray is not used: it negates only the first operand of `a or b`, no `elif`, and no comprehension.
    """

    def children(self, node: Any) -> list[tuple[int, str]]:
        """Return the index of each child that is replaced, with its new code."""
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        for index, _ in self.children(node):
            yield node.children[index].start_pos, node.children[index].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        child, code = self.children(node)[index]
        node.children[child] = parso.parse(code)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class NegateCondition(_Replace):
    """`if x` becomes `if not (x)`; so do elif, while, the conditional expression and the comprehension.

    A comparison and a `not` are left to the operators that change them.
    """

    def children(self, node: Any) -> list[tuple[int, str]]:
        if node.type in {"if_stmt", "while_stmt", "comp_if"}:
            after = {"if", "elif", "while"}
        elif node.type in {"test", "ternary"}:
            after = {"if"}
        else:
            return []
        words = [getattr(child, "value", None) for child in node.children[:-1]]
        conditions = [(at + 1, node.children[at + 1]) for at, word in enumerate(words) if word in after]
        return [(at, f" not ({_code(one)})") for at, one in conditions if one.type not in {"comparison", "not_test"}]


class NegateMembership(_Replace):
    """`x in y` becomes `x not in y`."""

    def children(self, node: Any) -> list[tuple[int, str]]:
        if node.type != "comparison":
            return []
        other = {"in": " not in", "not in": " in"}
        signs = [" ".join(_code(child).split()) for child in node.children]
        return [(at, other[sign]) for at, sign in enumerate(signs) if at % 2 and sign in other]


class ReturnNone(_Replace):
    """`return x` becomes `return None`. `return False` is left alone: most callers cannot see that difference."""

    def children(self, node: Any) -> list[tuple[int, str]]:
        returns = node.type == "return_stmt" and _code(node.children[1]) not in _NO_RESULT
        return [(1, " None")] if returns else []


class RemoveCall(_Replace):
    """A statement that is a call becomes `pass`."""

    def children(self, node: Any) -> list[tuple[int, str]]:
        if node.type != "simple_stmt":
            return []
        call = node.children[0]
        is_call = call.type in {"atom_expr", "power"} and _code(call).endswith(")")
        return [(0, call.get_first_leaf().prefix + "pass")] if is_call and not _is_log(call) else []


_OPERATORS: dict[str, type[Operator]] = {name: OperatorProvider()[name] for name in _OF_COSMIC_RAY}
_OPERATORS.update({one.__name__: one for one in (NegateCondition, NegateMembership, ReturnNone, RemoveCall)})


class Mutant(NamedTuple):
    """One change.

    Attributes:
        file: relative to the tree.
        function: its qualified name; `<module>` for a line outside all functions and classes.
        operator: the name of the operator.
        occurrence: which of the operator's changes in the file it is, from 0.
        ordinal: which of the operator's changes in the function it is, from 0.
        line: the first line of the changed node, from 1.
    """

    file: str
    function: str
    operator: str
    occurrence: int
    ordinal: int
    line: int

    def rank(self, seed: int) -> str:
        """Return the place in the sample: independent of other functions, so that an edit there keeps the sample."""
        name = f"{seed} {self.function} {self.operator} {self.ordinal}"
        return hashlib.sha256(name.encode()).hexdigest()

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        mutated = mutate_code(source, _OPERATORS[self.operator](), self.occurrence)
        assert mutated is not None, self
        return str(mutated)


def find(file: str, source: str) -> list[Mutant]:
    """Return all mutants of a file, in the order of their operators and lines."""
    mutants = []
    operators = {name: one() for name, one in _OPERATORS.items()}
    occurrences: Counter[str] = Counter()
    ordinals: Counter[tuple[str, str]] = Counter()
    for node in ast_nodes(parso.parse(source)):
        function = None
        for name, operator in operators.items():
            for start, _ in operator.mutation_positions(node):
                occurrence = occurrences[name]
                occurrences[name] += 1
                if function is None:
                    function = "" if _is_left_alone(node) else _function(node)
                if function:
                    ordinal = ordinals[function, name]
                    ordinals[function, name] += 1
                    mutants.append(Mutant(file, function, name, occurrence, ordinal, start[0]))
    return mutants


def change(source: str, mutated: str) -> tuple[str, str]:
    """Return the lines that differ, before and after, with single blanks between the words."""
    before, after = source.splitlines(), mutated.splitlines()
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    end = 0
    while end < min(len(before), len(after)) - same and before[-1 - end] == after[-1 - end]:
        end += 1
    return _joined(before[same : len(before) - end]), _joined(after[same : len(after) - end])


def define_exception() -> None:
    """Define what ExceptionReplacer writes, an exception that nobody raises; without it each `except` would fail."""
    builtins.CosmicRayTestingException = CosmicRayTestingException  # type: ignore[attr-defined]


def _joined(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())


def _code(node: Any) -> str:
    return str(node.get_code(include_prefix=False))


def _is_log(call: Any) -> bool:
    first = call.children[0]
    return getattr(first, "value", "") in _LOGS


def _parents(node: Any) -> Iterator[tuple[Any, Any]]:
    while node.parent is not None:
        yield node, node.parent
        node = node.parent


def _is_left_alone(node: Any) -> bool:
    """True for text and for annotations."""
    for child, parent in _parents(node):
        if parent.type in {"raise_stmt", "assert_stmt", "tfpdef", "fstring", "fstring_expr"}:
            return True
        if parent.type == "annassign" and parent.children[1] is child:
            return True
        if parent.type == "funcdef" and (
            _code(parent.children[1]) in {"__repr__", "__str__"} or parent.annotation is child
        ):
            return True
        if parent.type == "if_stmt" and _code(parent.children[1]) == "TYPE_CHECKING":
            return True
        if parent.type == "atom_expr" and _is_log(parent):
            return True
        # It only says that two things are equally long.
        if parent.type == "argument" and _code(parent.children[0]) == "strict":
            return True
    if node.type in {"raise_stmt", "if_stmt"}:
        return node.type == "raise_stmt" or _code(node.children[1]) == "TYPE_CHECKING"
    if node.type != "operator":
        return False
    # The `*` of parameters, and an operator between strings.
    siblings = (node.get_previous_sibling(), node.get_next_sibling())
    return node.parent.type not in _ARITHMETIC | {"factor"} or any(one and "string" in one.type for one in siblings)


def _function(node: Any) -> str:
    names = [_code(parent.children[1]) for _, parent in _parents(node) if parent.type in {"funcdef", "classdef"}]
    return ".".join(reversed(names)) or "<module>"
