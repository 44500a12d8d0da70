"""A step of simplification: what was done, to what, and why it is right."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import computed_field

from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural
from lion_search.simplify.equality.rules import Kind
from lion_search.simplify.experiments.trials import Evidence
from lion_search.simplify.program_text import ProgramText

REDUNDANCY, IDENTITIES, REWRITING = "redundancy", "identities", "rewriting"
"""Stages: what no update depends on is dropped; equals are computed once; rules find a cheaper form."""
EXPERIMENT, WRITING = "experiment", "writing"
"""A change is shown to cost nothing; names, order and form are those people use."""
_ABOUT = {
    REDUNDANCY: "what no update depends on is dropped",
    IDENTITIES: "what is the same is computed once",
    REWRITING: "a simpler equal form",
    WRITING: "names, order and form for people",
}
"""What is done in stages whose steps say no more."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a program is: its numbers of statements and of states."""

    statements: int
    states: int


def size(program: Program) -> Size:
    """How large a program is."""
    return Size(len(program.statements), len(program.states))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of simplification.

    Attributes:
        stage: its stable name: one of the stages above, or ``state ...`` for a change of state.
        before: the program before.
        after: the program after.
        what: the change that was tried by an experiment; else empty.
        kinds: the kinds of rules that were enabled.
        rules: the rules that matched somewhere, on the way to the result or not.
        evidence: of an experiment; ``None`` where the step is proved.
    """

    stage: str
    before: ProgramText
    after: ProgramText
    what: str = ""
    kinds: tuple[Kind, ...] = ()
    rules: tuple[str, ...] = ()
    evidence: Evidence | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size_before(self) -> Size:
        """How large the program was."""
        return size(self.before)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size_after(self) -> Size:
        """How large it is now."""
        return size(self.after)

    @property
    def about(self) -> str:
        """What was done, in words."""
        return self.what or _ABOUT.get(self.stage, "")

    def why(self) -> str:
        """Why it is right, in a line for people."""
        if self.evidence is not None:
            return self.evidence.summary()
        if self.rules:
            return f"proof by rules ({', '.join(self.kinds)}); of {len(self.rules)} that matched: --json"
        return "proof"

    def summary(self) -> str:
        """One line for people."""
        title = f"{self.stage}, {self.what}" if self.what else self.stage
        shown = f"; {self.evidence.summary()}" if self.evidence else ""
        before, after = self.size_before, self.size_after
        return (
            f"{title}: {_change(before.statements, after.statements, 'statement')}, "
            f"{_change(before.states, after.states, 'state')}{shown}"
        )


def _change(before: int, after: int, noun: str) -> str:
    return plural(after, noun) if before == after else f"{before:,} -> {plural(after, noun)}"
