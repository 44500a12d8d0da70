"""Simplification by proof: rewriting and changes of state, in turn, until neither makes the program cheaper.

Changes of state come before rewriting, which merges the constants that give a state's scale away. Rules that
are proved come first; those that rely on the protective epsilon being small are used only when asked for, in
steps of their own, so that it is known which results an experiment has to confirm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.clock import working_seconds
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.simplify.equality.egraph import Engine, RewriteLimits
from lion_search.simplify.equality.rewriting import (
    ALL_KINDS,
    DEFAULT_LIMITS,
    GROWING,
    PROVED,
    cost,
    rewrite,
    tidy,
)
from lion_search.simplify.equality.rules import Kind
from lion_search.simplify.proving.changes import is_proved
from lion_search.simplify.proving.states import proposals
from lion_search.simplify.steps import REWRITING, Step

_PROOF = RewriteLimits(nodes=3_000, rounds=6, seconds=2.0)
_TRIAL = RewriteLimits(rounds=6, seconds=1.0)


@dataclass(frozen=True, slots=True)
class Proved:
    """What simplification by proof came to.

    Attributes:
        before: the program it was given.
        after: the cheapest equal program that was found, canonical.
        normal: as cheap, and the same for many equal programs: for comparison.
        steps: what made it cheaper, in order; empty if nothing was found.
        met_limits: the limits that were met on the way.
        seconds: how long it took.
    """

    before: Program
    after: Program
    normal: Program
    steps: tuple[Step, ...]
    met_limits: tuple[str, ...]
    seconds: float

    @property
    def uses_epsilon(self) -> bool:
        """Whether some step relies on the protective epsilon being small."""
        return any(Kind.EPS_EXACT in step.kinds for step in self.steps)


def simplify_by_proof(
    program: Program,
    *,
    epsilon: bool = False,
    limits: RewriteLimits = DEFAULT_LIMITS,
    engine: Engine | None = None,
) -> Proved:
    """Simplifies a checked program as far as rules reach.

    Args:
        program: any checked program.
        epsilon: whether to go on with rules that take the protective epsilon for small.
        limits: when to stop; ``seconds`` is for all.
        engine: with which rules; all of them by default.
    """
    started = working_seconds()
    search = _Search(program, limits, engine)
    search.to_fixed_point(PROVED)
    if epsilon:
        search.to_fixed_point(ALL_KINDS)
    met = tuple(sorted(search.met))
    return Proved(program, search.after, search.normal, tuple(search.steps), met, working_seconds() - started)


def preference(program: Program) -> tuple[object, ...]:
    """Which of several programs to prefer, the smallest first.

    The cheaper; then the one with fewer states that are stored after a function of one value, which might as
    well be applied when they are read; then the one with fewer and shorter constants.
    """
    constants = [repr(a) for s in program.statements for a in s.args if isinstance(a, float)]
    body = {s.target: s for s in program.statements}
    stored = [body[o] for o in program.outputs[1:] if o in body]
    num_after = sum(sum(isinstance(a, str) for a in s.args) == 1 for s in stored)
    return (*cost(program), num_after, len(constants), sum(map(len, constants)))


class _Search:
    """The program so far, and the steps that led to it; ``_raw`` has constants that are not rounded yet."""

    def __init__(self, program: Program, limits: RewriteLimits, engine: Engine | None) -> None:
        self.steps: list[Step] = []
        self.met: set[str] = set()
        self.after = self.normal = canonicalise(program).program()
        self._best = preference(self.normal)
        self._raw = tidy(program)
        self._limits, self._engine = limits, engine
        self._deadline = working_seconds() + limits.seconds

    def to_fixed_point(self, kinds: Sequence[Kind]) -> None:
        """Changes states, rewrites, changes states, ..., first in small graphs, then in larger ones."""
        while self._change_state(kinds, nodes=0):
            pass
        sizes = (*(n for n in GROWING if n < self._limits.nodes), self._limits.nodes)
        for smaller, nodes in zip((sizes[0], *sizes), sizes, strict=False):
            limits = replace(self._limits, nodes=nodes)
            self._rewrite(kinds, limits)
            while self._change_state(kinds, smaller):  # there are many to try
                self._rewrite(kinds, limits)

    def _within(self, limits: RewriteLimits) -> RewriteLimits:
        """Limits that end with all."""
        left = self._deadline - working_seconds()
        if left <= 0:
            self.met.add("seconds")
        return replace(limits, seconds=max(0.0, min(limits.seconds, left)))

    def _rewrite(self, kinds: Sequence[Kind], limits: RewriteLimits) -> None:
        found = rewrite(self._raw, kinds, self._within(limits), self._engine)
        met = tuple(m for m in found.met_limits if m != "nodes" or limits.nodes == self._limits.nodes)
        self.met.update(met)
        step = Step(REWRITING, self.after, found.normal, kinds=tuple(kinds), rules=found.fired)
        self._go_on(found.raw, step)

    def _change_state(self, kinds: Sequence[Kind], nodes: int) -> bool:
        """Takes the first change of state that is proved and makes the program better, if there is one.

        What it makes of the program is seen in canonical form, or after rewriting in a graph of some nodes.
        """
        # Better than all before: else rewriting, which may bring one back, and this would go on in a circle.
        wanted = self._best = min(self._best, preference(self.normal))
        for change in proposals(self._raw):
            limits = self._within(replace(_TRIAL, nodes=nodes))
            if limits.seconds <= 0:
                break
            raw, form = tidy(change.new), canonicalise(change.new).program()
            fired: tuple[str, ...] = ()
            if nodes and preference(form) >= wanted:
                found = rewrite(raw, kinds, limits, self._engine)
                raw, form, fired = found.raw, found.normal, found.fired
            if preference(form) < wanted and is_proved(change, kinds, self._within(_PROOF), self._engine):
                stage = f"state {change.name}"
                self._go_on(raw, Step(stage, self.after, form, kinds=tuple(kinds), rules=fired))
                return True
        return False

    def _go_on(self, raw: Program, step: Step) -> None:
        """Goes on from what was found; it is a step only if it is cheaper than all before."""
        self._raw, self.normal = raw, step.after
        if cost(step.after) >= cost(step.before):
            return
        last = self.steps[-1] if self.steps else None
        if last is not None and last.stage == step.stage == REWRITING and last.kinds == step.kinds:
            rules = tuple(sorted({*last.rules, *step.rules}))
            self.steps[-1] = replace(last, after=step.after, rules=rules)
        else:
            self.steps.append(step)
        self.after = step.after
