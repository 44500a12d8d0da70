"""Which known optimizer a program is, up to its constants; else the nearest, and the difference.

Each entry of the library is a template that is looked for in the program's graph of equal values, so that
neither names nor the way a program is written matter: in the program as it stands, with its states at another
scale, simplified. At last the entries are simplified, too, with their constants changed a little: as it
stands a weight decay of 1 is no statement. The simplifier itself knows nothing of the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Any

from pydantic import TypeAdapter

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.text import format_statement
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS, PROVED
from lion_search.simplify.program_text import ProgramText
from lion_search.simplify.proving.proofs import simplify_by_proof
from lion_search.simplify.recognition.matching import Match, Matcher
from lion_search.simplify.recognition.program_graph import ProgramGraph, saturate, with_own_names
from lion_search.simplify.recognition.rescaling import rescaled
from lion_search.simplify.recognition.resemblance import resemblance
from lion_search.simplify.recognition.templates import Template, make_template

_LIMITS = RewriteLimits(nodes=1_500, seconds=10.0)
_ENTRY_LIMITS = RewriteLimits(nodes=500, rounds=6, seconds=10.0)
_SCALED_ROUNDS = 3
"""With scales, constants multiply: the rules that bring sums in order run before there are too many."""
_LARGER = 4
"""How much larger such graphs may be."""
_SHOWN = 4
"""How many statements of a difference a summary names."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a recognized program.

    Attributes:
        place: the entry's statement with the program's constants put in.
        value: the program's value.
        library_value: the entry's.
        same: whether they agree as far as float32 tells.
    """

    place: str
    value: float
    library_value: float
    same: bool


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a program was recognized as.

    Attributes:
        name: the library entry that the program is, or the nearest.
        exact: whether it is that entry, up to constants.
        same_constants: whether the constants are the entry's, too.
        constants: those of the program beside the entry's; empty if it is not exact.
        similarity: 1 if exact.
        missing: statements of the entry that the program lacks.
        extra: statements of the program's simplest form that the entry lacks.
        also: further entries that the program is, up to constants, best first.
        form: the entry with the program's constants; the program's simplest form if it is not exact.
        met_limits: the limits that were met: ``nodes``, ``rounds``, ``seconds``, ``steps`` of matching; if it
            is not exact, it might be with more of them.
    """

    name: str
    exact: bool
    same_constants: bool
    constants: tuple[Constant, ...]
    similarity: float
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    also: tuple[str, ...]
    form: ProgramText
    met_limits: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain: dict[str, Any] = TypeAdapter(Recognition).dump_python(self, mode="json")
        return plain

    def summary(self) -> str:
        """One line for people."""
        also = f"; also {', '.join(self.also)}" if self.also else ""
        if self.same_constants:
            return f"this is {self.name}{also}"
        if self.exact:
            places: dict[str, list[str]] = {}
            for c in self.constants:
                if not c.same:
                    places.setdefault(c.place, []).append(f"{c.library_value:g}")
            values = "; ".join(f"{place} (there {', '.join(known)})" for place, known in places.items())
            return f"this is {self.name} with other constants: {values}{also}"
        sides = (("without", self.missing), ("with", self.extra))
        words = [f"{word} {_listed(statements)}" for word, statements in sides if statements]
        limits = f" (met the limit of {', '.join(self.met_limits)})" if self.met_limits else ""
        return f"nearest is {self.name}: {', '.join(words)}{' instead' if len(words) == 2 else ''}{limits}"


def _listed(statements: tuple[str, ...]) -> str:
    more = [f"{len(statements) - _SHOWN} more"] if len(statements) > _SHOWN else []
    return "; ".join([*(f"`{s}`" for s in statements[:_SHOWN]), *more])


def identify(program: Program, *, epsilon: bool = True, limits: RewriteLimits = _LIMITS) -> Recognition:
    """Recognizes a checked program.

    Args:
        program: any checked program.
        epsilon: whether the protective epsilon may be taken for small.
        limits: when simplification stops; ``seconds`` is for all.

    Returns:
        The library entry that it is; of several the one with the same constants, then the one in which fewest
        statements do nothing, with the fewest constants, with the nearest constants, the first.
    """
    search = _Search(program, epsilon, limits)
    for graph, templates in search.stages():
        matches = search.matches(graph, templates)
        if matches:
            return _recognized(matches, search.met_limits(graph))
    return _nearest(search.simple, search.met_limits(search.simple))


