"""Which known optimizer a program is, up to its constants and few differences; or that it is none.

Each entry of the library, as it stands and varied, is a template that is looked for in the program's graph of
equal values, so that neither names nor the way a program is written matter: in the program as it stands, with
its states at another scale, simplified. Then the entries are simplified, too, with their constants changed a
little: as it stands a weight decay of 1 is no statement. One or two values of the program may stand in the
place of an entry's; beyond that it is no known optimizer. The simplifier itself knows nothing of the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import permutations

from lion_search.dsl.clock import working_seconds
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS, PROVED
from lion_search.simplify.proving.proofs import simplify_by_proof
from lion_search.simplify.recognition.differences import differences
from lion_search.simplify.recognition.expressions import Expressions
from lion_search.simplify.recognition.matching import Match, Matcher
from lion_search.simplify.recognition.program_graph import ProgramGraph, saturate, with_own_names
from lion_search.simplify.recognition.recognized import UNKNOWN, Recognition, recognized
from lion_search.simplify.recognition.rescaling import rescaled
from lion_search.simplify.recognition.templates import Template, make_template
from lion_search.simplify.recognition.variations import NO_SCHEDULE, Variant, variants

_LIMITS = RewriteLimits(nodes=1_500, seconds=10.0)
_ENTRY_LIMITS = RewriteLimits(nodes=500, rounds=6, seconds=10.0)
_SCALED_ROUNDS = 3
"""With scales, constants multiply: the rules that bring sums in order run before there are too many."""
_LARGER = 4
"""How much larger such graphs may be."""


def identify(program: Program, *, epsilon: bool = True, limits: RewriteLimits = _LIMITS) -> Recognition:
    """Recognizes a checked program.

    Args:
        program: any checked program.
        epsilon: whether the protective epsilon may be taken for small.
        limits: when simplification stops; ``seconds`` is for all.

    Returns:
        The library entry that it is, as it stands or varied; of several the one with the same constants, then
        the one in which fewest statements do nothing, with the fewest constants, the least varied, with the
        nearest constants, the first. Else the one that it is when few values are replaced.
    """
    search = _Search(program, epsilon, limits)
    for graph, found in search.found():
        if found:
            what = differences(found[0][1], graph, search.expressions(graph))
            return recognized(found, what, search.met_limits(graph))
    return replace(UNKNOWN, form=search.simple.form, met_limits=search.met_limits(search.simple))


def identify_as_it_stands(program: Program) -> Recognition:
    """The same without proofs, replaced values or large graphs: a tenth of a second, for fewer programs."""
    search = _Search(program, epsilon=True, limits=_ENTRY_LIMITS)
    graph = search.simple
    found = search.matches(graph)
    return recognized(found, (), search.met_limits(graph)) if found else replace(UNKNOWN, form=graph.form)


_Matches = list[tuple[Variant, Match]]


class _Search:
    """The program's graphs, made when they are needed."""

    def __init__(self, program: Program, epsilon: bool, limits: RewriteLimits) -> None:
        self._program, self._epsilon, self._limits = program, epsilon, limits
        self._kinds = ALL_KINDS if epsilon else PROVED
        self._deadline = working_seconds() + limits.seconds
        self._met: set[str] = set()
        self._expressions: dict[int, Expressions] = {}
        self._graphs: list[ProgramGraph] = []
        self.simple = self._graph(with_own_names(prune(program)))

    def found(self) -> Iterator[tuple[ProgramGraph, _Matches]]:
        """Graphs and what is found in them, the best first; what takes longest comes last."""
        for graph in self.stages():
            yield graph, self.matches(graph)
        for graph in (self._graphs[0], self.simple):
            yield graph, self._edited(graph, 1)
        yield self.simple, self.matches(self.simple, self._simplified)
        for graph in (self._graphs[0], self.simple):
            yield graph, self._edited(graph, 2)

    def stages(self) -> Iterator[ProgramGraph]:
        """The graphs: of the program as it stands and simplified, each also with states at other scales."""
        yield from self._at_scales(self.simple)
        proved = simplify_by_proof(self._program, epsilon=self._epsilon, limits=self._left())
        self._met.update(proved.met_limits)
        self.simple = self._graph(proved.normal)
        yield from self._at_scales(self.simple)

    def _at_scales(self, graph: ProgramGraph) -> Iterator[ProgramGraph]:
        yield graph
        for form in rescaled(graph):
            yield self._scaled_graph(form)

    def _simplified(self, name: str) -> tuple[Variant, ...]:
        """An entry's simplest form if the program has it; only then its constants are worth finding."""
        if len(variants(name)[0].template.program.states) != len(self.simple.form.states):
            return ()
        match, _ = _best(self.simple, _generic(name, self._epsilon))
        template = None if match is None else _simplified(name, self._epsilon)
        return () if template is None else (Variant(name, (), template),)

    def matches(
        self, graph: ProgramGraph, templates: Callable[[str], Iterable[Variant]] = variants
    ) -> _Matches:
        """What is found as it stands."""
        found = [
            (variant, match)
            for name in _names()
            for variant in templates(name)
            if (match := self._match(graph, variant.template)) is not None
        ]
        return sorted(found, key=lambda pair: _rank(*pair))

    def _edited(self, graph: ProgramGraph, num_edits: int) -> _Matches:
        """The best match with some values replaced; of each family only the first entry is looked for."""
        expressions, found = self.expressions(graph), []
        for variant in (v for name in _names() if LIBRARY[name].family == name for v in variants(name)):
            num_states, num_own = len(variant.template.program.states), len(variant.template.applications)
            is_small = num_own <= 2 * num_edits  # too little of it would be left
            if len(graph.form.states) != num_states or is_small or NO_SCHEDULE in variant.kinds:
                continue
            for states in permutations(graph.form.states):
                matcher = Matcher(
                    variant.template, graph, states, lenient=True, edits=num_edits, expressions=expressions
                )
                match = matcher.best()
                self._met.update(["steps"] if matcher.is_cut_short else [])
                if match is not None:
                    found.append(((matcher.rank(match), _rank(variant, match)), (variant, match)))
        return [pair for _, pair in sorted(found, key=lambda ranked: ranked[0])][:1]

    def expressions(self, graph: ProgramGraph) -> Expressions:
        """Those of a graph."""
        return self._expressions.setdefault(id(graph), Expressions(graph))

    def met_limits(self, graph: ProgramGraph) -> tuple[str, ...]:
        """The limits that were met so far."""
        return tuple(sorted((self._met | {graph.classes.met_limit}) - {""}))

    def _match(self, graph: ProgramGraph, template: Template) -> Match | None:
        match, is_cut_short = _best(graph, template)
        self._met.update(["steps"] if is_cut_short else [])
        return match

    def _graph(self, form: Program) -> ProgramGraph:
        return self._kept(saturate(form, self._kinds, self._left()))

    def _scaled_graph(self, form: Program) -> ProgramGraph:
        left = self._left()
        limits = replace(left, nodes=_LARGER * left.nodes, rounds=min(_SCALED_ROUNDS, left.rounds))
        return self._kept(saturate(form, self._kinds, limits))

    def _kept(self, graph: ProgramGraph) -> ProgramGraph:
        self._graphs.append(graph)
        return graph

    def _left(self) -> RewriteLimits:
        return replace(self._limits, seconds=max(0.0, self._deadline - working_seconds()))


