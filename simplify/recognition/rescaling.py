"""A program with its states stored at another scale: the same updates for ever.

A momentum may be kept as an average, ``m = interp(g, m, 0.9)``, or as a sum, ``m = m * 0.9 + g``, which
is ten times as large. No rule about values shows that these are the same optimizer. So a program that
sums is compared as if it averaged, too, and one that averages as if it summed; what is stored is read
divided by its scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product

from lion_search.dsl.program import Argument, Program, Statement
from lion_search.simplify.equality.egraph import ClassId
from lion_search.simplify.proving.storage import stored
from lion_search.simplify.recognition.program_graph import ProgramGraph

_MOST = 6
"""How many scaled programs are tried."""
_SMALLEST, _LARGEST = 1e-12, 1e12


@dataclass(frozen=True, slots=True)
class _Storage:
    """A way to store a state.

    Attributes:
        scale: what is stored is the state times this.
        keep: how much of what was stored is kept.
        added: what is added, a variable of the program.
        is_average: whether it is added with the rest of the weight, so that both are 1.
    """

    scale: float
    keep: float
    added: str
    is_average: bool

    def statements(self, state: str, target: str) -> tuple[Statement, ...]:
        """The new value of what is stored."""
        if self.is_average:
            return (Statement(target, "interp", (self.added, state, self.keep)),)
        kept = f"{state} kept"
        return Statement(kept, "multiply", (state, self.keep)), Statement(target, "add", (kept, self.added))


def rescaled(graph: ProgramGraph) -> Iterator[Program]:
    """Programs that equal a graph's but for the scale of their states; no variable is assigned twice."""
    choices = [(*_storages(graph, i), None) for i in range(len(graph.form.states))]
    for storages in islice(product(*choices), _MOST):
        chosen = {s: storage for s, storage in zip(graph.form.states, storages, strict=True) if storage}
        if chosen:
            yield _at_scales(graph.form, chosen)


def _at_scales(program: Program, storages: Mapping[str, _Storage]) -> Program:
    """The program that stores some states in other ways, and computes their values from what it stores."""
    for state, way in reversed([*storages.items()]):
        new = program.outputs[1 + program.states.index(state)]
        back, target = _rounded(1 / way.scale), f"{state} stored"
        form = stored(program, state, Statement(f"{state} read", "multiply", (state, back)), target)
        at = next(i for i, s in enumerate(form.statements) if s.target == new)
        in_place = (*way.statements(state, target), Statement(str(new), "multiply", (target, back)))
        program = replace(form, statements=(*form.statements[:at], *in_place, *form.statements[at + 1 :]))
    return program


def _storages(graph: ProgramGraph, index: int) -> tuple[_Storage, ...]:
    """Ways to store a state at another scale than it is."""
    state, new = graph.form.states[index], graph.form.outputs[1 + index]
    if state not in graph.inputs or graph.form.outputs[1:].count(new) > 1:
        return ()
    found: dict[tuple[bool, str], _Storage] = {}
    names = _computed_before(graph, new)
    for keep, factor, other in _sums(graph, graph.inputs[state], graph.outputs[1 + index]):
        for is_average in (True, False):
            scale = _rounded((1.0 - keep if is_average else 1.0) / factor)
            if other in names and _SMALLEST < abs(scale) < _LARGEST and abs(scale - 1.0) > 1e-6:
                way = _Storage(scale, _rounded(keep), names[other], is_average)
                found.setdefault((is_average, way.added), way)
    return tuple(found.values())


def _rounded(value: float) -> float:
    """Without the errors of float64, which as constants of their own would multiply."""
    return float(f"{value:.10g}")


def _computed_before(graph: ProgramGraph, variable: Argument) -> dict[ClassId, str]:
    """The inputs and what is computed before a variable, by class; nothing if it is an input."""
    targets = [s.target for s in graph.form.statements]
    if variable not in targets:
        return {}
    before = zip(targets[: targets.index(str(variable))], graph.statements, strict=False)
    return {owner: name for name, owner in (*reversed([*before]), *graph.inputs.items())}


def _sums(graph: ProgramGraph, state: ClassId, new: ClassId) -> Iterator[tuple[float, float, ClassId]]:
    """How much of a state is kept, what is added and its factor, for each way to see its new value so."""
    value = graph.classes.value
    for term in graph.classes.terms.get(new, ()):
        if term.function == "add":
            for own, other in (term.args, term.args[::-1]):
                keeps = [keep for keep, kept in _multiples(graph, own) if kept == state]
                yield from ((keep, *multiple) for keep in keeps for multiple in _multiples(graph, other))
        elif term.function == "interp" and term.args[2] in value:
            first, second, weight = *term.args[:2], value[term.args[2]]
            for own, other, keep in ((first, second, 1.0 - weight), (second, first, weight)):
                if own == state and keep != 1.0:
                    yield from ((keep, (1.0 - keep) * factor, x) for factor, x in _multiples(graph, other))


def _multiples(graph: ProgramGraph, owner: ClassId) -> list[tuple[float, ClassId]]:
    """Constants and classes whose products a class is."""
    value = graph.classes.value
    products = [
        (value[term.args[1]], term.args[0])
        for term in graph.classes.terms.get(owner, ())
        if term.function == "multiply" and value.get(term.args[1])
    ]
    return [(1.0, owner), *products]