class _Search:
    """The program's graphs, made when they are needed."""

    def __init__(self, program: Program, epsilon: bool, limits: RewriteLimits) -> None:
        self._program, self._epsilon, self._limits = program, epsilon, limits
        self._kinds = ALL_KINDS if epsilon else PROVED
        self._deadline = awake_seconds() + limits.seconds
        self._met: set[str] = set()
        self.plain = self._graph(with_own_names(prune(program)))
        self.simple = self.plain

    def stages(self) -> Iterator[tuple[ProgramGraph, Callable[[str], Template | None]]]:
        """Graphs, and the entries' templates to look for in them; what takes longest comes last."""
        yield from self._written_in(self.plain)
        proved = simplify_by_proof(self._program, epsilon=self._epsilon, limits=self._left())
        self._met.update(proved.met_limits)
        self.simple = self._graph(proved.normal)
        yield from self._written_in(self.simple)
        yield self.simple, self._simplified

    def _written_in(self, graph: ProgramGraph) -> Iterator[tuple[ProgramGraph, Callable[[str], Template]]]:
        yield graph, _written
        for form in rescaled(graph):
            yield self._scaled_graph(form), _written

    def _simplified(self, name: str) -> Template | None:
        """An entry's simplest form if the program has it; only then its constants are worth finding."""
        if len(_written(name).program.states) != len(self.simple.form.states):
            return None
        match, _ = _best(self.simple, _generic(name, self._epsilon))
        return None if match is None else _simplified(name, self._epsilon)

    def matches(self, graph: ProgramGraph, templates: Callable[[str], Template | None]) -> dict[str, Match]:
        """What is found, by name, best first."""
        found = {name: self._match(graph, templates(name)) for name in _names()}
        matches = {name: match for name, match in found.items() if match is not None}
        return dict(sorted(matches.items(), key=lambda item: _rank(item[1])))

    def met_limits(self, graph: ProgramGraph) -> tuple[str, ...]:
        """The limits that were met so far."""
        return tuple(sorted((self._met | {graph.classes.met_limit}) - {""}))

    def _match(self, graph: ProgramGraph, template: Template | None) -> Match | None:
        if template is None:
            return None
        match, is_cut_short = _best(graph, template)
        self._met.update(["steps"] if is_cut_short else [])
        return match

    def _graph(self, form: Program) -> ProgramGraph:
        return saturate(form, self._kinds, self._left())

    def _scaled_graph(self, form: Program) -> ProgramGraph:
        left = self._left()
        limits = replace(left, nodes=_LARGER * left.nodes, rounds=min(_SCALED_ROUNDS, left.rounds))
        return saturate(form, self._kinds, limits)

    def _left(self) -> RewriteLimits:
        return replace(self._limits, seconds=max(0.0, self._deadline - awake_seconds()))


def _best(graph: ProgramGraph, template: Template) -> tuple[Match | None, bool]:
    """The best match over all orders of the states, and whether a search was cut short."""
    if len(graph.form.states) != len(template.program.states):
        return None, False
    matchers = [Matcher(template, graph, s, lenient=True) for s in permutations(graph.form.states)]
    found = [match for matcher in matchers if (match := matcher.best()) is not None]
    return min(found, key=lambda m: m.rank, default=None), any(m.is_cut_short for m in matchers)


def _rank(match: Match) -> tuple[bool, int, int, float]:
    """Better matches come first: of two families the one with fewer free constants is the more specific."""
    return match.num_other > 0, match.num_degenerate, len(match.values), match.distance


def _recognized(matches: dict[str, Match], met_limits: tuple[str, ...]) -> Recognition:
    (name, match), *others = matches.items()
    values = {i: round_to_float32(value) for i, value in match.values.items()}
    form = match.template.filled(values)
    lines = [node.line for node in match.template.applications.values()]
    place = dict(zip(lines, map(format_statement, form.statements), strict=True))
    constants = tuple(
        Constant(place[hole.line], values[i], round_to_float32(hole.value), hole.agrees(match.values[i]))
        for i, hole in match.template.holes.items()
    )
    return Recognition(
        name=name,
        exact=True,
        same_constants=not match.num_other,
        constants=constants,
        similarity=1.0,
        missing=(),
        extra=(),
        also=tuple(other for other, _ in others),
        form=form,
        met_limits=met_limits,
    )


def _nearest(graph: ProgramGraph, met_limits: tuple[str, ...]) -> Recognition:
    found = {name: resemblance(_written(name), graph) for name in _names()}
    name = max(found, key=lambda n: found[n].similarity)
    near = found[name]
    return Recognition(
        name=name,
        exact=False,
        same_constants=False,
        constants=(),
        similarity=near.similarity,
        missing=near.missing,
        extra=near.extra,
        also=(),
        form=graph.form,
        met_limits=met_limits,
    )


@cache
def _names() -> tuple[str, ...]:
    """The library's entries without those that repeat an earlier one."""
    first: dict[str, str] = {}
    for name in LIBRARY:
        first.setdefault(functional_hash(library_program(name)), name)
    return tuple(first.values())


@cache
def _written(name: str) -> Template:
    """An entry as it stands."""
    return make_template(library_program(name))


@cache
def _generic(name: str, epsilon: bool) -> Template:
    """An entry's simplest form for any constants."""
    program = _perturbed(library_program(name))
    return make_template(simplify_by_proof(program, epsilon=epsilon, limits=_ENTRY_LIMITS).normal)


@cache
def _simplified(name: str, epsilon: bool) -> Template | None:
    """The same with the entry's own constants; ``None`` if the entry is not found to have that form."""
    search, template = _Search(library_program(name), epsilon, _ENTRY_LIMITS), _generic(name, epsilon)
    for graph, _ in search.stages():
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