def _best(graph: ProgramGraph, template: Template) -> tuple[Match | None, bool]:
    """The best match over all orders of the states, and whether a search was cut short."""
    if len(graph.form.states) != len(template.program.states):
        return None, False
    matchers = [Matcher(template, graph, s, lenient=True) for s in permutations(graph.form.states)]
    found = [match for matcher in matchers if (match := matcher.best()) is not None]
    return min(found, key=lambda m: m.rank, default=None), any(m.is_cut_short for m in matchers)


def _rank(variant: Variant, match: Match) -> tuple[bool, int, int, int, float]:
    """Better matches come first: of two families the one with fewer free constants is the more specific."""
    num_varied, is_other = len(variant.kinds), match.num_other > 0
    return is_other, match.num_degenerate, len(match.values), num_varied, match.distance


@cache
def _names() -> tuple[str, ...]:
    """The library's entries without those that repeat an earlier one."""
    first: dict[str, str] = {}
    for name in LIBRARY:
        first.setdefault(functional_hash(library_program(name)), name)
    return tuple(first.values())


@cache
def _generic(name: str, epsilon: bool) -> Template:
    """An entry's simplest form for any constants."""
    program = _perturbed(library_program(name))
    return make_template(simplify_by_proof(program, epsilon=epsilon, limits=_ENTRY_LIMITS).normal)


@cache
def _simplified(name: str, epsilon: bool) -> Template | None:
    """The same with the entry's own constants; ``None`` if the entry is not found to have that form."""
    search, template = _Search(library_program(name), epsilon, _ENTRY_LIMITS), _generic(name, epsilon)
    for graph in search.stages():
        match, _ = _best(graph, template)
        if match is not None:
            return match.refilled()
    return None


def _perturbed(program: Program) -> Program:
    """All constants a little smaller, each by another factor, so that none is 1 and no two are equal."""
    factors = (1 - 1e-4 * (3 + 2 * i) for i in range(1_000))

    def changed(value: Argument) -> Argument:
        return value * next(factors) if isinstance(value, float) else value

    statements = tuple(
        Statement(s.target, s.function, tuple(map(changed, s.args))) for s in program.statements
    )
    return Program(program.states, statements, program.outputs)
