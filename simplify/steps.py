"""A step of simplification: what was done, to what, and why it is right."""

from __future__ import annotations

from dataclasses import dataclass

from lion_search.dsl.program import Program
from lion_search.simplify.equality.rules import Kind
from lion_search.simplify.experiments.trials import Evidence


@dataclass(frozen=True, slots=True)
class Step:
    """One step of simplification.

    Attributes:
        stage: its stable name: ``redundancy``, ``identities``, ``rewriting``, ``state ...`` for a change of
            state, ``experiment``, ``writing``.
        before: the program before.
        after: the program after.
        what: the change that was tried by an experiment; else empty.
        kinds: the kinds of rules that were enabled.
        rules: the rules that matched somewhere, on the way to the result or not.
        evidence: of an experiment; ``None`` where the step is proved.
    """

    stage: str
    before: Program
    after: Program
    what: str = ""
    kinds: tuple[Kind, ...] = ()
    rules: tuple[str, ...] = ()
    evidence: Evidence | None = None

    def summary(self) -> str:
        """One line for people."""
        title = f"{self.stage}, {self.what}" if self.what else self.stage
        shown = f"; {self.evidence.summary()}" if self.evidence else ""
        before, after = self.before, self.after
        return (
            f"{title}: {len(before.statements)} -> {len(after.statements)} statements, "
            f"{len(before.states)} -> {len(after.states)} states{shown}"
        )
