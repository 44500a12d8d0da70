"""A program as a person would write it: the last step of simplification, which changes nothing but the form.

The canonical form is made for comparison: its names are numbers, its order is that of a walk over a graph,
its sums are sorted by hash. Here an equal program is written for people, in four steps. The learning rate is
taken out of the update (:mod:`factoring`); the arguments of each statement are put in
the order in which people write them; so are statements, from the gradient and the states to the update, with
weight decay where it is added and the learning rate last; and values get names by their role
(:mod:`naming`). All this is decided by how data flows, so equal forms read alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from lion_search.dsl.dataflow import Dataflow, closing_chain, dataflow, state_chain
from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.simplify.writing.factoring import factor_learning_rate
from lion_search.simplify.writing.naming import named


def readable(program: Program, *, factors: bool = True) -> Program:
    """Writes a program for people.

    Args:
        program: any checked program; its redundant statements and states are dropped.
        factors: whether the learning rate is taken out of the update, the proofs of which take time.

    Returns:
        A checked program with the given one's functional hash; unless the learning rate was taken out of a
        sum, which rewriting has then proved to change nothing but the rounding of constants. It has as many
        states as the canonical form, and at most as many statements.
    """
    form = canonicalise(program).program()
    form = factor_learning_rate(form) if factors else form
    flow = dataflow(form)
    flow = dataflow(replace(form, statements=tuple(_oriented(s, flow) for s in form.statements)))
    flow = dataflow(replace(flow.program, statements=tuple(_in_order(flow))))
    result = named(flow)
    # The canonical form may depend on the order of statements where identities compete.
    return result if functional_hash(result) == functional_hash(form) else form


# ---- The order of arguments.


def _oriented(statement: Statement, flow: Dataflow) -> Statement:
    """The statement with its arguments in the order in which people write them; its hash is the same."""
    args = statement.args
    if FUNCTIONS[statement.function].commutative:
        args = tuple(sorted(args, key=lambda a: _rank(a, flow)))
    if statement.function == "interp":
        args = _new_data_first(args, flow)
    if statement.function == "add" and isinstance(args[1], float) and args[1] < 0:
        return replace(statement, function="subtract", args=(args[0], -args[1]))
    return replace(statement, args=args)


def _rank(value: Argument, flow: Dataflow) -> tuple[bool, ...]:
    """Of commuting arguments: trees before numbers before constants, weight decay last of trees."""
    return (
        isinstance(value, float),
        not flow.is_tree(value),
        flow.is_decay(value),
        not flow.has_memory(value),
        value not in flow.definitions,
    )


def _new_data_first(args: tuple[Argument, ...], flow: Dataflow) -> tuple[Argument, ...]:
    """Of an average the new data, the state, and the weight of the state, a little less than one."""
    x, y, weight = args
    if not isinstance(weight, float) or _memory(x, flow) <= _memory(y, flow):
        return args
    other = round_to_float32(1 - weight)
    # As canonicalisation finds its way back: it keeps the smaller weight, which is the precise one.
    is_same = other > 0.5 and round_to_float32(1 - other) == weight
    return (y, x, other) if is_same else args


def _memory(value: Argument, flow: Dataflow) -> int:
    """How much of a state a value is: 2, a state; 1, it depends on one; 0, it does not."""
    return 2 if value in flow.program.states else int(flow.has_memory(value))


# ---- The order of statements.


def _in_order(flow: Dataflow) -> list[Statement]:
    """The statements in the order of the data: each just before it is read, states before the closing."""
    outputs = flow.program.outputs
    closing = closing_chain(flow)
    core = flow.definitions[closing[-1]].args[0] if closing else outputs[0]
    needed_first = _needed_first(flow)
    placed: dict[Argument, Statement] = {}
    _place([core], flow, needed_first, placed)
    last = set(closing)
    early = [s for s in outputs[1:] if last.isdisjoint(_before(s, flow, needed_first))]
    _place([*early, *outputs], flow, needed_first, placed)
    return list(placed.values())


def _place(
    values: Iterable[Argument],
    flow: Dataflow,
    needed_first: Mapping[Argument, Sequence[str]],
    placed: dict[Argument, Statement],
) -> None:
    """Adds what values need and what needs to stand before them, then themselves."""
    stack = [*values][::-1]
    while stack:
        statement = flow.definitions.get(stack[-1])
        if statement is None or statement.target in placed:
            stack.pop()
            continue
        before = (*statement.args, *needed_first.get(statement.target, ()))
        missing = [a for a in before if a in flow.definitions and a not in placed]
        if missing:
            stack.extend(reversed(missing))
        else:
            placed[stack.pop()] = statement


def _needed_first(flow: Dataflow) -> Mapping[Argument, Sequence[str]]:
    """For the values that overwrite a state, who reads what they overwrite; never a circle."""
    first: dict[Argument, list[str]] = defaultdict(list)
    for state in flow.program.states:
        chain = state_chain(flow, state)
        for old, new in pairwise(chain):
            for reader in flow.readers[old]:
                if new not in _before(reader, flow, first):
                    first[new].append(reader)
    return first


def _before(value: Argument, flow: Dataflow, first: Mapping[Argument, Sequence[str]]) -> set[Argument]:
    """All that has to stand before a value, and itself."""
    seen: set[Argument] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        if node not in seen and node in flow.definitions:
            seen.add(node)
            stack.extend((*flow.definitions[node].args, *first.get(node, ())))
    return seen
