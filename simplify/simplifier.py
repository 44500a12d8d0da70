"""Simplification from raw genome to what a person reads: redundancy, proofs, experiments, writing.

Proofs come first and cost nothing but time. With tasks to train on, experiments follow: each round tries what
might be left out, and the simplest change that is shown to cost no more than the margin is made; then proofs
run again. Constants are snapped last. At the end the program is written for people. Every step is kept
with its evidence.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import DEFAULT_LIMITS, cost
from lion_search.simplify.experiments.ablations import Ablation, ChangeKind, ablations, snapped
from lion_search.simplify.experiments.rounds import Experiments, Tried, find_scale, why_untrained
from lion_search.simplify.experiments.stand_ins import stand_ins
from lion_search.simplify.experiments.trainer import OutOfTimeError, Trainer
from lion_search.simplify.experiments.trials import DEFAULT_SETTINGS, TrialSettings, Verdict
from lion_search.simplify.proving.proofs import Proved, simplify_by_proof
from lion_search.simplify.steps import EXPERIMENT, IDENTITIES, REDUNDANCY, WRITING, Step
from lion_search.simplify.writing.readable import readable


@dataclass(frozen=True, slots=True)
class Simplified:
    """What simplification came to.

    Attributes:
        before: the program it was given.
        pruned: without what is redundant.
        proved: the simplest form by proof alone.
        after: the result, written for people.
        steps: what was done, in order.
        tried: every change that was tried by experiment.
        scale: what updates were multiplied by in experiments; 1 if there were none.
        notes: for people: what was not done, limits that were met.
        seconds: how long it took.
        proof_seconds: how long proofs took of that.
    """

    before: Program
    pruned: Program
    proved: Program
    after: Program
    steps: tuple[Step, ...]
    tried: tuple[Tried, ...]
    scale: float
    notes: tuple[str, ...]
    seconds: float
    proof_seconds: float


class HowFar(enum.StrEnum):
    """Where simplification ends."""

    REDUNDANCY = "redundancy"
    """What no update depends on is dropped; the rest stays as it is."""
    PROOFS = "proofs"
    """Then the simplest equal form is written for people."""
    EXPERIMENTS = "experiments"
    """Then what is shown to cost nothing is left out, too."""


def simplify(
    program: Program,
    trainer: Trainer | None = None,
    *,
    how_far: HowFar = HowFar.EXPERIMENTS,
    settings: TrialSettings = DEFAULT_SETTINGS,
    limits: RewriteLimits = DEFAULT_LIMITS,
    report: Callable[[str], None] = lambda line: None,
) -> Simplified:
    """Simplifies a checked program.

    Args:
        program: any checked program.
        trainer: trains programs for experiments; without one there are none.
        how_far: where to end.
        settings: how sure experiments must be.
        limits: of each rewriting.
        report: is told, in a line, what was found.
    """
    work = _Work(program, limits, report)
    work.prune()
    pruned = proved = work.current
    if how_far is not HowFar.REDUNDANCY:
        work.prove()
        proved = work.current
        if how_far is HowFar.EXPERIMENTS and trainer is not None:
            work.experiment(trainer, settings)
        work.write()
    return Simplified(
        program, pruned, proved, work.current, tuple(work.steps), tuple(work.tried), work.scale,
        tuple(work.notes), awake_seconds() - work.started, work.proof_seconds,
    )  # fmt: skip


def limits_within(minutes: float) -> RewriteLimits:
    """The usual limits of a rewriting, shorter if all of it may take no longer."""
    return replace(DEFAULT_LIMITS, seconds=min(DEFAULT_LIMITS.seconds, 60 * minutes))


class _Work:
    """A simplification under way: the program so far, and what led to it."""

    def __init__(self, program: Program, limits: RewriteLimits, report: Callable[[str], None]) -> None:
        self.current = program
        self.steps: list[Step] = []
        self.tried: list[Tried] = []
        self.notes: list[str] = []
        self.scale = 1.0
        self.started, self.proof_seconds = awake_seconds(), 0.0
        self._limits, self._report = limits, report

    def prune(self) -> None:
        """Drops what no update ever depends on."""
        self._go_on(REDUNDANCY, prune(self.current))

    def prove(self) -> None:
        """Goes on by proof alone, to a program in canonical form."""
        form = canonicalise(self.current).program()
        if cost(form) < cost(self.current):
            self._add(Step(IDENTITIES, self.current, form))
        found = self._proof(epsilon=False)
        for step in found.steps:
            self._add(step)
        self.current = found.after

    def experiment(self, trainer: Trainer, settings: TrialSettings) -> None:
        """Goes on by experiment until nothing simpler is as good, or time or tries are over."""
        original = self.current
        try:
            self.scale = find_scale(original, trainer, settings)
            trainer = replace(trainer, scale=self.scale)
            if self.scale != 1:
                self._note(
                    f"experiments multiply updates by {self.scale:g}, with which it trains better here"
                )
            if why := why_untrained(original, trainer, settings):
                self._note(f"no experiments, since the program does not train on these tasks: {why}")
                return
            experiments = Experiments(original, trainer, settings)
            self.tried = experiments.tried
            for propose in (partial(self._left_out, trainer), self._fewer_digits):
                self._try_all(experiments, propose)
            if experiments.is_spent:
                self._note(f"all {settings.max_tries} tries are spent")
        except OutOfTimeError:
            self._note("the time for experiments was over before all was tried")

    def write(self) -> None:
        """Writes the program for people."""
        self._go_on(WRITING, readable(self.current))

    # How a program is changed and who is told.

    def _go_on(self, stage: str, after: Program, tried: Tried | None = None) -> None:
        what, evidence = (tried.what, tried.evidence) if tried else ("", None)
        before, self.current = self.current, after
        self._add(Step(stage, before, after, what, evidence=evidence))

    def _add(self, step: Step) -> None:
        """Keeps a step that changed something, and tells of it."""
        if step.before != step.after:
            self.steps.append(step)
            self._report(step.summary())

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)
            self._report(note)

    def _proof(self, *, epsilon: bool) -> Proved:
        found = simplify_by_proof(self.current, epsilon=epsilon, limits=self._limits)
        self.proof_seconds += found.seconds
        for limit in found.met_limits:
            self._note(f"rewriting met its limit of {limit}: there may be a simpler equal form")
        return found

    # What is tried by experiment.

    def _try_all(self, experiments: Experiments, propose: Callable[[], list[Ablation]]) -> None:
        """Rounds of one sort of ablations, proposed anew after each that is made, until all were tried."""
        proposed = propose()
        while not experiments.is_spent:
            fresh, hopeless = self._untried(proposed), self._hopeless()
            chosen = [ablation for ablation in fresh if ablation.what not in hopeless] or fresh
            if not chosen:
                return
            accepted = experiments.round(self.current, chosen)
            if accepted is not None:
                self._go_on(EXPERIMENT, accepted.program, accepted)
                self.prove()
                proposed = propose()

    def _left_out(self, trainer: Trainer) -> list[Ablation]:
        """Without one thing, or with what is nearly it; and by rules that take epsilon for small."""
        recordings = trainer.record(self.current, trainer.scale)
        proposed = [*ablations(self.current), *stand_ins(self.current, recordings)]
        rewritten = self._proof(epsilon=True)
        if cost(rewritten.after) < cost(self.current):
            what = "rules that take the protective epsilon for small"
            proposed.insert(0, Ablation(ChangeKind.REWRITING, what, rewritten.after))
        return proposed

    def _fewer_digits(self) -> list[Ablation]:
        return snapped(self.current)

    def _untried(self, proposed: Sequence[Ablation]) -> list[Ablation]:
        judged = {functional_hash(t.program) for t in self.tried if t.evidence.verdict is not Verdict.OPEN}
        return [ablation for ablation in proposed if functional_hash(ablation.program) not in judged]

    def _hopeless(self) -> set[str]:
        """What was tried on an earlier form of the program and cost far more than the margin."""
        return {t.what for t in self.tried if t.evidence.is_clear_loss}
